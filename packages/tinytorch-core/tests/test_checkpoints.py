"""Checkpoint files: random generators come back, and a kill while writing harms nothing."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.checkpoints import (
    Checkpoint,
    generator_states,
    restore_generators,
)
from tinytorch.core.random import default_generator


# Random generators
@given(
    st.sampled_from([np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]),
    st.integers(0, 2**32),
    st.integers(0, 20),
)
def test_a_generator_put_back_draws_the_same_again(kind: Any, seed: int, drawn: int) -> None:
    import json

    class Owner:
        rng = None

    owner = Owner()
    owner.rng = np.random.Generator(kind(seed))  # type: ignore[assignment]
    owner.rng.standard_normal(drawn, np.float32)  # type: ignore[attr-defined]
    states = json.loads(json.dumps(generator_states({"a": owner})))
    first = [owner.rng.random(3, np.float32), default_generator().random(3)]  # type: ignore[attr-defined]
    restore_generators({"a": owner}, states)
    again = [owner.rng.random(3, np.float32), default_generator().random(3)]  # type: ignore[attr-defined]
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


def test_another_kind_of_generator_is_refused_by_name() -> None:
    class Owner:
        rng = None

    one, two = Owner(), Owner()
    one.rng = np.random.Generator(np.random.PCG64(0))  # type: ignore[assignment]
    two.rng = np.random.Generator(np.random.SFC64(0))  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"generator a\.rng: the checkpoint has PCG64, .* SFC64"):
        restore_generators({"a": two}, generator_states({"a": one}))


# A kill while writing
WRITER = """
import builtins, os, sys
import numpy as np
from tinytorch.core import files
from tinytorch.core.checkpoints import Checkpoint, CheckpointFolder

def die(*arguments):
    os._exit(9)  # as after kill -9: nothing is flushed, no finally runs

class Half:
    "A file that writes half of what it is given, and takes the process with it."
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *exception): self.file.close()
    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        die()

folder, end = CheckpointFolder(sys.argv[1]), sys.argv[4]
size, last = int(sys.argv[2]), int(sys.argv[3])
folder.prepare()
for number in range(last + 1):
    weights = {"w": np.full(size, number, np.float32)}
    checkpoint = Checkpoint(weights, {}, [], [], {"step": number}, [])
    if number == last and end == "opening":
        files.open = die
    if number == last and end == "writing":
        files.open = lambda *arguments: Half(builtins.open(*arguments))
    if number == last and end == "syncing":
        os.fsync = die
    if number == last and end == "renaming":
        os.replace = die
    folder.keep(checkpoint, best=False)
    print(number, flush=True)
"""


def writer(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """A process that writes checkpoints numbered 0, 1, 2 ..., and prints each that is complete."""
    command = [sys.executable, "-c", WRITER, str(folder), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def number_kept(folder: Path) -> int:
    """Which checkpoint is on disk. Raises unless it is whole."""
    kept = Checkpoint.read(folder / "last.safetensors")
    number = int(kept.position["step"])
    assert (kept.model["w"] == number).all()
    return number


@pytest.mark.parametrize("moment", ["opening", "writing", "syncing", "renaming"])
def test_a_process_that_dies_while_writing_leaves_the_checkpoint_before(
    tmp_path: Path, moment: str
) -> None:
    with writer(tmp_path, 1000, 2, moment) as process:
        out, _ = process.communicate(timeout=60)
    assert (out.split(), process.returncode) == (["0", "1"], 9)
    assert number_kept(tmp_path) == 1


@pytest.mark.parametrize("milliseconds", range(0, 40, 5))
def test_a_kill_at_any_moment_leaves_the_last_checkpoint_or_the_one_before(
    tmp_path: Path, milliseconds: int
) -> None:
    with writer(tmp_path, 2_000_000, 100_000, "never") as process:
        assert process.stdout is not None
        for _ in range(2):
            process.stdout.readline()
        time.sleep(milliseconds / 1000)
        process.kill()
        rest = process.stdout.read().split()
    complete = int(rest[-1]) if rest else 1
    assert number_kept(tmp_path) in (complete, complete + 1)
