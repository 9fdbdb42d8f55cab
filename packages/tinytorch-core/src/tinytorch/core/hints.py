"""What to write instead, where shapes do not fit together: the ends of error messages.

Given. Left out: what PyTorch's names are called here (`elsewhere.py`).
"""

import math

from tinytorch.core.primitive import Array


def linear_hint(x: tuple[int, ...], weight: tuple[int, ...]) -> str:
    """What to write where x and weight of these shapes do not fit together, or ""."""
    if len(weight) != 2 or not x:
        return ""
    flat = math.prod(x[1:])  # what x.flatten(1) would make of each example
    if len(x) > 2 and flat == weight[0]:
        return "; x.flatten(1)?"
    if x[-1] == weight[1]:
        return "; weight.T? It is (in, out) here"
    if len(x) == 4:  # images
        return f"; x.flatten(1), and Linear({flat}, {weight[1]})?"
    return f"; Linear({x[-1]}, {weight[1]})?"


def target_hint(logits: tuple[int, ...], target: Array) -> str:
    """What to write where a target does not fit logits of this shape, or ""."""
    last = len(logits) - 1
    if target.shape == logits:
        return ": for one-hot rows of integers, target.argmax(1), or target.astype(np.float32)"
    if last > 1 and target.shape == logits[:-1]:
        axes = ", ".join(str(axis) for axis in (0, last, *range(1, last)))
        return (
            f". The classes are axis 1: logits.permute({axes})? For a Transformer, "
            "loss = model(x, y)"
        )
    if last > 1 and target.shape == logits[:1]:
        return f". One class for each example, but logits with {last + 1} axes: no Flatten before?"
    if target.shape == (*logits[:1], 1):
        return ": target.reshape(-1)?"
    return ""
