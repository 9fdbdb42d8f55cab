"""What a training run has seen: one plain row an epoch, to be read, plotted, or written.

Here too: when the rows say that training should stop. A row is a dict of numbers; which keys it
has is said in `Trainer` (module 08). Left out: drawing.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tinytorch.core.files import AnyPath, write_atomically

Row = dict[str, float]  # counts are ints


class History(list[Row]):
    """Rows in the order of epochs: `history[-1]["train_loss"]`, `history.column("train_loss")`."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        super().__init__(rows)

    def column(self, name: str) -> list[float]:
        """The values under `name`, in order; NaN for rows without it.

        Raises KeyError if no row has it.
        """
        if not any(name in row for row in self):
            raise KeyError(f"no row has {name!r}; there are {', '.join(self.names()) or 'no rows'}")
        return [row.get(name, math.nan) for row in self]

    def names(self) -> list[str]:
        """The keys of all rows, each once."""
        return list(dict.fromkeys(key for row in self for key in row))

    def best(self, name: str, mode: str = "min") -> Row:
        """The first row whose `name` is lowest ("min") or highest ("max"); NaN is never best."""
        sign = {"min": 1.0, "max": -1.0}[mode]
        values = [math.inf if math.isnan(v) else sign * v for v in self.column(name)]
        return self[values.index(min(values))]

    def to_json(self) -> str:
        """A list of objects, one a row."""
        return json.dumps(list(self), indent=1)

    def to_csv(self) -> str:
        """A header, and a line for each row; what a row lacks is left empty."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.names(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self)
        return text.getvalue()

    def save(self, path: AnyPath) -> None:
        """Write a .json or .csv file."""
        forms: dict[str, Callable[[], str]] = {".json": self.to_json, ".csv": self.to_csv}
        suffix = Path(path).suffix
        if suffix not in forms:
            raise ValueError(f"{path}: a history is written as .json or .csv, not {suffix!r}")
        write_atomically(path, forms[suffix]())


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when `metric`, a column of the history, has had no new best for `patience` epochs."""

    patience: int
    metric: str = "validation_loss"
    mode: str = "min"  # the lower the better, or "max"

    def __post_init__(self) -> None:
        if self.patience < 1 or self.mode not in ("min", "max"):
            raise ValueError(f'{self}: patience is at least 1, mode "min" or "max"')

    def __call__(self, history: History) -> bool:
        if not history:
            return False
        best = history.best(self.metric, self.mode)
        return history[-1]["epoch"] - best["epoch"] >= self.patience
