"""Where the time of one query goes: a line for each of the dearest operations."""

from __future__ import annotations

from typing import Any

from tinytorch.core.context import no_grad
from tinytorch.core.layers import Module
from tinytorch.core.milestones.frame import Stage
from tinytorch.opt.profiling import Profiler


def profile(stage: Stage, name: str, model: Module, x: Any) -> None:
    """Say where the time of one query goes."""
    with no_grad():
        model(x)
        with Profiler(model) as heard:
            model(x)
    stage.tell(f"{name}, one query: where its time goes.")
    for row in heard.table(limit=4).splitlines():
        stage.screen.line(row)
