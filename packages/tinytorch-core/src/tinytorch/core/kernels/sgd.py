"""The fast form of `sgd_update` (module 07): the same steps in cache-sized pieces.

Why pieces: see `pieces.py`. Each number is computed as in the plain definition, to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.kernels.pieces import done, in_pieces
from tinytorch.core.primitive import Array, kernel


def sgd_update(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    lr = params["lr"]
    momentum = params.get("momentum", 0.0)
    decay = params.get("weight_decay", 0.0)
    nesterov = params.get("nesterov", False)

    def without_momentum(p: Array, g: Array, t: Array) -> None:
        if decay:
            np.multiply(p, decay, out=t)
            g = np.add(g, t, out=t)
        np.multiply(g, lr, out=t)
        np.subtract(p, t, out=p)

    def with_momentum(p: Array, g: Array, b: Array, t: Array, u: Array) -> None:
        if decay:
            np.multiply(p, decay, out=u)
            g = np.add(g, u, out=u)
        np.multiply(b, momentum, out=b)
        np.add(b, g, out=b)
        if nesterov:
            np.multiply(b, momentum, out=t)
            np.add(g, t, out=t)
            np.multiply(t, lr, out=t)
        else:
            np.multiply(b, lr, out=t)
        np.subtract(p, t, out=p)

    if len(arrays) < 3 or arrays[2] is None:
        return done(in_pieces(arrays[:2], 1, without_momentum))
    return done(in_pieces(arrays, 2, with_momentum))


kernel("sgd_update", sgd_update)
