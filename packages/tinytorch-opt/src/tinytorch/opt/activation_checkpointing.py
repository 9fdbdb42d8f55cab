"""Activation checkpointing: what backward will need is computed again instead of being kept.

A training step keeps what every layer computed until `backward` has been there. `checkpoint` keeps
only what goes into a part of the model; when backward arrives, the part runs a second time, now
with records, and backward goes through them. With n layers in k parts there are k inputs and the
inside of one part in memory, least for k = sqrt(n); it costs one more forward, about a third of a
step (backward takes about two).

    h = checkpoint(block, h, is_causal=True)             # one part
    model = CheckpointedSequential(layers, segments=4)   # a stack, in four parts
    model.blocks = [Checkpointed(b) for b in model.blocks]

A checkpoint is one primitive, `checkpointed`, whose rule runs the part again. The part is an
ordinary function, so the parameters it uses are not among its arguments; they are found by
listening at the door while it runs the first time. Left out: choosing what to keep by its cost, and
keeping on disk what does not fit.

Chen et al., "Training deep nets with sublinear memory cost", 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tinytorch.core.context import current, listening, no_grad, using
from tinytorch.core.errors import GradientError
from tinytorch.core.layers import Module, Sequential
from tinytorch.core.primitive import Array, Event, Record, gradient, primitive, wrap
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import Cost, cost
from tinytorch.opt.surroundings import generators_in, modules_in

TOLERANCE = 1e-3  # of the largest output; what another order of sums rounds is far below it


def checkpoint(function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """Return `function(*args, **keywords)`; what backward needs of its inside is computed again.

    function  a module, or any function that returns a tensor or several, and on the same arguments
              always the same. Dropout draws the same masks again: the states of the default
              generator and of those in modules that the function is, or names, are restored

    Where no gradients are kept it is the plain call. Outputs are floating point. Raises TypeError
    for others; GradientError where the function uses a tensor that was computed outside and is not
    among its arguments, and, from `backward`, where the second run gives other numbers.
    """
    if not current().grad:
        return function(*args, **keywords)
    given: list[Tensor] = []

    def placed(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        given.append(x)
        return Place(len(given) - 1)

    used = function, *args, *keywords.values()
    part = Part(
        function,
        args=tuple(placed(x) for x in args),
        keywords={name: placed(x) for name, x in keywords.items()},
        kernels=current().kernels,
        modules=modules_in(*used),
        draws=[(rng, rng.bit_generator.state) for rng in generators_in(*used)],
    )
    wanting: dict[int, Tensor] = {}  # all that is not an argument, because those are cut off

    def hear(event: Event) -> None:
        if event.kind == "forward":
            wanting.update((id(x), x) for x in event.record.operands if wants_gradient(x))

    with no_grad(), listening(hear):
        outputs, several = part.run([wrap(x.data, None) for x in given])
    for x in wanting.values():
        if x.node is not None:
            raise GradientError(
                f"checkpoint: {name_of(function)} uses a tensor {x.shape} that was computed "
                f"outside, by {x.node.primitive.name}: give it as an argument, so that its "
                "gradient is handed on"
            )
    part.outputs = tuple(x.data for x in outputs)
    answer: Any = checkpointed(*given, *wanting.values(), part=part)
    return (answer,) if several and len(outputs) == 1 else answer


def wants_gradient(x: Any) -> bool:
    """Whether an operand is a tensor that requires a gradient."""
    return isinstance(x, Tensor) and x.requires_grad


@dataclass(frozen=True)
class Place:
    """Stands for tensor number `number` among the arguments of a part."""

    number: int


@dataclass
class Part:
    """A function that can be run again as it ran before.

    Tensors among its arguments are not in here but operands of the record, so that they go when
    it goes; `args` and `keywords` have their places.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    kernels: str
    modules: list[Module]
    draws: list[tuple[np.random.Generator, Any]]  # generators, and the state they were in
    outputs: tuple[Array, ...] = ()  # of the first run, until the door has them

    def run(self, tensors: list[Tensor]) -> tuple[tuple[Tensor, ...], bool]:
        """Call the function with these tensors in their places: its outputs, and if several."""

        def filled(x: Any) -> Any:
            return tensors[x.number] if isinstance(x, Place) else x

        answer = self.function(
            *map(filled, self.args), **{name: filled(x) for name, x in self.keywords.items()}
        )
        several = isinstance(answer, tuple | list)
        outputs = tuple(answer) if several else (answer,)
        for x in outputs:
            if not isinstance(x, Tensor) or x.dtype.kind != "f":
                kind = f"a tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
                raise TypeError(
                    f"checkpoint: {name_of(self.function)} returned {kind}; it returns a tensor "
                    "of floating-point numbers, or a tuple of them: compute the rest outside"
                )
        return outputs, several

    @contextmanager
    def as_before(self) -> Iterator[None]:
        """Within this block, generators draw what they drew, and afterwards go on where they were.

        Records are kept, and running statistics are not moved a second time.
        """
        now = [(rng, rng.bit_generator.state) for rng, _ in self.draws]
        buffers = [getattr(m, name) for m in self.modules for name in m._buffers]
        values = [buffer.data.copy() for buffer in buffers]
        for rng, state in self.draws:
            rng.bit_generator.state = state
        try:
            with using(grad=True, kernels=self.kernels):
                yield
        finally:
            for rng, state in now:
                rng.bit_generator.state = state
            for buffer, value in zip(buffers, values, strict=True):
                buffer.data[...] = value


# The door
@primitive
def checkpointed(*arrays: Array, part: Part) -> Any:
    """What `part` computed from the first of `arrays`; the parameters it used follow them."""
    outputs, part.outputs = part.outputs, ()
    return outputs if len(outputs) > 1 else outputs[0]


@gradient("checkpointed")
def checkpointed_gradient(g: Any, call: Record) -> Any:
    """Run the part again, keeping records, and let backward go through them.

    Its arguments are leaves there, and their gradients are handed on. Parameters are what they
    are, so backward has added to their `.grad` already: for them the answer is None.
    """
    part: Part = call.params["part"]
    count = sum(isinstance(x, Place) for x in (*part.args, *part.keywords.values()))
    leaves = [wrap(array, None) for array in call.arrays[:count]]
    for leaf, need in zip(leaves, call.needs, strict=False):
        leaf.requires_grad = need
    with part.as_before():
        outputs, _ = part.run(leaves)
        several = isinstance(call.out, tuple)
        require_same(part, outputs, call.out if several else (call.out,))
        start = joined(*outputs, gradients=g if several else (g,))
    if start.requires_grad:
        start.backward()
    return (*(leaf.grad for leaf in leaves), *(None for _ in call.arrays[count:]))


@primitive
def joined(*outputs: Array, gradients: tuple[Array, ...]) -> Array:
    """Zero, from which `backward` starts with these `gradients` of several outputs at once."""
    return np.zeros((), outputs[0].dtype)


@gradient("joined")
def joined_gradient(g: Array, call: Record) -> Any:
    """The gradients that were given."""
    return call.params["gradients"]


@cost("checkpointed", "joined")
def no_cost(event: Event) -> Cost:
    """What a part computes, its own operations count: both times they run."""
    return Cost(0, 0, 0)


def require_same(part: Part, again: tuple[Tensor, ...], before: tuple[Array, ...]) -> None:
    """Raise GradientError unless the second run gave what the first one did."""
    for x, y in zip(again, before, strict=True):
        if np.array_equal(x.data, y):  # as nearly always
            continue
        if x.shape == y.shape:
            with np.errstate(invalid="ignore"):  # infinity less infinity; a nan stays one
                difference = float(np.abs(x.data - y).max(initial=0))
            if not difference > TOLERANCE * float(np.abs(y).max(initial=0)):
                continue
        else:
            difference = math.inf
        raise GradientError(
            f"checkpoint: run a second time, {name_of(part.function)} gave other numbers (shapes "
            f"{y.shape} and {x.shape}, largest difference {difference:.3g}), so gradients would "
            "be wrong. Does it draw from a generator that is in none of its modules, or change "
            "what it reads? Give it the module itself, and the generator as an argument"
        )


def name_of(function: Any) -> str:
    """What to call a function or a module in an error."""
    return getattr(function, "__name__", type(function).__name__)


# Layers
class CheckpointedSequential(Sequential):
    """Layers one after the other, in `segments` parts of which one at a time is kept.

    layers    as for `Sequential`: parameters have the same names
    segments  how many; sqrt(number of layers) by default, where memory is least

    The last part is not run twice: backward begins with it.
    """

    def __init__(self, *layers: Any, segments: int | None = None) -> None:
        super().__init__(*layers)
        most = len(self.layers)
        self.segments = max(1, round(math.sqrt(most))) if segments is None else segments
        if not 1 <= self.segments <= max(1, most):
            raise ValueError(
                f"CheckpointedSequential: {most} layers cannot be cut into {segments} segments; "
                f"take 1 to {most}"
            )

    def forward(self, x: Tensor) -> Tensor:
        cuts = [len(self.layers) * i // self.segments for i in range(self.segments + 1)]
        for start, stop in pairwise(cuts[:-1]):
            x = checkpoint(Sequential(self.layers[start:stop]), x)
        for layer in self.layers[cuts[-2] :]:
            x = layer(x)
        return x

    def describe(self) -> str:
        return f"segments={self.segments}"


class Checkpointed(Module):
    """A module whose every call is a checkpoint. Its parameters keep their names."""

    def __init__(self, module: Module) -> None:
        self._module = module  # private, so that its name is in no other's
        self._buffers, self._trained = module._buffers, module._trained

    def forward(self, *args: Any, **keywords: Any) -> Any:
        self._module.training = self.training
        return checkpoint(self._module, *args, **keywords)

    def children(self) -> dict[str, Module]:
        return self._module.children()

    def own_tensors(self) -> dict[str, Tensor]:
        return self._module.own_tensors()

    def describe(self) -> str:
        return type(self._module).__name__
