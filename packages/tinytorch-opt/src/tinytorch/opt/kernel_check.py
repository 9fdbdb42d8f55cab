"""The proof of a kernel: `check_kernel` compares it with the plain definition, value and gradient.

    tinytorch.kernels.kernel("relu", my_forward, my_backward, into="mine")
    check_kernel("relu")

Left out: whether the plain definition is right (`gradcheck`), and whether the kernel is faster
(`tinytorch.measure`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytorch.core.context import listening, no_grad, use
from tinytorch.core.primitive import KERNELS, Array, Event, Primitive, primitives, wrap
from tinytorch.core.tensor import Tensor

# one element, odd sizes, nothing at all, and enough for kernels that walk in blocks
SHAPES = ((1,), (5,), (3, 7), (2, 3, 4), (0, 3), (2, 5, 3, 4), (300, 257))


class KernelError(ValueError):
    """A kernel does something else than the plain definition, or never ran at all."""


def check_kernel(
    name: str, *cases: Any, into: str = "mine", tolerance: float = 1e-5, seed: int = 0
) -> int:
    """Prove a kernel equal to the plain definition of the primitive `name`: value and gradient.

    cases      each a tuple of operands, as the primitive is called with them (tensors, arrays,
               numbers, None), and last, if it has parameters, a dict of these. Without any, random
               operands of one shape are tried: many shapes, float32 and float64, two layouts
    into       the set that the kernel was attached to
    tolerance  how far a number may be off, relative to the largest of the array, or to 1
    seed       of random operands, and of the gradient that is passed back

    Returns in how many cases the kernel ran; in the others it declined (it returned None).
    Raises KernelError where something differs, where an operand was changed in place, and where
    the kernel never ran; ValueError where there is no such kernel, or cases are needed.
    """
    primitive = primitives().get(name)
    if primitive is None:
        raise ValueError(f"check_kernel: there is no primitive called {name!r}")
    if into not in KERNELS.get(name, {}):
        there = ", ".join(sorted(KERNELS.get(name, {}))) or "none"
        raise ValueError(
            f"check_kernel: {name} has no kernel in the set {into!r} (there is: {there}). Attach "
            f'one: tinytorch.kernels.kernel("{name}", forward, backward, into="{into}")'
        )
    ran = fitting = 0
    for operands, params in _given(cases) if cases else _drawn(primitive, seed):
        with np.errstate(all="ignore"):
            try:
                with use("plain"):
                    primitive(*operands, **params)
            except (TypeError, ValueError, IndexError):
                if cases:
                    raise
                continue  # operands that were only a guess
            fitting += 1
            ran += _Case(primitive, operands, params, into, tolerance, seed).compare()
    if not fitting:
        raise ValueError(
            f"check_kernel: {name} takes no operands of one shape, which is all that can be "
            f'guessed. Give it cases: check_kernel("{name}", (x, y), (x, y, {{"axis": 0}}))'
        )
    if not ran:
        raise KernelError(
            f"{name}: the kernel in {into!r} ran in none of {fitting} cases, so nothing was "
            "checked. It returned None, for not supported, or it is an installed kernel, and the "
            "primitive is your own"
        )
    return ran


class _Case:
    """One call, done twice: by the kernel, and by the plain definition."""

    def __init__(
        self,
        primitive: Primitive,
        operands: tuple[Any, ...],
        params: dict[str, Any],
        into: str,
        tolerance: float,
        seed: int,
    ) -> None:
        self.primitive, self.params, self.into = primitive, params, into
        self.arrays = [_array(x) for x in operands]
        self.tolerance, self.seed = tolerance, seed

    def compare(self) -> bool:
        """Whether the kernel ran. Raises KernelError where it differs from the definition."""
        heard: list[Event] = []
        with use(self.into), no_grad(), listening(heard.append):
            answered = _as_tuple(self.call([_leaf(x) for x in self.copies()]))
        if heard[-1].record.kernel is not KERNELS[self.primitive.name][self.into]:
            return False
        expected, slopes = self.run("plain")
        got, own_slopes = self.run(self.into)
        for outputs in (answered, got):
            for place, (mine, plain) in enumerate(zip(outputs, expected, strict=True)):
                self.require_equal(_named("value", place, expected), mine.data, plain.data)
        for place, (mine, plain) in enumerate(zip(own_slopes, slopes, strict=True)):
            if (mine is None) != (plain is None):
                raise KernelError(
                    f"{self}: operand {place} gets {'no' if mine is None else 'a'} gradient, and "
                    f"by the definition's rule {'no' if plain is None else 'a'} gradient"
                )
            if plain is not None:
                self.require_equal(f"gradient of operand {place}", mine, plain)
        return True

    def copies(self) -> list[Any]:
        return [np.array(x, order="K") if isinstance(x, np.ndarray) else x for x in self.arrays]

    def call(self, operands: list[Any]) -> Any:
        return self.primitive(*operands, **self.params)

    def run(self, kernels: str) -> tuple[tuple[Tensor, ...], list[Any]]:
        """The outputs, and what a random gradient of theirs leaves in each operand."""
        arrays = self.copies()
        operands = [_leaf(x) for x in arrays]
        with use(kernels):
            outputs = _as_tuple(self.call(operands))
            self.require_unchanged("forward", arrays)
            if any(out.requires_grad for out in outputs):
                rng = np.random.default_rng(self.seed)
                weights = [rng.standard_normal(out.shape).astype(out.dtype) for out in outputs]
                _pass_back(outputs, weights)
                self.require_unchanged("backward", arrays)
        return outputs, [x.grad if isinstance(x, Tensor) else None for x in operands]

    def require_unchanged(self, part: str, arrays: list[Any]) -> None:
        for place, (now, before) in enumerate(zip(arrays, self.arrays, strict=True)):
            if isinstance(now, np.ndarray) and not np.array_equal(
                now, before, equal_nan=now.dtype.kind == "f"
            ):
                raise KernelError(
                    f"{self}: its {part} changed operand {place} in place. Others read it too: "
                    "write into an array of your own, np.empty_like(x)"
                )

    def require_equal(self, what: str, got: Array, expected: Array) -> None:
        if got.shape != expected.shape:
            raise KernelError(
                f"{self}: its {what} has shape {got.shape}, and should have {expected.shape}"
            )
        if got.dtype != expected.dtype:
            raise KernelError(
                f"{self}: its {what} is {got.dtype}, and should be {expected.dtype}: make the "
                "result with np.empty_like(x), or return None for types that are not supported"
            )
        finite = np.abs(expected[np.isfinite(expected)])
        slack = self.tolerance * max(1.0, float(finite.max(initial=0)))
        wrong = ~np.isclose(got, expected, rtol=0, atol=slack, equal_nan=True)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise KernelError(
                f"{self}: its {what} at {index} is {got[index]:.8g}, and should be "
                f"{expected[index]:.8g}; {int(wrong.sum())} of {wrong.size} elements are more "
                f"than {slack:.2g} off"
            )

    def __str__(self) -> str:
        shown = [
            f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else repr(x) for x in self.arrays
        ]
        shown += [f"{key}={value!r:.40}" for key, value in self.params.items()]
        return f"{self.primitive.name}({', '.join(shown)}) in {self.into!r}"


def _given(cases: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    for case in cases:
        if not isinstance(case, tuple | list):
            raise ValueError(
                f"check_kernel: a case is a tuple of operands, not a {type(case).__name__}: with a "
                "single operand, (x,)"
            )
        *operands, last = case
        yield (tuple(operands), last) if isinstance(last, dict) else (tuple(case), {})


def _drawn(primitive: Primitive, seed: int) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Random operands of one shape, for as many as the definition wants."""
    wanted = inspect.signature(primitive.definition).parameters.values()
    count = sum(p.kind is not p.KEYWORD_ONLY and p.default is p.empty for p in wanted)
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        drawn = [3 * rng.standard_normal(shape) for _ in range(count)]
        for dtype in (np.float32, np.float64):
            yield tuple(x.astype(dtype) for x in drawn), {}
        if len(shape) > 1:  # the last axis is not the one whose elements are neighbours
            yield tuple(x.T.astype(np.float32, order="C").T for x in drawn), {}


def _array(x: Any) -> Any:
    """An operand as an array, in its own layout; numbers and None as they are."""
    if x is None or isinstance(x, bool | int | float):
        return x
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _leaf(x: Any) -> Any:
    """An array as a tensor in the same memory, which wants a gradient if it is floating point."""
    if not isinstance(x, np.ndarray):
        return x
    tensor: Tensor = wrap(x, None)
    tensor.requires_grad = x.dtype.kind == "f"
    return tensor


def _as_tuple(outputs: Any) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _named(what: str, place: int, outputs: tuple[Any, ...]) -> str:
    return what if len(outputs) == 1 else f"{what} (output {place})"


def _pass_back(outputs: tuple[Tensor, ...], weights: list[Array]) -> None:
    if len(outputs) == 1:
        outputs[0].backward(weights[0])
        return
    pairs = [(out, w) for out, w in zip(outputs, weights, strict=True) if out.requires_grad]
    total = (pairs[0][0] * pairs[0][1]).sum()
    for out, w in pairs[1:]:
        total = total + (out * w).sum()
    total.backward()
