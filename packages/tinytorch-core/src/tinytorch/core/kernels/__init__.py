"""Fast forms of primitives, attached at the door; each file explains one and how it is fast.

What they share: work goes block by block through buffers that stay in the cache, so that a chain
of NumPy calls reads and writes main memory once instead of once per call; and results are written
with `out=`, so that no temporary is allocated. Each is proven equal to its plain definition, value
and gradient (tests/test_operations.py). They take float32; everything else is left to the plain
definition, as are small arrays, for which a block loop would only cost.
"""

from tinytorch.core.kernels import (
    adam,
    cross_entropy,
    gelu,
    getitem,
    linear,
    log_softmax,
    relu,
    sgd,
    sigmoid,
    softmax,
)

__all__ = [
    "adam",
    "cross_entropy",
    "gelu",
    "getitem",
    "linear",
    "log_softmax",
    "relu",
    "sgd",
    "sigmoid",
    "softmax",
]
