"""What each primitive costs: floating-point operations and bytes, from the shapes of a call.

    cost_of(event)  # Cost(flops=833_040, other=..., bytes=...), or None: nobody knows

`flops` are those of products (matmul, linear, conv2d, contract, attention), two for each
multiply-add, and equal what `torch.utils.flop_counter` says. `other` is all further arithmetic: one
for each element of each step of the plain definition or rule, an exponential counted like an
addition. `bytes` are what has to be moved at least: operands read once, results written once.

Stated, because counts differ elsewhere: a causal mask saves nothing here (as in PyTorch); a kernel
may take fewer steps than the definition, and temporaries move more bytes. Left out: what backward
adds up between the rules, and optimizers, which pass no door. A tier adds its own with `@cost`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.primitive import Array, Event


class Cost(NamedTuple):
    """What one call costs."""

    flops: int  # of products, as PyTorch counts them
    other: int  # further arithmetic, one an element and step
    bytes: int  # read and written, at least

    @property
    def operations(self) -> int:
        """All arithmetic together."""
        return self.flops + self.other

    @property
    def intensity(self) -> float:
        """Operations for each byte moved: the horizontal axis of a roofline."""
        return self.operations / self.bytes if self.bytes else math.inf


Rule = Callable[[Event], Cost]
COSTS: dict[str, Rule] = {}


def cost(*names: str) -> Callable[[Rule], Rule]:
    """Attach a rule to the primitives called `names`: from an event, forward or backward, its cost.

    In a backward event `event.record.needs` says which gradients were wanted.
    """

    def attach(rule: Rule) -> Rule:
        COSTS.update(dict.fromkeys(names, rule))
        return rule

    return attach


def cost_of(event: Event) -> Cost | None:
    """Return what a call or its gradient rule cost, or None where no rule says so.

    A primitive of one's own that takes the name of a known one, but other operands, is not known.
    """
    rule = COSTS.get(event.record.primitive.name)
    if rule is None:
        return None
    try:
        return rule(event)
    except Exception:  # who only watches must not stop the program: not known
        return None


# What a call reads and writes
def arrays_in(value: Any) -> list[Array]:
    """The arrays in a value, and in the tuples and lists in it; tensors as their arrays."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, tuple | list):
        found = []
        for each in value:  # arrays, mostly: this is called for every event of a profile
            if isinstance(each, np.ndarray):
                found.append(each)
            elif each is not None and type(each) is not int:
                found += arrays_in(each)
        return found
    data = getattr(value, "_data", None)
    return [data] if isinstance(data, np.ndarray) else []


def owner(array: Array) -> Array:
    """The array that holds the memory of `array`: itself, or what it is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def stored(array: Array) -> int:
    """The bytes of different elements; what broadcasting repeats is there once."""
    if 0 not in array.strides:
        return array.nbytes
    sizes = zip(array.shape, array.strides, strict=True)
    return array.itemsize * math.prod(n for n, stride in sizes if stride or n == 0)


def moved(event: Event, reads: str = "x", passed: tuple[bool, ...] = ()) -> int:
    """Bytes that a call reads and writes. A view of an operand moves nothing.

    reads   what the gradient rule reads besides the gradient it is given: "x" all operands, "p"
            of the first two the partner of each that wants a gradient, "y" the output
    passed  for each operand, whether its gradient is the given one as it is, or a view of it
    """
    record = event.record
    outputs = arrays_in(record.out)
    if event.kind == "forward":
        operands = arrays_in(record.arrays)
        holders = {id(owner(array)) for array in operands}
        if all(id(owner(out)) in holders for out in outputs):
            return 0
        return sum(map(stored, operands)) + sum(map(stored, outputs))
    passed += (False,) * (len(event.result) - len(passed))
    written = sum(
        sum(map(stored, arrays_in(dx)))
        for dx, need, same in zip(event.result, record.needs, passed, strict=False)
        if need and not same
    )
    if not written:
        return 0
    read = sum(out.nbytes for out in outputs)  # the gradient of the output, which looks like it
    if "y" in reads:
        read += sum(out.nbytes for out in outputs)
    if "x" in reads:
        read += sum(map(stored, arrays_in(record.arrays)))
    if "p" in reads:
        for partner, need in zip(record.arrays[1::-1], record.needs, strict=False):
            read += sum(map(stored, arrays_in(partner))) if need else 0
    return read + written


# Products
def wanted(event: Event) -> int:
    """How often the product itself is formed: once forward, once for each of two gradients."""
    return 1 if event.kind == "forward" else sum(event.record.needs[:2])


def bias_steps(event: Event) -> int:
    """Additions of a bias, third operand of a call; in backward, of its gradient."""
    record = event.record
    if len(record.arrays) < 3 or record.arrays[2] is None:
        return 0
    return np.size(record.out) if event.kind == "forward" or record.needs[2] else 0


@cost("matmul", "linear")
def matmul_cost(event: Event) -> Cost:
    """(..., n, k) @ (..., k, m): k multiply-adds for each of the results."""
    record = event.record
    inner = record.arrays[0].shape[-1]
    flops = 2 * np.size(record.out) * inner * wanted(event)
    return Cost(flops, bias_steps(event), moved(event, "p"))


@cost("conv2d")
def conv2d_cost(event: Event) -> Cost:
    """Each output pixel sums C/groups kh kw products. A margin of zeros counts, as in PyTorch."""
    record = event.record
    flops = 2 * np.size(record.out) * record.arrays[1][0].size * wanted(event)
    return Cost(flops, bias_steps(event), moved(event, "p"))


@cost("scaled_dot_product_attention")
def attention_cost(event: Event) -> Cost:
    """q k' and p v forward; backward once more q k', then a product for each of dp, dq, dk, dv.

    Five products backward are what PyTorch counts for its fused attention, which keeps no scores
    either. Five steps are those of softmax and the mask, and five those of softmax's gradient.
    """
    record = event.record
    q, k, v = record.arrays[:3]
    scores = math.prod(np.shape(record.out)[:-1]) * k.shape[-2]
    d, e = q.shape[-1], v.shape[-1]
    if event.kind == "forward":
        return Cost(2 * scores * (d + e), 5 * scores, moved(event))
    of_q, of_k, of_v = record.needs[:3]
    through = e if of_q or of_k else 0  # dp = g v'
    flops = 2 * scores * (d + through + d * of_q + d * of_k + e * of_v)
    return Cost(flops, 10 * scores, moved(event))


def einsum_flops(subscripts: str, shapes: list[tuple[int, ...]]) -> int:
    """Operations of `np.einsum`, which takes operands two by two; none where there is only one."""
    inputs, _, output = subscripts.partition("->")
    terms = inputs.split(",")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, 1))
    empty = [np.broadcast_to(np.float32(0), shape) for shape in shapes]
    flops = 0
    for pair in np.einsum_path(subscripts, *empty, optimize=True)[0][1:]:
        taken = set().union(*(terms[i] for i in pair))
        terms = [term for i, term in enumerate(terms) if i not in pair]
        if len(pair) > 1:
            flops += 2 * math.prod(sizes[letter] for letter in taken)
        terms.append("".join(taken & set(output).union(*terms)))
    return flops


@cost("contract")
def contract_cost(event: Event) -> Cost:
    """`einsum`, and for each gradient that of g with the other operands."""
    record = event.record
    subscripts = record.params["subscripts"]
    shapes = [np.shape(x) for x in record.arrays]
    if event.kind == "forward":
        other = np.size(record.arrays[0]) if len(shapes) == 1 else 0
        return Cost(einsum_flops(subscripts, shapes), other, moved(event))
    inputs, _, output = subscripts.partition("->")
    terms = inputs.split(",")
    flops = 0
    for i, need in enumerate(record.needs):
        if need:
            others = [output, *terms[:i], *terms[i + 1 :]]
            kept = "".join(letter for letter in terms[i] if letter in "".join(others))
            of_others = [np.shape(record.out), *shapes[:i], *shapes[i + 1 :]]
            flops += einsum_flops(f"{','.join(others)}->{kept}", of_others)
    return Cost(flops, 0, moved(event))


# All others stand in a table
from tinytorch.opt import step_costs as _step_costs  # noqa: E402, F401
