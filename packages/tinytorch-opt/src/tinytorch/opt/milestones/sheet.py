"""The table of milestone 2018: a row for each form of a model, each number measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tinytorch.core.measurement import in_seconds
from tinytorch.core.milestones.frame import Stage
from tinytorch.opt.benchmarking import percentile


@dataclass(frozen=True)
class Line:
    """One form of one model.

    size     bytes on disk
    quality  accuracy (a fraction), or the loss of a character in nats
    times    seconds of each query, one after the other: per image, or per token
    """

    model: str
    form: str
    size: int
    quality: float
    is_accuracy: bool
    times: Sequence[float]

    @property
    def p50(self) -> float:
        return percentile(self.times, 50)

    @property
    def p99(self) -> float:
        return percentile(self.times, 99)

    def cells(self) -> tuple[str, ...]:
        """What the table shows."""
        quality = f"{100 * self.quality:.2f} %" if self.is_accuracy else f"{self.quality:.4f}"
        return (
            self.model,
            self.form,
            f"{self.size:,}",
            quality,
            in_seconds(self.p50),
            in_seconds(self.p99),
        )

    def record(self) -> dict[str, Any]:
        """The same for the record, without single times."""
        content = asdict(self)
        del content["times"], content["is_accuracy"]
        return content | {"p50": self.p50, "p99": self.p99, "queries": len(self.times)}


HEADERS = ("model", "form", "bytes", "quality", "p50", "p99")


def show(stage: Stage, lines: Sequence[Line]) -> None:
    """Write the table, and record it."""
    stage.tell(
        "One query after the other, as on a phone. Quality is accuracy on test images, or what a "
        "character of unseen text costs, in nats; times are per image, or per token."
    )
    stage.table(HEADERS, [line.cells() for line in lines], right=(2, 3, 4, 5))
    stage.number("table", [line.record() for line in lines])
