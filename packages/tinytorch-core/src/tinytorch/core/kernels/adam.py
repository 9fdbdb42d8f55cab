"""The fast form of `adam_update` (module 07): Adam in cache-sized pieces, without new arrays.

Both bias corrections are single numbers, so they need no walk through the arrays of their own. With
c1 = 1 - beta1**step and c2 = 1 - beta2**step,

    lr * (m / c1) / (sqrt(v / c2) + eps)  =  (lr * sqrt(c2) / c1) * m / (sqrt(v) + eps * sqrt(c2))

which leaves twelve steps. Why pieces: see `pieces.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.kernels.pieces import done, in_pieces
from tinytorch.core.primitive import Array, kernel


def adam_update(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    step, lr, eps = params["step"], params["lr"], params["eps"]
    beta1, beta2 = params["betas"]
    decay = params.get("weight_decay", 0.0)
    decoupled = params.get("decoupled", False)
    c1, c2 = 1 - beta1**step, math.sqrt(1 - beta2**step)

    def rule(p: Array, g: Array, m: Array, v: Array, t: Array, u: Array) -> None:
        if decay and decoupled:
            np.multiply(p, 1 - lr * decay, out=p)
        elif decay:
            np.multiply(p, decay, out=u)
            g = np.add(g, u, out=u)

        np.multiply(g, 1 - beta1, out=t)
        np.multiply(m, beta1, out=m)
        np.add(m, t, out=m)

        np.multiply(g, g, out=t)
        np.multiply(t, 1 - beta2, out=t)
        np.multiply(v, beta2, out=v)
        np.add(v, t, out=v)

        np.sqrt(v, out=t)
        np.add(t, eps * c2, out=t)
        np.divide(m, t, out=t)
        np.multiply(t, lr * c2 / c1, out=t)
        np.subtract(p, t, out=p)

    return done(in_pieces(arrays, 2, rule))


kernel("adam_update", adam_update)
