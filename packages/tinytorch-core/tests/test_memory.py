"""Keeping freed memory, seen by what it saves: pages that the operating system hands out."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Prints how many pages a process was handed during ten rounds of 4 MiB made, touched and dropped
ROUNDS = """
import resource
import numpy as np
from tinytorch.core.memory import keep_freed_memory
if {keep}:
    keep_freed_memory()
def round():
    arrays = [np.ones(1 << 20, np.float32) for _ in range(4)]
    del arrays
round()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    round()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(keep: bool) -> int:
    program = ROUNDS.format(keep=keep)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return int(done.stdout)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc's malloc learns from what is freed"
)
def test_memory_that_was_freed_is_used_again_without_new_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NUMPY_MADVISE_HUGEPAGE", "0")  # pages of 4 KiB, which can be counted
    kept, given_back = pages(True), pages(False)
    assert kept < 1024 < given_back, (kept, given_back)  # ten rounds of 4 x 1024 pages
