"""The gradient of an embedding: each row of g is added to the row of the weight that it came from.

NumPy's `add.at` goes through the machinery of indexing for every element; here it is a loop. Rows
are taken forward by NumPy's `take`, which nothing compiled beats.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.kernels import embedding as fast
from tinytorch.core.kernels.blocks import FLOAT32, rows
from tinytorch.core.primitive import Array, Record, kernel
from tinytorch.opt.compiled.compiling import compiled


@compiled
def add_rows(indices: Array, g: Array, dweight: Array) -> None:
    for i in range(indices.size):
        row = indices[i]
        for j in range(g.shape[1]):
            dweight[row, j] += g[i, j]


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    if arrays[1].dtype is not FLOAT32:
        return None
    return fast.forward(arrays, params, saving)  # None where an index is out of range


def backward(g: Array, call: Record) -> tuple[None, Array]:
    indices, weight = call.arrays
    dweight = np.zeros(weight.shape, np.float32)
    add_rows(np.asarray(indices, np.int64).reshape(-1), rows(g), dweight)
    padding_idx = call.params.get("padding_idx")
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


kernel("embedding", forward, backward, into="compiled")
