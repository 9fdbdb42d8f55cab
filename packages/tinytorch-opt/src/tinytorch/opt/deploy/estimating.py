"""How long a model may take on a Raspberry Pi: an estimate, from what its boards can do at most.

    print(estimate(model, example, board="pi-4"))

Each call of a primitive takes the longer of the time to compute and the time to move its bytes, and
a little for being called:

    t = max(2 multiply-adds / (eta peak), bytes / (0.4 bandwidth)) + 20 us

eta, the share of the peak that is reached, is taken as 0.4, and as 0.08 for depthwise convolutions.
No board was measured for it: `benchmark.py` in a bundle does that. Left out: caches, heat, and
other programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinytorch.core.layers import Module
from tinytorch.core.primitive import Event
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import cost_of
from tinytorch.opt.folding import fold_batch_norm
from tinytorch.opt.graph import Node, trace

DENSE, DEPTHWISE = 0.4, 0.08  # shares of the peak
MEMORY = 0.4  # share of the bandwidth
CALL = 20e-6  # seconds for each call


@dataclass(frozen=True)
class Board:
    """What a board can do at most.

    peak       floating-point operations a second, float32: cores x clock x operations a cycle
    bandwidth  bytes a second
    source     where the numbers come from
    """

    name: str
    peak: float
    bandwidth: float
    source: str


BOARDS = {
    "pi-zero-2w": Board(
        "Raspberry Pi Zero 2 W", 32e9, 3.6e9,
        "4 Cortex-A53 x 1.0 GHz x 8 operations; LPDDR2-900, 32 bits",
    ),
    "pi-4": Board(
        "Raspberry Pi 4", 48e9, 12.8e9,
        "4 Cortex-A72 x 1.5 GHz x 8 operations; LPDDR4-3200, 32 bits",
    ),
    "pi-5": Board(
        "Raspberry Pi 5", 153.6e9, 17.1e9,
        "4 Cortex-A76 x 2.4 GHz x 16 operations; LPDDR4X-4267, 32 bits",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One call: its primitive and layer, what it costs, and the estimated seconds."""

    primitive: str
    layer: str
    flops: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """An estimate, not a measurement. `print` shows it as a table."""

    board: Board
    threads: int
    rows: tuple[Row, ...]

    @property
    def seconds(self) -> float:
        """Of one run, estimated."""
        return sum(row.seconds for row in self.rows)

    def __str__(self) -> str:
        head = ["primitive", "layer", "MFLOP", "KB", "ms (estimate)"]
        body = [
            [r.primitive, r.layer, f"{r.flops / 1e6:.3f}", f"{r.bytes / 1e3:.1f}",
             f"{r.seconds * 1e3:.3f}"]
            for r in self.rows
        ]  # fmt: skip
        flops, moved = sum(r.flops for r in self.rows), sum(r.bytes for r in self.rows)
        last = [
            "total",
            "",
            f"{flops / 1e6:.3f}",
            f"{moved / 1e3:.1f}",
            f"{self.seconds * 1e3:.3f}",
        ]
        table = [head, *body, last]
        widths = [max(len(row[i]) for row in table) for i in range(5)]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        board = self.board
        told = (
            f"Estimate for {board.name}, {self.threads} of its cores: "
            f"at most {board.peak * self.threads / 4 / 1e9:.1f} GFLOP/s and "
            f"{board.bandwidth / 1e9:.1f} GB/s in theory ({board.source}). Not measured."
        )
        return "\n".join([told, *lines])


def estimate(model: Module, example: Any, board: str = "pi-4", *, threads: int = 4) -> Estimate:
    """Estimate how long one run takes on a Raspberry Pi.

    example  one input, or a batch of which the first is taken: (N, ...)
    board    "pi-zero-2w", "pi-4" or "pi-5"
    threads  of its four cores

    Batch normalisation is folded first, as `export` does it; views of memory are no calls. Raises
    ValueError for another board, and for a primitive whose cost is not known.
    """
    if board not in BOARDS:
        raise ValueError(f"no board is called {board!r}; there are {', '.join(BOARDS)}")
    if not 1 <= threads <= 4:
        raise ValueError(f"{threads} threads: the boards have four cores")
    array = example.data if isinstance(example, Tensor) else example
    one = Tensor(array[:1], array.dtype)
    rows = [
        row_of(node, BOARDS[board], threads)
        for node in trace(fold_batch_norm(model, one), one).nodes
    ]
    return Estimate(BOARDS[board], threads, tuple(row for row in rows if row is not None))


def row_of(node: Node, board: Board, threads: int) -> Row | None:
    """What a call takes; None for one that moves nothing."""
    cost = cost_of(Event("forward", node.record, node.record.out, 0, 0))
    if cost is None:
        raise ValueError(f"what {node.name!r} (layer {node.layer!r}) costs is not known")
    if cost.bytes == 0:
        return None
    groups = node.params.get("groups", 1)
    depthwise = node.name.startswith("conv2d") and groups > 1 and groups == node.shapes[0][1]
    reached = (DEPTHWISE if depthwise else DENSE) * board.peak * threads / 4
    seconds = max(cost.operations / reached, cost.bytes / (MEMORY * board.bandwidth)) + CALL
    return Row(node.name, node.layer, cost.operations, cost.bytes, seconds)
