"""Cross-entropy of class indices: no one-hot matrix, and the softmax is kept for the backward pass.

The plain definition multiplies with a matrix of wanted probabilities, nearly all zeros. With class
indices only one logit per example matters: loss = log(sum(exp(z))) - z[label], and its gradient is
softmax(z), minus 1 at the label.
"""

from typing import Any

import numpy as np

from tinytorch.core.kernels.blocks import FLOAT32, ones
from tinytorch.core.primitive import Array, Record, kernel


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[Any, Any] | None:
    logits, labels = arrays
    reduction = params.get("reduction", "mean")
    if (
        params.get("label_smoothing", 0.0) != 0
        or reduction not in ("mean", "sum")
        or logits.dtype is not FLOAT32
        or logits.ndim != 2
        or labels.shape != logits.shape[:1]
        or labels.dtype.kind not in "iu"
        or not labels.size
        or labels.min() < 0
        or labels.max() >= logits.shape[1]
    ):
        return None  # the plain definition computes it, or says what is wrong
    examples = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    wanted = shifted[examples, labels]
    e = np.exp(shifted, out=shifted)
    total = e @ ones(e.shape[1])
    loss = (np.log(total) - wanted).sum()
    if reduction == "mean":
        loss /= np.float32(len(labels))
    if not saving:
        return loss, None
    np.divide(e, total[:, np.newaxis], out=e)
    return loss, e


def backward(g: Array, call: Record) -> tuple[Array, None]:
    labels = call.arrays[1]
    scale = g / np.float32(len(labels)) if call.params.get("reduction", "mean") == "mean" else g
    dlogits = call.saved * scale
    dlogits[np.arange(len(labels)), labels] -= scale
    return dlogits, None


kernel("cross_entropy", forward, backward)
