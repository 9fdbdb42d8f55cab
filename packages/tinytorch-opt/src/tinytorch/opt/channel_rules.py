"""What each operation does with the channels of its operands: rules, by the name of a primitive.

A rule says which units (`channels.py`) are the same, which are held, and what lies along the axes
of the result. A primitive without a rule holds all that it meets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinytorch.arch.convolutions import Conv2d
from tinytorch.core.primitive import Array
from tinytorch.opt.graph import Node, State

if TYPE_CHECKING:
    from tinytorch.opt.channels import Channels

Axis = Array | None  # a unit for each index; None for an axis that is not followed (batch, space)
# a rule returns the units along each axis of each output
Rule = Callable[["Channels", Node], list[list[Axis]]]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Attach a rule to the primitives called `names`."""

    def attach(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return attach


def told(node: Node) -> str:
    """A node, as errors name it."""
    return f"{node.name} in {node.layer or 'the model itself'}"


def unknown(channels: Channels, node: Node) -> list[list[Axis]]:
    """Whatever is met by an operation without a rule stays."""
    for axes in channels.operands(node):
        channels.hold(axes, f"{told(node)} cannot be followed")
    return [[None] * len(shape) for shape in node.shapes]


@rule(
    *("relu", "sigmoid", "tanh", "gelu", "exp", "log", "neg", "abs", "sqrt", "sin", "cos"),
    *("log1p", "sign", "floor", "ceil", "round", "clip", "clone", "add", "sub", "mul", "div"),
    *("pow", "maximum", "minimum", "where", "masked_fill", "isnan", "isfinite", "logical_not"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    *("logical_and", "logical_or"),
)
def _elementwise(channels: Channels, node: Node) -> list[list[Axis]]:
    """Channel i of the result is made of channel i of each operand."""
    shapes = [np.shape(array) for array in node.record.arrays]
    (out,) = node.shapes
    result: list[Axis] = []
    for back in range(len(out), 0, -1):  # axes are counted from the last, as in broadcasting
        together: list[Axis] = []
        for axes, shape in zip(channels.operands(node), shapes, strict=True):
            if len(shape) < back:
                continue
            if shape[-back] == out[-back]:
                together.append(axes[-back])
            else:  # one value for all channels: there is none to take out
                channels.hold([axes[-back]], f"{told(node)} broadcasts it")
        result.append(channels.same(together, f"{told(node)} joins it with what cannot shrink"))
    return [result]


@rule("conv2d")
def _conv2d(channels: Channels, node: Node) -> list[list[Axis]]:
    x, weight, bias = channels.operands(node)
    outputs, inputs = node.record.arrays[1].shape[:2]
    groups, name = node.params.get("groups", 1), node.inputs[1]
    why = f"{told(node)} has an input that cannot shrink"
    channels.hold(x[2:], f"{told(node)} walks over it")
    if groups == 1:
        channels.same([x[1], weight[1]], why)
    elif inputs == 1 and groups == outputs and isinstance(name, State) and _is_layer(node):
        channels.same([x[1], weight[0]], why)
        channels.depthwise[node.layer] = name.name
    else:
        channels.hold([x[1], *weight, *bias], f"{told(node)} has {groups} groups of channels")
    made = channels.same([weight[0], *bias[:1]], why)
    channels.produce(node, 0)
    return [[x[0], made, None, None]]


@rule("linear")
def _linear(channels: Channels, node: Node) -> list[list[Axis]]:
    x, weight, bias = channels.operands(node)
    channels.same([x[-1], weight[0]], f"{told(node)} has an input that cannot shrink")
    if not isinstance(node.inputs[1], State):  # computed, so that masks cannot silence an input
        channels.hold([x[-1], weight[0]], f"{told(node)} has a weight that is computed")
    made = channels.same([weight[1], *bias[:1]], f"{told(node)} has a bias that is computed")
    channels.produce(node, 1)
    return [[*x[:-1], made]]


def _is_layer(node: Node) -> bool:
    """Whether a convolution was called by a layer, whose number of groups can be changed."""
    return bool(node.record.scope) and type(node.record.scope[-1]) is Conv2d


@rule("embedding")
def _embedding(channels: Channels, node: Node) -> list[list[Axis]]:
    indices, weight = channels.operands(node)
    channels.hold([weight[0]], f"{told(node)} picks rows of it")
    channels.produce(node, 1)
    return [[*indices, weight[1]]]


@rule("batch_norm2d_eval")
def _batch_norm(channels: Channels, node: Node) -> list[list[Axis]]:
    x, *each = channels.operands(node)
    values = [axes[0] for axes in each if axes]  # weight and bias may be None
    made = channels.same([x[1], *values], f"{told(node)} has an input that cannot shrink")
    if isinstance(node.inputs[1], State):
        channels.scales.append(node.inputs[1].name)
    return [[x[0], made, *x[2:]]]


@rule("layer_norm", "rms_norm")
def _layer_norm(channels: Channels, node: Node) -> list[list[Axis]]:
    """Mean and variance run over the features: with fewer of them, all of them change."""
    x, *each = channels.operands(node)
    channels.hold([x[-1], *(a for axes in each for a in axes)], f"{told(node)} averages over it")
    return [x]


@rule("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d")
def _pool(channels: Channels, node: Node) -> list[list[Axis]]:
    (x,) = channels.operands(node)
    channels.hold(x[2:], f"{told(node)} walks over it")
    return [[x[0], x[1], None, None]]


@rule("softmax", "log_softmax", "cumsum")
def _along(channels: Channels, node: Node) -> list[list[Axis]]:
    (x,) = channels.operands(node)
    channels.hold([x[node.params.get("axis", -1)]], f"{told(node)} runs over it")
    return [x]


@rule(
    *("sum", "mean", "max", "min", "prod", "var", "std", "norm", "logsumexp", "any", "all"),
    *("argmax", "argmin"),
)
def _reduction(channels: Channels, node: Node) -> list[list[Axis]]:
    (x,) = channels.operands(node)
    given = node.params.get("axis")
    every = range(len(x)) if given is None else np.atleast_1d(given).tolist()
    over = {axis % len(x) for axis in every}
    channels.hold([x[axis] for axis in over], f"{told(node)} runs over it")
    if node.params.get("keepdims"):
        return [[None if i in over else units for i, units in enumerate(x)]]
    return [[units for i, units in enumerate(x) if i not in over]]


@rule("permute", "transpose")
def _permute(channels: Channels, node: Node) -> list[list[Axis]]:
    (x,) = channels.operands(node)
    if node.name == "permute":
        return [[x[axis] for axis in node.params["axes"]]]
    axis0, axis1 = node.params.get("axis0", -2), node.params.get("axis1", -1)
    result = list(x)
    result[axis0], result[axis1] = result[axis1], result[axis0]
    return [result]


@rule("reshape", "squeeze", "expand_dims")
def _reshape(channels: Channels, node: Node) -> list[list[Axis]]:
    """Axes that stay keep their units; where some become one, at most one of them may be followed.

    A channel of (C, H, W) is then a block of H*W of the C*H*W. Splitting an axis holds it.
    """
    (x,) = channels.operands(node)
    before, after = np.shape(node.record.arrays[0]), node.shapes[0]
    result: list[Axis] = [None] * len(after)
    for old, new in _parts(before, after):
        followed = [axis for axis in old if x[axis] is not None]
        if len(followed) == 1 and len(new) == 1:
            (axis,) = followed
            sizes = [before[i] for i in old]
            block = [1] * len(sizes)
            block[old.index(axis)] = before[axis]
            units = np.broadcast_to(np.reshape(x[axis], block), sizes)  # type: ignore[arg-type]
            result[new[0]] = units.reshape(-1)
        else:
            channels.hold([x[axis] for axis in old], f"{told(node)} splits or mixes it")
    return [result]


def _parts(before: Sequence[int], after: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the shortest runs of axes with equal products: (2, 3, 4) to (6, 4) is 2, 3 -> 6 and 4.

    Axes of size 1 are in no run.
    """
    left = [axis for axis, n in enumerate(before) if n != 1]
    right = [axis for axis, n in enumerate(after) if n != 1]
    while left and right:
        old, new = [left.pop(0)], [right.pop(0)]
        while (a := math.prod(before[i] for i in old)) != (b := math.prod(after[i] for i in new)):
            (old if a < b else new).append((left if a < b else right).pop(0))
        yield old, new


@rule("concat")
def _concat(channels: Channels, node: Node) -> list[list[Axis]]:
    """Along the axis, the units of one operand after those of the other; elsewhere the same."""
    operands = channels.operands(node)
    along = node.params["axis"] % len(operands[0])
    why = f"{told(node)} joins it with what cannot shrink"
    result: list[Axis] = []
    for axis in range(len(operands[0])):
        here = [x[axis] for x in operands]
        if axis != along:
            result.append(channels.same(here, why))
        elif all(units is None for units in here):
            result.append(None)
        else:  # what is not followed gets units that stay
            for i, array in enumerate(node.record.arrays):
                if here[i] is None:
                    here[i] = channels.fresh(array.shape[axis])
                    channels.hold([here[i]], why)
            result.append(np.concatenate([units for units in here if units is not None]))
    return [result]
