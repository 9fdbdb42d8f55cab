"""What the tests of costs share: programs heard event by event, and leaves to run them on."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np

import tinytorch.arch
import tinytorch.core
import tinytorch.opt
from tinytorch.core.context import listening
from tinytorch.core.primitive import Event
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import Cost, cost_of


def import_everything() -> None:
    """Import all three tiers, so that every primitive and every rule is registered."""
    for package in (tinytorch.core, tinytorch.arch, tinytorch.opt):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".milestones" in module.name:  # those are scripts
                continue
            with contextlib.suppress(ImportError):  # an extra that is not installed
                importlib.import_module(module.name)


import_everything()


def costs(program: Callable[[], Any]) -> list[tuple[str, str, Cost]]:
    """Run a program; return what each event in it cost."""
    heard: list[tuple[str, str, Cost]] = []

    def hear(event: Event) -> None:
        known = cost_of(event)
        assert known is not None, event.record.primitive.name
        heard.append((event.kind, event.record.primitive.name, known))

    with listening(hear):
        program()
    return heard


def flops(program: Callable[[], Any], kind: str) -> int:
    return sum(c.flops for k, _, c in costs(program) if k == kind)


def leaf(*shape: int) -> Tensor:
    rng = np.random.default_rng(0)
    return Tensor(rng.uniform(0.1, 0.9, shape).astype(np.float32), requires_grad=True)
