"""What each operation of ONNX is in TinyTorch: a table from names to functions of operands.

Operands are tensors (None where one is left out), attributes Python values. Sizes that ONNX
computes (Shape, Gather, Concat ...) are tensors of integers like others; where a shape or an axis
is wanted they are read. Left out: reading the file (`importing.py`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from tinytorch.arch.attention import scaled_dot_product_attention
from tinytorch.arch.convolutions import avg_pool2d, conv2d, max_pool2d
from tinytorch.arch.embeddings import embedding
from tinytorch.arch.ops.images import adaptive_avg_pool2d
from tinytorch.arch.ops.normalization import batch_norm2d_eval
from tinytorch.arch.transformers import layer_norm
from tinytorch.core import activations, ops
from tinytorch.core.primitive import primitives
from tinytorch.core.tensor import Tensor

Operands = list[Any]
Attributes = dict[str, Any]
Operation = Callable[[Operands, Attributes], Any]
OPERATIONS: dict[str, Operation] = {}

SAME = {  # operations that take the operands as they are, and nothing else
    "Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow", "Neg": "neg",
    "Exp": "exp", "Log": "log", "Abs": "abs", "Sqrt": "sqrt", "Sin": "sin", "Cos": "cos",
    "Sign": "sign", "Floor": "floor", "Ceil": "ceil", "Round": "round", "Relu": "relu",
    "Sigmoid": "sigmoid", "Tanh": "tanh", "MatMul": "matmul", "Where": "where", "Equal": "equal",
    "Less": "less", "LessOrEqual": "less_equal", "Greater": "greater",
    "GreaterOrEqual": "greater_equal", "And": "logical_and", "Or": "logical_or",
    "Not": "logical_not", "IsNaN": "isnan",
}  # fmt: skip
REDUCTIONS = {
    "ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min",
    "ReduceProd": "prod", "ReduceL2": "norm", "ReduceLogSumExp": "logsumexp",
}  # fmt: skip


def operation(*names: str) -> Callable[[Operation], Operation]:
    """Say what the operations of ONNX with these names are."""

    def attach(definition: Operation) -> Operation:
        for name in names:
            OPERATIONS[name] = definition
        return definition

    return attach


def numbers(x: Any) -> list[int]:
    """A tensor of integers as numbers: axes, sizes."""
    return [int(n) for n in np.asarray(x.data).reshape(-1)]


def integers(value: Any) -> Tensor:
    """Numbers as a tensor of int64."""
    return Tensor(np.asarray(value, np.int64), np.int64)


def _as_they_are(name: str) -> Operation:
    return lambda x, a: primitives()[name](*x)


def _reduced(name: str) -> Operation:
    def reduce(x: Operands, a: Attributes) -> Any:
        axes = numbers(x[1]) if len(x) > 1 and x[1] is not None else a.get("axes")
        if not axes:
            axes = None if not a.get("noop_with_empty_axes") else ()
        axis = None if axes is None else tuple(axes)
        return primitives()[name](x[0], axis=axis, keepdims=bool(a.get("keepdims", 1)))

    return reduce


OPERATIONS |= {name: _as_they_are(ours) for name, ours in SAME.items()}
OPERATIONS |= {name: _reduced(ours) for name, ours in REDUCTIONS.items()}


# Element by element
@operation("Identity", "Dropout")
def identity(x: Operands, a: Attributes) -> Any:
    return x[0]


def _folded(function: Any) -> Operation:
    def fold(x: Operands, a: Attributes) -> Any:
        out = x[0]
        for y in x[1:]:
            out = function(out, y)
        return out

    return fold


OPERATIONS |= {"Max": _folded(ops.maximum), "Min": _folded(ops.minimum)}


@operation("Clip")
def clip(x: Operands, a: Attributes) -> Any:
    low, high = (None if bound is None else bound.item() for bound in [*x[1:], None, None][:2])
    return ops.clip(x[0], low=low, high=high)


@operation("Gelu")
def gelu(x: Operands, a: Attributes) -> Any:
    if a.get("approximate", "none") != "tanh":
        raise ValueError("Gelu: only approximate='tanh' is known here")
    return activations.gelu(x[0])


@operation("Softmax")
def softmax(x: Operands, a: Attributes) -> Any:
    return activations.softmax(x[0], axis=a.get("axis", -1))


@operation("LogSoftmax")
def log_softmax(x: Operands, a: Attributes) -> Any:
    return activations.log_softmax(x[0], axis=a.get("axis", -1))


@operation("IsInf")
def isinf(x: Operands, a: Attributes) -> Any:
    return ops.logical_not(ops.logical_or(ops.isfinite(x[0]), ops.isnan(x[0])))


@operation("Cast")
def cast(x: Operands, a: Attributes) -> Any:
    return ops.astype(x[0], helper.tensor_dtype_to_np_dtype(a["to"]))


# Shapes
@operation("Shape")
def shape(x: Operands, a: Attributes) -> Any:
    return integers(x[0].shape[a.get("start", 0) : a.get("end")])


@operation("Constant")
def constant(x: Operands, a: Attributes) -> Any:
    (value,) = a.values()
    array = np.asarray(value)
    return Tensor(array, np.float32 if array.dtype == np.float64 else array.dtype)


@operation("Reshape")
def reshape(x: Operands, a: Attributes) -> Any:
    sizes = numbers(x[1])
    if not a.get("allowzero", 0):
        sizes = [x[0].shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return x[0].reshape(*sizes) if sizes else x[0].reshape(())


@operation("Flatten")
def flatten(x: Operands, a: Attributes) -> Any:
    axis = a.get("axis", 1)
    return x[0].reshape(math.prod(x[0].shape[:axis]), -1)


@operation("Squeeze")
def squeeze(x: Operands, a: Attributes) -> Any:
    axes = tuple(numbers(x[1])) if len(x) > 1 else None
    return ops.squeeze(x[0], axis=axes)


@operation("Unsqueeze")
def unsqueeze(x: Operands, a: Attributes) -> Any:
    return ops.expand_dims(x[0], axis=tuple(numbers(x[1])))


@operation("Transpose")
def transpose(x: Operands, a: Attributes) -> Any:
    axes = a.get("perm", list(range(x[0].ndim))[::-1])
    return ops.permute(x[0], axes=tuple(axes))


@operation("Expand")
def expand(x: Operands, a: Attributes) -> Any:
    return ops.broadcast_to(x[0], shape=np.broadcast_shapes(x[0].shape, tuple(numbers(x[1]))))


@operation("Concat")
def concat(x: Operands, a: Attributes) -> Any:
    return ops.concatenate(x, axis=a["axis"])


@operation("Split")
def split(x: Operands, a: Attributes) -> Any:
    ends = list(itertools.accumulate(numbers(x[1])))
    return tuple(primitives()["split"](x[0], sections=ends[:-1], axis=a.get("axis", 0)))


@operation("Tile")
def tile(x: Operands, a: Attributes) -> Any:
    return ops.tile(x[0], reps=tuple(numbers(x[1])))


@operation("Pad")
def pad(x: Operands, a: Attributes) -> Any:
    widths = numbers(x[1])
    half = len(widths) // 2
    value = x[2].item() if len(x) > 2 and x[2] is not None else 0
    return ops.pad(
        x[0], pad_width=list(zip(widths[:half], widths[half:], strict=True)), value=value
    )


# Choosing
@operation("Slice")
def slices(x: Operands, a: Attributes) -> Any:
    starts, ends = numbers(x[1]), numbers(x[2])
    axes = numbers(x[3]) if len(x) > 3 and x[3] is not None else list(range(len(starts)))
    steps = numbers(x[4]) if len(x) > 4 else [1] * len(starts)
    index: list[Any] = [slice(None)] * x[0].ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x[0].shape[axis]
        if step < 0 and end < -size:  # to the first element, inclusive
            index[axis] = slice(start, None, step)
        else:
            index[axis] = slice(start, end, step)
    return x[0][tuple(index)]


@operation("Gather")
def gather(x: Operands, a: Attributes) -> Any:
    axis = a.get("axis", 0) % x[0].ndim
    if axis == 0 and x[0].dtype.kind == "f" and x[0].ndim == 2 and x[1].ndim:
        return embedding(x[1], x[0])
    return x[0][(*[slice(None)] * axis, x[1].data)]


@operation("GatherND")
def gather_nd(x: Operands, a: Attributes) -> Any:
    return x[0][tuple(np.moveaxis(x[1].data, -1, 0))]


@operation("GatherElements")
def gather_elements(x: Operands, a: Attributes) -> Any:
    return ops.take_along_axis(x[0], x[1], axis=a.get("axis", 0))


@operation("Trilu")
def trilu(x: Operands, a: Attributes) -> Any:
    k = int(x[1].item()) if len(x) > 1 else 0
    return (ops.triu if a.get("upper", 1) else ops.tril)(x[0], k=k)


@operation("TopK")
def top_k(x: Operands, a: Attributes) -> Any:
    axis, largest = a.get("axis", -1), bool(a.get("largest", 1))
    first: list[Any] = [slice(None)] * x[0].ndim
    first[axis] = slice(numbers(x[1])[0])
    places = ops.argsort(x[0], axis=axis, descending=largest)[tuple(first)]
    return ops.take_along_axis(x[0], places, axis=axis), places


def _place(function: Any) -> Operation:
    return lambda x, a: function(x[0], axis=a.get("axis", 0), keepdims=bool(a.get("keepdims", 1)))


OPERATIONS |= {"ArgMax": _place(ops.argmax), "ArgMin": _place(ops.argmin)}


@operation("CumSum")
def cumsum(x: Operands, a: Attributes) -> Any:
    return ops.cumsum(x[0], axis=int(x[1].item()))


@operation("Range")
def arange(x: Operands, a: Attributes) -> Any:
    array = np.arange(*(v.item() for v in x))
    return Tensor(array, x[0].dtype)


# Products and layers
@operation("Gemm")
def gemm(x: Operands, a: Attributes) -> Any:
    first = x[0].transpose(0, 1) if a.get("transA") else x[0]
    second = x[1].transpose(0, 1) if a.get("transB") else x[1]
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    y = first @ second
    y = y if alpha == 1 else y * alpha
    if len(x) < 3 or x[2] is None:
        return y
    return y + (x[2] if beta == 1 else x[2] * beta)


@operation("Einsum")
def einsum(x: Operands, a: Attributes) -> Any:
    return ops.einsum(a["equation"], *x)


def margins(
    name: str, x: Tensor, a: Attributes, value: float = 0.0
) -> tuple[Tensor, tuple[int, int]]:
    """An image with its margin: as a parameter where both sides are alike, else added here."""
    if a.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise ValueError(f"{name}: auto_pad={a['auto_pad']} is not known here")
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    if (top, left) == (bottom, right):
        return x, (top, left)
    widths = [(0, 0), (0, 0), (top, bottom), (left, right)]
    return ops.pad(x, pad_width=widths, value=value), (0, 0)


@operation("Conv")
def conv(x: Operands, a: Attributes) -> Any:
    if x[0].ndim != 4:
        raise ValueError(f"Conv over {x[0].ndim - 2} axes: only images, of two, are known here")
    image, padding = margins("Conv", x[0], a)
    return conv2d(
        image, x[1], x[2] if len(x) > 2 else None, padding=padding,
        stride=tuple(a.get("strides", (1, 1))), dilation=tuple(a.get("dilations", (1, 1))),
        groups=a.get("group", 1),
    )  # fmt: skip


def _pool(name: str, function: Any) -> Operation:
    def pool(x: Operands, a: Attributes) -> Any:
        if a.get("ceil_mode") or list(a.get("dilations", [1, 1])) != [1, 1]:
            raise ValueError(f"{name}: ceil_mode and dilations are not known here")
        if name == "AveragePool" and any(a.get("pads", [])) and not a.get("count_include_pad"):
            raise ValueError("AveragePool with a margin that does not count is not known here")
        low = float(np.finfo(np.float32).min) if name == "MaxPool" else 0.0
        image, padding = margins(name, x[0], a, low)
        stride = tuple(a.get("strides", (1, 1)))
        kernel = tuple(a["kernel_shape"])
        return function(image, kernel_size=kernel, stride=stride, padding=padding)

    return pool


OPERATIONS |= {
    "MaxPool": _pool("MaxPool", max_pool2d), "AveragePool": _pool("AveragePool", avg_pool2d),
}  # fmt: skip


@operation("GlobalAveragePool")
def global_average_pool(x: Operands, a: Attributes) -> Any:
    return adaptive_avg_pool2d(x[0], output_size=1)


@operation("BatchNormalization")
def batch_normalization(x: Operands, a: Attributes) -> Any:
    if a.get("training_mode"):
        raise ValueError("BatchNormalization in training mode is not known here")
    return batch_norm2d_eval(*x, eps=a.get("epsilon", 1e-5))


@operation("LayerNormalization")
def layer_normalization(x: Operands, a: Attributes) -> Any:
    if a.get("axis", -1) not in (-1, x[0].ndim - 1):
        raise ValueError(f"LayerNormalization over axis {a['axis']}: only the last is known here")
    return layer_norm(x[0], x[1], x[2] if len(x) > 2 else None, eps=a.get("epsilon", 1e-5))


@operation("Attention")
def attention(x: Operands, a: Attributes) -> Any:
    if len(x) > 3 or a.get("softcap") or a.get("q_num_heads"):
        raise ValueError("Attention: only q, k and v of four axes are known here")
    return scaled_dot_product_attention(
        *x, is_causal=bool(a.get("is_causal")), scale=a.get("scale")
    )  # fmt: skip
