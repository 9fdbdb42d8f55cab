"""Keeping freed memory: an opt-in for programs that train, worth a few per cent of their time.

Each operation makes a new array, and large ones come from the operating system and go back to it:
on Linux with glibc, `malloc` maps blocks of 128 KiB and more one by one. Their pages are handed out
at the first touch, each with an interruption and filled with zeros, thousands of them in a
training step. glibc learns: when a mapped block of up to 32 MiB is freed, blocks up to its size are
from then on cut from the heap, and up to twice as much free memory stays at the heap's end. A
program learns that by itself if it happens to free such an array; this file sees to it.

It changes the whole process, also what other libraries allocate, and keeps memory that other
programs could use. So nothing here happens by importing TinyTorch: a program decides, once, at its
start. `tito milestone run` and `python -m tinytorch.core.runs` do. Left out: other allocators
(macOS, Windows, musl), for which this is an array made and dropped, and glibc's own settings
(MALLOC_MMAP_THRESHOLD_ in the environment), which win where they are set.
"""

from __future__ import annotations

import numpy as np

LARGEST = 31 << 20  # bytes: glibc learns from blocks below 32 MiB, which a header must fit in too


def keep_freed_memory() -> None:
    """Let this process keep the memory of arrays up to 31 MiB that it frees, to use it again.

    Call it once, before training. It takes microseconds and touches no memory. Up to 62 MiB that
    are free stay with the process until it ends. Its effect on a step is in docs/benchmarks.md.

    >>> keep_freed_memory()
    """
    np.empty(LARGEST, np.uint8)  # mapped, and freed at once, as nobody holds it
