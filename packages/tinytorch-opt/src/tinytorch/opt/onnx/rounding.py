"""How far the answers of a rounding model may be from another program's, which rounds too.

Two programs add floats in another order, or multiply once where the other multiplies twice. A
number that lies half way between two integers, but for that, goes up in one and down in the other:
an integer is one step off, and what follows is computed from it. No tolerance in digits allows for
that. So the model is asked how much such steps do: it runs again, and each number that is rounded
is first moved by up to half a step, at random, which turns about a quarter of the integers into
their neighbours. Another program turns hardly one in a thousand; a wrong scale, zero point or bias
moves all of them, in one direction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.opt.graph import Constant, Given, Graph, Made, Source, State, trace
from tinytorch.opt.onnx.writer import Array
from tinytorch.opt.quantization import along

ROUNDING = ("quantize_linear", "fake_quantize")


def room_for_steps(
    model: Module, forward: Callable[..., Any], feed: dict[str, Array], seed: int = 0
) -> list[float]:
    """The largest change of each output when integers move by one step: 0 where nothing rounds."""
    given = [Tensor(array, array.dtype) for array in feed.values()]
    graph = trace(model, *given, forward=forward)
    if not any(node.name in ROUNDING for node in graph.nodes):
        return [0.0] * len(graph.results)
    before, after = (replay(graph, given, seed, by) for by in (0.0, 0.5))
    with np.errstate(invalid="ignore"):  # what is no number in both is no change
        changes = [np.abs(a.astype(np.float64) - b) for a, b in zip(before, after, strict=True)]
    return [float(np.nan_to_num(change, posinf=0).max(initial=0)) for change in changes]


def replay(graph: Graph, given: list[Tensor], seed: int, by: float) -> list[Array]:
    """The results of a graph when numbers are moved by up to `by` steps before they are rounded."""
    rng = np.random.default_rng(seed)
    values: dict[Source, Any] = {Given(i): x for i, x in enumerate(given)}

    def value(source: Source) -> Any:
        if isinstance(source, Constant):
            return source.value
        return graph.state[source.name] if isinstance(source, State) else values[source]

    for node in graph.nodes:
        operands = [value(source) for source in node.inputs]
        if node.name in ROUNDING and not isinstance(node.inputs[0], State | Constant):
            x, scale = (np.asarray(getattr(y, "data", y)) for y in operands[:2])
            step = along(scale, node.params.get("axis"), x.ndim)
            moved = x + by * step * rng.uniform(-1, 1, x.shape)
            operands[0] = Tensor(moved.astype(x.dtype), x.dtype)
        answer = node.record.primitive(*operands, **node.params)
        answers = answer if isinstance(answer, tuple) else (answer,)
        values |= {Made(node.index, place): y for place, y in enumerate(answers)}
    return [np.asarray(value(source).data) for source in graph.results]
