"""Where in one block of memory each intermediate result lies, so that none overwrites a living one.

A device without an operating system has one array of bytes, the arena, and no allocator: which
result lies where is settled before the model runs. A `Buffer` is needed from the step that makes it
to the last that reads it; two may share bytes if their times do not meet. `placed` finds offsets
greedily, the largest buffer first, each at the lowest place that is free all of its time: what
TensorFlow Lite Micro's planner does.

Left out: finding the smallest arena there is (that is NP-hard, and greedy is close), changing the
order of the steps, and computing in place.

David et al., "TensorFlow Lite Micro", 2021, section 4.4. Pisarchyk and Lee, "Efficient memory
management for deep neural net inference", 2020, section 5.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Buffer:
    """Memory that one result takes, and all views of it.

    name    what made it: "conv2d layers.0", or "input 0"
    nbytes  its size
    born    the step that makes it; -1 for an input, which is there before the first
    last    the last step that reads it; of a result of the model, the last of all
    offset  where in the arena it begins
    """

    name: str
    nbytes: int
    born: int
    last: int
    offset: int = 0

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.nbytes

    def lives_at(self, step: int) -> bool:
        """Whether it must be there during a step: its own, and all up to the last that reads it."""
        return self.born <= step <= self.last

    def meets(self, other: Buffer) -> bool:
        """Whether there is a step at which both must be there."""
        return self.born <= other.last and other.born <= self.last


def live_bytes(buffers: Iterable[Buffer], steps: int) -> list[int]:
    """The bytes that must be there during each step. No arena can be smaller than the largest."""
    totals = [0] * steps
    for buffer in buffers:
        for step in range(max(buffer.born, 0), buffer.last + 1):
            totals[step] += buffer.nbytes
    return totals


def placed(buffers: Sequence[Buffer], alignment: int = 16) -> list[Buffer]:
    """Give each buffer an offset, a multiple of `alignment`, in the order in which they came.

    The largest goes first, where nothing is in its way; small ones find room in the gaps.
    """
    if alignment < 1:
        raise ValueError(f"placed: alignment={alignment}: offsets are multiples of it, so >= 1")
    order = sorted(range(len(buffers)), key=lambda i: (-buffers[i].nbytes, buffers[i].born))
    done: dict[int, Buffer] = {}
    for i in order:
        in_the_way = [other for other in done.values() if other.meets(buffers[i])]
        done[i] = replace(buffers[i], offset=first_gap(in_the_way, buffers[i].nbytes, alignment))
    return [done[i] for i in range(len(buffers))]


def first_gap(taken: list[Buffer], nbytes: int, alignment: int) -> int:
    """The lowest offset with room for `nbytes` between what is `taken`."""
    offset = 0
    for other in sorted(taken, key=lambda buffer: buffer.offset):
        if offset + nbytes <= other.offset:
            break
        offset = max(offset, -(-other.end // alignment) * alignment)
    return offset


def arena_bytes(buffers: Iterable[Buffer]) -> int:
    """The size of the arena that holds these buffers where they are placed."""
    return max((buffer.end for buffer in buffers), default=0)
