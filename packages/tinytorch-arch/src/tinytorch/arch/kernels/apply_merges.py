"""The fast form of `apply_merges` (module 10): a merge looks at the two pairs that it makes.

The plain definition looks at every pair of the word before each merge: n steps for each of up to n
merges, which never ends for a megabyte without a space. Here the pairs that can be merged wait in a
heap, in the order (token they become, place). That is the order of the plain definition: the
earliest merge first, from left to right. A token that was merged away stays in its place as a -1;
`before` and `after` lead around it. A pair of which another merge took a part is noticed when it
comes out of the heap.
"""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import Any

from tinytorch.core.primitive import kernel


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[list[int], None]:
    word, merged = arrays
    end = len(word)
    tokens = [*word, -1]  # no pair holds -1: neither both ends, nor what was merged away
    before, after = list(range(-1, end)), list(range(1, end + 2))
    heap = [(merged[pair], place) for place, pair in enumerate(pairwise(word)) if pair in merged]
    heapq.heapify(heap)
    while heap:
        new, place = heapq.heappop(heap)
        second = after[place]
        if merged.get((tokens[place], tokens[second])) != new:
            continue
        following, previous = after[second], before[place]
        tokens[place], tokens[second] = new, -1
        after[place], before[following] = following, place
        right = merged.get((new, tokens[following]))
        if right is not None:
            heapq.heappush(heap, (right, place))
        left = merged.get((tokens[previous], new))
        if left is not None:
            heapq.heappush(heap, (left, previous))
    return [token for token in tokens if token >= 0], None


kernel("apply_merges", forward)
