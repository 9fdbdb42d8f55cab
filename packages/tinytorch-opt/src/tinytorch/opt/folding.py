"""Batch normalisation folded into the layer before: the same network, with one step less.

After training, a normalisation multiplies each channel by a number and adds another. A convolution
that does so already can do both at once, with other weights. Which normalisation follows which
layer is read from what the model computes (`graph.py`), not from the order of its layers. Left out:
normalisations that follow anything but a convolution or a linear layer; they stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.convolutions import Conv2d
from tinytorch.arch.ops.normalization import BatchNorm2d
from tinytorch.core.layers import Linear, Module
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor
from tinytorch.opt.graph import Graph, Made, Node, State, trace
from tinytorch.opt.surgery import M, module_at, replaced


class Folded(Module):
    """What stands where a normalisation was: it hands on its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def fold_batch_norm(model: M, example: Any) -> M:
    """Return a copy in which each normalisation that can be is part of the layer before it.

    example  an input of the model; one or two examples will do

    In evaluation mode the copy computes the same, but for rounding. It is to be asked, or trained
    on without normalisation; the first model stays. Jacob et al., 2018, section 3.2.
    """
    pairs = foldable(model, example)
    result = replaced(model, {norm: Folded() for norm in pairs.values()})
    for layer_name, norm_name in pairs.items():
        norm = module_at(model, norm_name)
        assert isinstance(norm, BatchNorm2d)
        layer: Any = module_at(result, layer_name)
        axis = 0 if isinstance(layer, Conv2d) else 1  # of the outputs in the weight
        layer.weight.data, bias = folded(layer, norm, axis)
        layer.bias = Tensor(bias, requires_grad=True)
        layer.bias.requires_grad = layer.weight.requires_grad
    return result


def foldable(model: Module, example: Any) -> dict[str, str]:
    """Find the layers after which a normalisation can go: its name, by theirs.

    The layer's result goes to that normalisation and nowhere else, and neither is used twice.
    """
    graph = trace(model, example)
    modules = dict(model.named_modules())
    found = {}
    for node in graph.nodes:
        if node.name != "batch_norm2d_eval" or not isinstance(modules[node.layer], BatchNorm2d):
            continue
        maker = _maker(graph, node)
        if maker is None or not _uses_own(graph, maker, modules[maker.layer]):
            continue
        if all(len(graph.readers(s.name)) == 1 for s in node.inputs if isinstance(s, State)):
            found[maker.layer] = node.layer
    return found


def _maker(graph: Graph, norm: Node) -> Node | None:
    """The convolution or linear layer whose result `norm` alone reads, or None."""
    node = norm
    while True:
        source = node.inputs[0]
        if not isinstance(source, Made) or source in graph.results:
            return None
        before = graph.nodes[source.node]
        if len(graph.users(before.index)) != 1:
            return None
        if before.name in ("conv2d", "linear"):
            return before
        widened = before.name == "reshape" and before.shapes[0][2:] == (1, 1)
        if not (widened and isinstance(before.inputs[0], Made)):  # BatchNorm1d's (N, C) -> images
            return None
        node = before


def _uses_own(graph: Graph, node: Node, layer: Module) -> bool:
    """Whether this call is a layer's only one, with its own weights."""
    name = f"{node.layer}.weight" if node.layer else "weight"
    return (
        isinstance(layer, Conv2d if node.name == "conv2d" else Linear)
        and node.inputs[1] == State(name)
        and all(len(graph.readers(s.name)) == 1 for s in node.inputs if isinstance(s, State))
    )


def folded(layer: Any, norm: BatchNorm2d, axis: int) -> tuple[Array, Array]:
    """Return weight and bias of a layer that does what `layer` and then `norm` do.

    (w x + b - mean) / sqrt(var + eps) * scale + shift, sorted by x. Computed in float64.
    """
    mean, var = (t.data.astype(np.float64) for t in (norm.running_mean, norm.running_var))
    factor = 1 / np.sqrt(var + norm.eps)  # (channels,)
    if norm.weight is not None:
        factor *= norm.weight.data
    before = 0 if layer.bias is None else layer.bias.data
    bias = (before - mean) * factor
    if norm.bias is not None:
        bias += norm.bias.data
    shape = [1] * layer.weight.ndim
    shape[axis] = -1
    weight = layer.weight.data * factor.reshape(shape)
    return weight.astype(np.float32), bias.astype(np.float32)
