"""Checkpoints: all that a run needs to go on exactly as if it had not stopped, in one file.

A safetensors file: the tensors of the model and of the optimizer, and in its metadata, as JSON,
where the run stood, its history, and the state of every random generator. Left out: the program
itself. Whoever resumes builds the same model, optimizer and loaders first.

Also left out: Python's `random` and NumPy's global generator, which TinyTorch never draws from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from tinytorch.core.files import AnyPath, remove_partial, write_atomically
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array
from tinytorch.core.random import default_generator
from tinytorch.core.serialization import read, to_bytes
from tinytorch.core.tensor import Tensor

FORMAT = "tinytorch-checkpoint-1"
States = dict[str, Any]  # of random generators, by where they were found


@dataclass
class Position:
    """Where a run stands."""

    epoch: int = 0  # epochs that are complete
    batch: int = 0  # batches of the present one that were trained on
    step: int = 0  # steps of the optimizer, in all
    loss_sum: float = 0.0  # over the examples of the present epoch
    examples: int = 0
    seconds: float = 0.0  # spent on the present epoch


@dataclass
class Checkpoint:
    """A run that stands still. All but the two sets of arrays is plain data, as JSON holds it."""

    model: dict[str, Array]
    optimizer: dict[str, Array]  # by number of the parameter and kind: "0.exp_avg"
    param_groups: list[dict[str, Any]]
    base_lrs: list[float]
    position: dict[str, Any]
    history: list[dict[str, float]]
    batches: int | None = None  # in an epoch, where the loader knows
    draws: States = field(default_factory=dict)  # of the generators, now
    epoch_draws: States = field(default_factory=dict)  # and when the present epoch began

    def to_bytes(self) -> bytes:
        """Return the file."""
        plain = {k: v for k, v in vars(self).items() if k not in ("model", "optimizer")}
        tensors = {f"model/{name}": array for name, array in self.model.items()}
        tensors |= {f"optimizer/{name}": array for name, array in self.optimizer.items()}
        return to_bytes(tensors, {"format": FORMAT, "run": json.dumps(plain)})

    @staticmethod
    def read(path: AnyPath) -> Checkpoint:
        """Read a file. Raises ValueError, naming it, unless it is a whole checkpoint."""
        tensors, texts = read(path)
        if texts.get("format") != FORMAT:
            raise ValueError(
                f"{path} holds tensors, but is no checkpoint of this version (its format is "
                f"{texts.get('format', 'not named')}, not {FORMAT}). To take only the weights: "
                "model.load_state_dict(tinytorch.load(path))"
            )
        model, optimizer = (
            {name.removeprefix(part): a for name, a in tensors.items() if name.startswith(part)}
            for part in ("model/", "optimizer/")
        )
        return Checkpoint(model=model, optimizer=optimizer, **json.loads(texts["run"]))


class CheckpointFolder:
    """Keeps two files in a folder: `last.safetensors`, and `best.safetensors` beside it."""

    def __init__(self, folder: AnyPath) -> None:
        self.last = Path(folder) / "last.safetensors"
        self.best = Path(folder) / "best.safetensors"

    def prepare(self) -> None:
        """Make the folder, and clear away what a killed run was writing."""
        self.last.parent.mkdir(parents=True, exist_ok=True)
        remove_partial(self.last)
        remove_partial(self.best)

    def keep(self, checkpoint: Checkpoint, *, best: bool) -> None:
        """Replace the last checkpoint, and the best one too if this one is better."""
        content = checkpoint.to_bytes()
        if best:
            write_atomically(self.best, content)
        write_atomically(self.last, content)


def load_model(model: Module, path: AnyPath) -> None:
    """Give `model` the weights in the checkpoint `path`, and leave everything else alone."""
    model.load_state_dict(Checkpoint.read(path).model)


def generators(owners: Mapping[str, object]) -> dict[str, np.random.Generator]:
    """Find every random generator: the default one, and those that attributes of `owners` hold.

    `{"model": model, "train": loader}` gives names such as "default", "model.layers.1.rng".
    """
    found = {"default": default_generator()}
    for name, owner in owners.items():
        _search(name, owner, found, set(), 0)
    return found


def _search(
    name: str, owner: Any, found: dict[str, np.random.Generator], seen: set[int], depth: int
) -> None:
    if isinstance(owner, np.random.Generator):
        found[name] = owner
        return
    if id(owner) in seen or depth > 12 or isinstance(owner, _WITHOUT_GENERATORS):
        return
    seen.add(id(owner))
    inside: Mapping[Any, Any]
    if isinstance(owner, list | tuple | dict):
        if len(owner) > 1000:  # examples, not layers or transforms
            return
        inside = owner if isinstance(owner, dict) else dict(enumerate(owner))
    else:
        inside = getattr(owner, "__dict__", {})
    for key, item in inside.items():
        _search(f"{name}.{key}", item, found, seen, depth + 1)


_WITHOUT_GENERATORS = (np.ndarray, np.generic, Tensor, str, bytes, type, ModuleType, FunctionType)


def generator_states(owners: Mapping[str, object]) -> States:
    """The state of each generator that `generators` finds, as plain data."""
    return {name: _plain(g.bit_generator.state) for name, g in generators(owners).items()}


def restore_generators(owners: Mapping[str, object], states: States) -> None:
    """Put generators back where `generator_states` saw them. Raises ValueError if they differ."""
    found = generators(owners)
    if set(found) != set(states):
        raise ValueError(
            f"the checkpoint holds random generators {sorted(states)}, and this run has "
            f"{sorted(found)}: give model and loaders the same `rng` arguments as before. To take "
            "only the weights: tinytorch.load_model(model, path)"
        )
    for name, generator in found.items():
        kind = type(generator.bit_generator).__name__
        saved = states[name]["bit_generator"]
        if saved != kind:
            raise ValueError(
                f"random generator {name}: the checkpoint has {saved}, this run {kind}"
            )
    for name, generator in found.items():
        generator.bit_generator.state = states[name]


def _plain(value: Any) -> Any:
    """Return the state of a generator as JSON would hold it: some kinds keep arrays."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
