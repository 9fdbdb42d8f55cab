"""Embeddings, positions, normalisation of features, and attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.attention import scale_of
from tinytorch.opt.onnx.calls import Call, converter
from tinytorch.opt.onnx.dimensions import Dim


@converter("embedding")
def embedding(call: Call) -> str:
    return str(call.write.add("Gather", call.x[1], call.as_type(0, np.int64), axis=0))


@converter("layer_norm")
def layer_norm(call: Call) -> str:
    features = call.node.record.arrays[0].shape[-1]
    weight = call.x[1] or call.write.constant(np.ones(features), call.out_dtype)
    names = [call.x[0], weight, *([call.x[2]] if call.x[2] else [])]
    eps = call.param("eps", 1e-5)
    return str(call.write.add("LayerNormalization", *names, axis=-1, epsilon=eps))


@converter("rms_norm")
def rms_norm(call: Call) -> str:
    write, x, dtype = call.write, call.x[0], call.out_dtype
    squares = write.add("Mul", x, x)
    if write.opset >= 18:
        mean = write.add("ReduceMean", squares, write.integers(-1), keepdims=1)
    else:
        mean = write.add("ReduceMean", squares, axes=[-1], keepdims=1)
    eps = write.constant(call.param("eps", 1e-6), dtype)
    y = write.add("Div", x, write.add("Sqrt", write.add("Add", mean, eps)))
    return str(write.add("Mul", y, call.x[1])) if call.x[1] else str(y)


@converter("rotary")
def rotary(call: Call) -> str:
    """Pairs (2i, 2i + 1) are points, turned by place / base^(2i / d): x cos - y sin, y cos + x sin.

    (..., T, d) is read as (..., T, d/2, 2), so that the two halves of each pair can be taken apart.
    """
    write, dtype, shape = call.write, call.out_dtype, call.shape(0)
    features = call.node.record.arrays[0].shape[-1]
    first = write.scalar(call.dim([n.params.get("start", 0) for n in call.nodes]))
    last = write.add("Add", first, write.scalar(shape[-2]))
    places = write.cast(
        write.add("Range", first, last, write.constant(np.int64(1))), np.float32
    )  # fmt: skip
    speeds = call.param("base", 10_000.0) ** (-np.arange(0, features, 2) / features)
    column = write.add("Unsqueeze", places, write.integers(1))  # (T, 1)
    angles = write.add("Mul", column, write.constant(speeds, np.float32))  # (T, d/2)
    cos, sin = (write.cast(write.add(op, angles), dtype) for op in ("Cos", "Sin"))
    halves = (*shape[:-1], Dim(features // 2), Dim(2))
    pairs = write.reshape(call.x[0], shape, halves)
    axis = len(shape)
    x, y = (write.add("Gather", pairs, write.constant(np.int64(i)), axis=axis) for i in (0, 1))
    new_x = write.add("Sub", write.add("Mul", x, cos), write.add("Mul", y, sin))
    new_y = write.add("Add", write.add("Mul", y, cos), write.add("Mul", x, sin))
    last_axis = write.integers(axis)
    turned = [write.add("Unsqueeze", name, last_axis) for name in (new_x, new_y)]
    return write.reshape(write.add("Concat", *turned, axis=axis), halves, shape)


@converter("scaled_dot_product_attention")
def scaled_dot_product_attention(call: Call) -> str:
    """softmax(q k' * scale + mask) v. Who may attend nowhere is answered with zeros."""
    write, dtype = call.write, call.out_dtype
    q, k, v = call.x[:3]
    plain = not any(call.x[3:]) and call.param("mask") is None
    causal = call.param("is_causal", False)
    square = call.shape(0)[-2] == call.shape(1)[-2]
    if write.opset >= 23 and plain and call.rank(0) == 4 and (square or not causal):
        factor = scale_of(call.node.record.arrays[0], call.param("scale"))
        return str(write.add("Attention", q, k, v, is_causal=int(causal), scale=factor))
    scale = write.constant(scale_of(call.node.record.arrays[0], call.param("scale")), dtype)
    axes = list(range(call.rank(1)))
    axes[-2:] = axes[-1], axes[-2]
    scores = write.add(
        "MatMul", write.add("Mul", q, scale), write.add("Transpose", k, perm=axes)
    )  # (..., T, S)
    may = allowed(call)
    if may is not None:
        scores = write.add("Where", may, scores, write.constant(np.finfo(dtype).min, dtype))
    shares = write.add("Softmax", scores, axis=-1)
    if may is not None:  # a row of nothing but the lowest number has equal shares: they become 0
        shares = write.add("Where", may, shares, write.constant(0, dtype))
    return str(write.add("MatMul", shares, v))


def allowed(call: Call) -> Any:
    """The name of the mask of both sources, or None where everybody may look at everything."""
    write = call.write
    given = call.x[3] if len(call.x) > 3 else ""
    mask: Any = given or None
    if call.param("mask") is not None:
        mask = write.constant(np.asarray(call.param("mask")))
    if not call.param("is_causal", False):
        return mask
    queries, keys = call.shape(0)[-2], call.shape(1)[-2]
    ones = write.add(
        "Expand", write.constant(np.ones((1, 1), np.float32)), write.shape((queries, keys))
    )
    shift = write.add("Sub", write.scalar(keys), write.scalar(queries))
    causal = write.cast(write.add("Trilu", ones, shift, upper=0), bool)
    return causal if mask is None else write.add("And", mask, causal)
