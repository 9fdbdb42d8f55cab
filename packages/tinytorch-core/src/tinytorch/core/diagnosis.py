"""What to say when training has left the numbers: where it happened, and why that usually is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def diagnosis(
    step: int, epoch: int, lr: float, loss: float, norm: float, batches: Sequence[Any]
) -> str:
    """Explain a loss, or a norm of the gradients, that is NaN or infinite.

    step, epoch  which they are, counted from 1
    batches      what the step was computed from, pairs (x, y)
    """
    what = f"the gradients' norm is {norm}" if math.isfinite(loss) else f"the loss is {loss}"
    where = f"{what} at step {step} (epoch {epoch}, lr {lr:g})"
    if not all(np.isfinite(x.data).all() for x, _ in batches):
        return f"{where}: the inputs of this step hold NaN or infinity. Mend the data first"
    return (
        f"{where}. The usual causes: lr is too high (try {lr / 10:g}, or warm_up); gradients "
        "explode (clip_norm=1.0); log or division of 0 in the model. This step was not taken"
    )
