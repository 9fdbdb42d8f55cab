"""The fast form of `learn_merges` (module 10): only what a merge changes is counted again.

The plain definition counts every pair of every word after each merge, and looks at every token to
find the places. Here counts and places of all pairs are kept. A merge of `b c` visits the places of
that pair only: in `a b c d` it takes away `a b` and `c d` and brings `a bc` and `bc d`. All words
lie in one list, with a wall between them; a token that was merged away stays there, and `before`
and `after` lead around it. A place where the pair no longer is, because another merge took part of
it, is noticed when it is visited.

The most frequent pair comes from a heap. A pair is put there when the younger of its tokens is
made; from then on its count can only fall. That it fell is noticed when the pair comes out on top,
and it goes back with the true count. Ties are settled as in the plain definition, since the heap
compares (-count, pair).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Any

from tinytorch.core.primitive import kernel

Pair = tuple[int, int]
WALL, GONE = -1, -2


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[list[Pair], None]:
    words, count = arrays
    tokens, times = [WALL], [0]  # each token, and how often its word occurs
    for word, n in words.items():
        tokens += [*word, WALL]
        times += [n] * (len(word) + 1)
    before = list(range(-1, len(tokens) - 1))
    after = list(range(1, len(tokens) + 1))

    counts: defaultdict[Pair, int] = defaultdict(int)
    places: defaultdict[Pair, list[int]] = defaultdict(list)  # where the left one of the pair is
    for place in range(len(tokens) - 1):
        pair = (tokens[place], tokens[place + 1])
        if WALL not in pair:
            counts[pair] += times[place]
            places[pair].append(place)
    heap = [(-n, pair) for pair, n in counts.items()]
    heapq.heapify(heap)

    merges: list[Pair] = []
    while heap and len(merges) < count:
        n, best = heapq.heappop(heap)
        if -n != counts[best]:
            heapq.heappush(heap, (-counts[best], best))
            continue
        if -n < 2:
            break
        left, right = best
        new = 256 + len(merges)
        merges.append(best)
        changes: defaultdict[Pair, int] = defaultdict(int)
        for place in sorted(places.pop(best)):  # from left to right, as in aaa
            second = after[place]
            if tokens[place] != left or tokens[second] != right:
                continue
            n, previous, following = times[place], before[place], after[second]
            if tokens[previous] != WALL:
                changes[tokens[previous], left] -= n
                changes[tokens[previous], new] += n
                places[tokens[previous], new].append(previous)
            if tokens[following] != WALL:
                changes[right, tokens[following]] -= n
                changes[new, tokens[following]] += n
                places[new, tokens[following]].append(place)
            tokens[place], tokens[second] = new, GONE
            after[place], before[following] = following, place
        for pair, change in changes.items():
            counts[pair] += change
            if change > 0:  # a new pair
                heapq.heappush(heap, (-counts[pair], pair))
    return merges, None


kernel("learn_merges", forward)
