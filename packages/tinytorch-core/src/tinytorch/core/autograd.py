"""Module 06: gradients. A rule for each primitive of modules 01 to 04, and the pass that uses them.

A rule takes `g`, the gradient of what a call returned, and the `call`, its record, and answers with
the gradient of each operand: None for one that `call.needs` does not ask for. `backward` walks the
records of a computation from its end to its leaves, asks each rule, and adds up what arrives at
each tensor. `gradcheck` compares all this with finite differences.

Left out: gradients of gradients (rules compute on arrays and leave no records), and the rules of
the further operations, which stand beside them in `ops/`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.activations import log_softmax, sigmoid
from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.losses import target_probabilities
from tinytorch.core.primitive import Array, Record, gradient
from tinytorch.core.shapes import restore_axes
from tinytorch.core.tensor import Tensor


# The first rules: arithmetic
@gradient("add")
def add_gradient(g: Array, call: Record) -> Any:
    """The gradients of x + y."""
    return g, g


@gradient("sub")
def sub_gradient(g: Array, call: Record) -> Any:
    """The gradients of x - y."""
    return g, -g if call.needs[1] else None


@gradient("neg")
def neg_gradient(g: Array, call: Record) -> Any:
    """The gradient of -x."""
    return -g


@gradient("mul")
def mul_gradient(g: Array, call: Record) -> Any:
    """The gradients of x * y; None for a factor that needs none."""
    x, y = call.arrays
    needs_x, needs_y = call.needs
    return g * y if needs_x else None, g * x if needs_y else None


@gradient("div")
def div_gradient(g: Array, call: Record) -> Any:
    """The gradients of x / y; None for an operand that needs none."""
    _, y = call.arrays
    needs_x, needs_y = call.needs
    return g / y if needs_x else None, -g * call.out / y if needs_y else None


@gradient("exp")
def exp_gradient(g: Array, call: Record) -> Any:
    """The gradient of exp(x)."""
    return g * call.out


@gradient("log")
def log_gradient(g: Array, call: Record) -> Any:
    """The gradient of the natural logarithm of x."""
    return g / call.arrays[0]


@gradient("pow")
def pow_gradient(g: Array, call: Record) -> Any:
    """The gradients of x**y. Where the formulas say 0 * infinity, the slope is 0, as in PyTorch."""
    x, y = call.arrays
    needs_x, needs_y = call.needs
    x = np.asarray(x, g.dtype)
    dx = dy = None
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 ** -1 and log(0), chosen away below
        if needs_x:
            dx = g * np.where(np.equal(y, 0), 0, y * x ** (y - 1))
        if needs_y:
            nothing = np.equal(x, 0) & np.greater_equal(y, 0)
            dy = g * np.where(nothing, 0, call.out * np.log(x))
    return dx, dy


# The pass
def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes that broadcasting added or stretched.

    g (4, 3, 5), shape (3, 1) -> (3, 1): the first axis was added, the last one stretched.
    Raises ShapeError where `g` cannot come from broadcasting `shape`.
    """
    added = g.ndim - len(shape)
    if added < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[added:], strict=True)):
        raise ShapeError(
            f"a gradient rule gave shape {g.shape} for an operand of shape {shape}; "
            "it must give the operand's shape, or one that the operand broadcasts to"
        )
    stretched = [added + axis for axis, size in enumerate(shape) if size == 1]
    return g.sum(axis=(*range(added), *stretched), keepdims=True).reshape(shape)


def topological_order(last: Record) -> list[Record]:
    """Return the records that lead to `last`, each after all that it depends on.

    A stack of its own instead of recursion: a chain of 20,000 operations is as good as one of ten.
    """
    order: list[Record] = []
    seen = {last}
    stack = [(last, iter(last.operands))]
    while stack:
        record, operands = stack[-1]
        for operand in operands:
            node = operand.node if type(operand) is Tensor else None
            if node is not None and node not in seen:
                seen.add(node)
                stack.append((node, iter(node.operands)))
                break
        else:  # all operands of this record are in the list
            order.append(record)
            stack.pop()
    return order


def first_gradient(tensor: Tensor, gradient: Any) -> Array:
    """Return what `backward` begins with: `gradient` as an array, or 1 for a single element.

    Raises GradientError where `tensor` has no gradient to pass on, or `gradient` another shape.
    """
    if not tensor.requires_grad:
        raise GradientError(
            "backward() on a tensor that requires no gradient: none of the tensors it was computed "
            "from requires one, or it was computed inside no_grad(), or by an operation such as "
            "argmax or a comparison, which has none"
        )
    if gradient is not None:
        g = np.asarray(gradient.data if type(gradient) is Tensor else gradient, tensor.dtype)
        if g.shape != tensor.shape:
            raise GradientError(f"a gradient of shape {g.shape} for a tensor of {tensor.shape}")
        return g
    if tensor.size != 1:
        raise GradientError(
            f"backward() on shape {tensor.shape}: only a single number has a gradient. Call "
            ".sum() or .mean() first, or pass the gradient of your loss: backward(gradient)"
        )
    return np.ones_like(tensor.data)


def arrive(arrived: dict[Record, Any], tensor: Tensor, g: Array) -> None:
    """Add `g` to what has arrived for `tensor`, under the record that made it.

    Usually that is one array. Where the record has several outputs it is a tuple, one array for
    each, zeros to begin with; `tensor.place` says which is meant. `g` itself is never changed.
    """
    record = tensor.node
    assert record is not None
    if tensor.place is None:
        before = arrived.get(record)
        arrived[record] = g if before is None else before + g
    else:
        outputs = arrived.setdefault(record, tuple(np.zeros_like(out) for out in record.out))
        outputs[tensor.place][...] += g


def accumulate(leaf: Tensor, g: Array, *, shared: bool) -> None:
    """Add `g` to `leaf.grad`, a contiguous array that belongs to the leaf alone.

    shared  whether somebody else may hold `g`, so that the leaf must not keep it
    """
    if leaf.grad is not None:
        leaf.grad += g
    elif shared or g.base is not None or not g.flags.c_contiguous:  # a view shares its base
        leaf.grad = g.copy()
    else:
        leaf.grad = g


def backward(tensor: Tensor, gradient: Any = None, *, retain_graph: bool = False) -> None:
    """Leave the gradient of `tensor` in `.grad` of every leaf that requires one.

    gradient      of some loss with respect to `tensor`, of its shape; 1 for a single element
    retain_graph  keep the records for another pass; otherwise each is released once it is used

    Gradients add to what `.grad` already holds. Raises GradientError where no gradient can be
    given: no leaf requires one, a shape without a `gradient`, a primitive without a rule, an
    operand changed in place, a graph that was used before.
    """
    g = first_gradient(tensor, gradient)
    if tensor.node is None:
        accumulate(tensor, g, shared=True)
        return
    arrived: dict[Record, Any] = {}  # what has come in so far for the output(s) of each record
    arrive(arrived, tensor, g)
    for record in reversed(topological_order(tensor.node)):
        upstream = arrived.pop(record, None)
        if upstream is None:  # a rule said None: nothing flows this way
            continue
        taken = {id(upstream)}  # arrays that somebody holds: add gives both operands the same
        for operand, dx in record.gradients(upstream):
            if dx.shape != operand.shape:
                dx = unbroadcast(dx, operand.shape)
            if operand.node is None:
                accumulate(operand, dx, shared=id(dx) in taken)
            else:
                arrive(arrived, operand, dx)
            taken.add(id(dx))
        if not retain_graph:
            record.release()


# The proof
def in_float64(x: Any) -> Any:
    """Return floating-point numbers as a float64 leaf that wants a gradient, all else as it is."""
    data = x.data if type(x) is Tensor else x
    if isinstance(data, np.ndarray | list) and np.asarray(data).dtype.kind == "f":
        return Tensor(data, dtype=np.float64, requires_grad=True)
    return x


def gradcheck(
    function: Callable[..., Tensor],
    *operands: Any,
    epsilon: float = 1e-6,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> bool:
    """Compare the gradients of `function(*operands)` with central finite differences.

    Floating-point tensors and arrays among the operands are checked, in float64; the rest is
    passed as it is. An output with many elements is first weighted with random numbers (from
    `seed`) and summed. Passing means |analytic - numeric| <= tolerance * max(1, |numeric|).

    Returns True. Raises GradientError naming function, operand, index and both values.
    """
    name = getattr(function, "__name__", type(function).__name__)
    wide = [in_float64(x) for x in operands]
    out = function(*wide)
    weights = np.random.default_rng(seed).standard_normal(out.shape)
    out.backward(weights)

    def weighted() -> float:
        return float((function(*wide).data * weights).sum())

    for position, x in enumerate(wide):
        if type(x) is not Tensor or not x.requires_grad:
            continue
        analytic = np.zeros_like(x.data) if x.grad is None else x.grad
        for index in np.ndindex(x.shape):
            middle = x.data[index]
            x.data[index] = middle + epsilon
            above = weighted()
            x.data[index] = middle - epsilon
            below = weighted()
            x.data[index] = middle
            numeric = (above - below) / (2 * epsilon)
            if not abs(analytic[index] - numeric) <= tolerance * max(1.0, abs(numeric)):
                raise GradientError(
                    f"{name}: the gradient of operand {position} (shape {x.shape}) at index "
                    f"{index} is {analytic[index]:.8g}; finite differences give {numeric:.8g}"
                )
    return True


# More rules: the same elements, elsewhere
@gradient("reshape")
def reshape_gradient(g: Array, call: Record) -> Any:
    """The gradient of x.reshape(shape), in the shape of x."""
    return g.reshape(call.arrays[0].shape)


@gradient("transpose")
def transpose_gradient(g: Array, call: Record) -> Any:
    """The gradient of x with two axes swapped: axis0 and axis1, -2 and -1 by default."""
    return np.swapaxes(g, call.params.get("axis0", -2), call.params.get("axis1", -1))


@gradient("getitem")
def getitem_gradient(g: Array, call: Record) -> Any:
    """The gradient of x[index], for every index: slices, masks, integers that repeat.

    The index is `call.params["index"]`.
    """
    dx = np.zeros_like(call.arrays[0])
    np.add.at(dx, call.params["index"], g)  # an element taken twice receives both
    return dx


# More rules: reductions
@gradient("sum")
def sum_gradient(g: Array, call: Record) -> Any:
    """The gradient of x.sum(axis, keepdims), in the shape of x. Keywords only if passed."""
    (x,) = call.arrays
    if x.ndim:  # without axes there is none to restore, even where axis=0 was asked for
        g = restore_axes(g, call.params.get("axis"), call.params.get("keepdims", False))
    return np.broadcast_to(g, x.shape)


@gradient("mean")
def mean_gradient(g: Array, call: Record) -> Any:
    """The gradient of x.mean(axis, keepdims), in the shape of x, which may be empty."""
    (x,) = call.arrays
    share = x.size // max(call.out.size, 1)  # how many elements each mean was taken over
    return sum_gradient(g / max(share, 1), call)


@gradient("max")
def max_gradient(g: Array, call: Record) -> Any:
    """The gradient of x.max(axis, keepdims), in the shape of x. Ties share it evenly."""
    (x,) = call.arrays
    axis, keepdims = call.params.get("axis"), call.params.get("keepdims", False)
    winners = x == restore_axes(call.out, axis, keepdims)
    ties = winners.sum(axis=axis, keepdims=True)
    return restore_axes(g, axis, keepdims) * winners / ties.astype(g.dtype)


# More rules: the matrix product
@gradient("matmul")
def matmul_gradient(g: Array, call: Record) -> Any:
    """The gradients of x @ y: stacks of matrices, or a vector on either side.

    x (..., n, k), y (..., k, m), g (..., n, m). The stacks' axes may have been broadcast; leave
    them to `unbroadcast`.
    """
    x, y = call.arrays
    needs_x, needs_y = call.needs
    row, column = x.ndim == 1, y.ndim == 1  # a vector counts as one row, or as one column
    if row:
        x, g = x[np.newaxis, :], np.expand_dims(g, -1 if column else -2)
    if column:
        y, g = y[:, np.newaxis], np.expand_dims(g, -1)
    dx = g @ y.mT if needs_x else None  # (..., n, m) @ (..., m, k) -> (..., n, k)
    dy = x.mT @ g if needs_y else None  # (..., k, n) @ (..., n, m) -> (..., k, m)
    if row and dx is not None:
        dx = dx.squeeze(-2)
    if column and dy is not None:
        dy = dy.squeeze(-1)
    return dx, dy


@gradient("linear")
def linear_gradient(g: Array, call: Record) -> Any:
    """The gradients of x @ weight + bias. x (..., in), weight (in, out), g (..., out)."""
    x, weight, _ = call.arrays
    needs_x, needs_weight, needs_bias = call.needs
    rows = x.reshape(-1, x.shape[-1])  # (..., in) -> (rows, in)
    g_rows = g.reshape(-1, g.shape[-1])  # (..., out) -> (rows, out)
    return (
        (g_rows @ weight.T).reshape(x.shape) if needs_x else None,
        rows.T @ g_rows if needs_weight else None,
        g_rows.sum(axis=0) if needs_bias else None,
    )


# More rules: activations
@gradient("relu")
def relu_gradient(g: Array, call: Record) -> Any:
    """The gradient of max(x, 0). At 0 the slope is 0."""
    return g * (call.out > 0)


@gradient("sigmoid")
def sigmoid_gradient(g: Array, call: Record) -> Any:
    """The gradient of the sigmoid."""
    return g * call.out * (1 - call.out)


@gradient("tanh")
def tanh_gradient(g: Array, call: Record) -> Any:
    """The gradient of the hyperbolic tangent."""
    return g * (1 - call.out * call.out)


@gradient("gelu")
def gelu_gradient(g: Array, call: Record) -> Any:
    """The gradient of GELU, by the product rule on its tanh formula."""
    (x,) = call.arrays
    scale = math.sqrt(2 / math.pi)
    t = np.tanh(scale * (x + 0.044715 * x * x * x))
    inner_slope = scale * (1 + 3 * 0.044715 * x * x)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner_slope)


@gradient("softmax")
def softmax_gradient(g: Array, call: Record) -> Any:
    """The gradient of softmax over one axis: "axis" in call.params, the last by default."""
    p = call.out
    return p * (g - (g * p).sum(axis=call.params.get("axis", -1), keepdims=True))


@gradient("log_softmax")
def log_softmax_gradient(g: Array, call: Record) -> Any:
    """The gradient of log(softmax) over one axis: "axis" in call.params, the last by default."""
    return g - np.exp(call.out) * g.sum(axis=call.params.get("axis", -1), keepdims=True)


# More rules: losses
def share_of_each(g: Array, call: Record, examples: int) -> Array:
    """Return the gradient of each example's loss, given that of their reduction."""
    return g / max(examples, 1) if call.params.get("reduction", "mean") == "mean" else g


@gradient("mse_loss")
def mse_loss_gradient(g: Array, call: Record) -> Any:
    """The gradients of the squared error, with respect to prediction and target."""
    prediction, target = call.arrays
    dprediction = 2 * (prediction - target) * share_of_each(g, call, prediction.size)
    return dprediction, -dprediction if call.needs[1] else None


@gradient("cross_entropy")
def cross_entropy_gradient(g: Array, call: Record) -> Any:
    """The gradients of the cross-entropy, with respect to logits (N, C, ...) and targets.

    g is one number, or (N, ...) with reduction "none". Targets want a gradient only where they
    are probabilities.
    """
    logits, targets = call.arrays
    log_p = log_softmax.definition(logits, axis=1)
    smoothing = call.params.get("label_smoothing", 0.0)
    wanted = target_probabilities(logits, targets, smoothing)
    g = share_of_each(g, call, logits.size // logits.shape[1])
    g = g if g.ndim == 0 else np.expand_dims(g, 1)  # one g for all classes of an example
    dlogits = g * (np.exp(log_p) * wanted.sum(axis=1, keepdims=True) - wanted)
    dtargets = -g * log_p * (1 - smoothing) if call.needs[1] else None
    return dlogits, dtargets


@gradient("binary_cross_entropy")
def binary_cross_entropy_gradient(g: Array, call: Record) -> Any:
    """The gradients of the binary cross-entropy, with respect to p and target."""
    p, target = call.arrays
    g = share_of_each(g, call, p.size)
    dp = g * (p - target) / np.maximum(p * (1 - p), 1e-12)
    dtarget = None
    if call.needs[1]:
        with np.errstate(divide="ignore"):
            dtarget = g * (np.maximum(np.log1p(-p), -100) - np.maximum(np.log(p), -100))
    return dp, dtarget


@gradient("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits_gradient(g: Array, call: Record) -> Any:
    """The gradients with respect to logits and target: sigmoid(x) - target, and -x."""
    x, target = call.arrays
    g = share_of_each(g, call, x.size)
    return g * (sigmoid.definition(x) - target), -g * x if call.needs[1] else None
