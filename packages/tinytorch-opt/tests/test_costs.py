"""What primitives cost: every one has a rule, and the rules agree with independent counts.

Products are compared with `torch.utils.flop_counter` (marked `oracle`) and with `multiply_adds`;
steps with what arrays count that know when they are computed with.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch.arch
import tinytorch.core
import tinytorch.opt
from tinytorch.arch import models
from tinytorch.arch.convolutions import conv2d
from tinytorch.core.context import listening
from tinytorch.core.ops import einsum
from tinytorch.core.primitive import RULES, Event, Record, primitive, primitives
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import COSTS, Cost, cost, cost_of, einsum_flops, owner, stored
from tinytorch.opt.step_costs import STEPS

BIG = (40, 50)  # so large that a step for each row does not show


def import_everything() -> None:
    """Import all three tiers, so that every primitive and every rule is registered."""
    for package in (tinytorch.core, tinytorch.arch, tinytorch.opt):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".milestones" in module.name:  # those are scripts
                continue
            with contextlib.suppress(ImportError):  # an extra that is not installed
                importlib.import_module(module.name)


import_everything()


def costs(program: Callable[[], Any]) -> list[tuple[str, str, Cost]]:
    """Run a program; return what each event in it cost."""
    heard: list[tuple[str, str, Cost]] = []

    def hear(event: Event) -> None:
        known = cost_of(event)
        assert known is not None, event.record.primitive.name
        heard.append((event.kind, event.record.primitive.name, known))

    with listening(hear):
        program()
    return heard


def flops(program: Callable[[], Any], kind: str) -> int:
    return sum(c.flops for k, _, c in costs(program) if k == kind)


def leaf(*shape: int) -> Tensor:
    rng = np.random.default_rng(0)
    return Tensor(rng.uniform(0.1, 0.9, shape).astype(np.float32), requires_grad=True)


# Every primitive
def test_every_primitive_has_a_rule() -> None:
    shipped = {
        name
        for name, made in primitives().items()
        if made.definition.__module__.startswith(("tinytorch.core.", "tinytorch.arch."))
    }
    assert len(shipped) > 80
    assert shipped - COSTS.keys() == set()


def test_no_rule_is_for_a_primitive_that_there_is_not() -> None:
    assert COSTS.keys() - primitives().keys() == set()


class Counting(np.ndarray[Any, Any]):
    """An array that counts the elements of every ufunc it takes part in."""

    steps = 0

    def __array_ufunc__(  # type: ignore[override]
        self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
    ) -> Any:
        plain = [np.asarray(x) if isinstance(x, Counting) else x for x in inputs]
        into = kwargs.pop("out", None)
        if into:
            kwargs["out"] = tuple(np.asarray(out) for out in into)
        if isinstance(kwargs.get("where"), Counting):
            kwargs["where"] = np.asarray(kwargs["where"])
        answer = getattr(ufunc, method)(*plain, **kwargs)
        if method == "__call__" and ufunc.__name__ not in ("matmul", "vecdot"):
            Counting.steps += np.size(answer)
        elif method in ("reduce", "accumulate"):
            Counting.steps += np.size(plain[0])
        elif method == "at":
            Counting.steps += np.size(plain[2])
        return into[0] if into else np.asarray(answer).view(Counting)


def big(*values: Any) -> tuple[Any, ...]:
    return values or (leaf(*BIG),)


EXAMPLES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    **{
        name: (big(leaf(*BIG), leaf(*BIG)), {})
        for name in [
            "add",
            "sub",
            "mul",
            "div",
            "pow",
            "maximum",
            "minimum",
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
            "logical_and",
            "logical_or",
            "mse_loss",
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
        ]
    },
    **{
        name: (big(), {})
        for name in [
            "neg",
            "exp",
            "log",
            "log1p",
            "sqrt",
            "abs",
            "sin",
            "cos",
            "sign",
            "floor",
            "ceil",
            "round",
            "relu",
            "sigmoid",
            "tanh",
            "gelu",
            "softmax",
            "log_softmax",
            "logical_not",
            "isnan",
            "isfinite",
            "transpose",
            "clone",
            "tril",
            "triu",
        ]
    },
    **{
        name: (big(), {"axis": 1})
        for name in [
            "sum",
            "mean",
            "max",
            "min",
            "prod",
            "var",
            "std",
            "norm",
            "logsumexp",
            "cumsum",
            "any",
            "all",
            "flip",
        ]
    },
    "clip": (big(), {"low": 0.2, "high": 0.8}),
    "cross_entropy": ((leaf(40, 50), np.arange(40)), {}),
    "layer_norm": ((leaf(*BIG), leaf(50), leaf(50)), {}),
    "rms_norm": ((leaf(*BIG), leaf(50)), {}),
    "batch_norm2d": ((leaf(5, 2, 20, 20), leaf(2), leaf(2)), {}),
    "batch_norm2d_eval": ((leaf(5, 2, 20, 20), leaf(2), leaf(2), leaf(2), leaf(2)), {}),
    "reshape": (big(), {"shape": (50, 40)}),
    "permute": (big(), {"axes": (1, 0)}),
    "squeeze": (big(leaf(1, 40, 50)), {"axis": 0}),
    "expand_dims": (big(), {"axis": 0}),
    "broadcast_to": (big(), {"shape": (2, *BIG)}),
    "pad": (big(), {"pad_width": 1}),
    "split": (big(), {"sections": 2}),
    "cast": ((leaf(*BIG), np.empty(0, np.float32)), {}),
    "convert": ((leaf(*BIG), np.empty(0, np.int64)), {}),
    "tile": (big(), {"reps": (2, 2)}),
    "repeat": (big(), {"repeats": 2, "axis": 1}),
    "where": ((np.tri(40, 50) > 0, leaf(*BIG), leaf(*BIG)), {}),
    "masked_fill": ((leaf(*BIG), np.tri(40, 50) > 0), {"value": 0.0}),
    "one_hot": ((np.arange(40) % 5,), {"num_classes": 50}),
}
UNCOUNTED = {"argmax", "argmin", "rotary", "adaptive_avg_pool2d"}  # NumPy does them without ufuncs


def example_record(name: str) -> Record:
    """One call of a primitive on arrays so large that odd steps do not show."""
    operands, params = EXAMPLES[name]
    records: list[Record] = []
    with listening(lambda event: records.append(event.record)):
        primitives()[name](*operands, **params)
    return records[0]


def counting(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(counting(each) for each in value)
    return value.view(Counting) if isinstance(value, np.ndarray) else value


def test_each_table_entry_has_an_example() -> None:
    assert STEPS.keys() == EXAMPLES.keys() | UNCOUNTED


@pytest.mark.once
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_steps_forward_are_those_of_the_definition(name: str) -> None:
    record = example_record(name)
    Counting.steps = 0
    record.primitive.definition(*counting(record.arrays), **record.params)
    stated = cost_of(Event("forward", record, None, 0, 0))
    assert stated is not None
    size = max(np.size(a) for a in [*record.arrays, record.out] if not isinstance(a, tuple))
    assert abs(Counting.steps - stated.other) < 0.6 * size
    assert stated.flops == 0


@pytest.mark.once
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name in RULES])
def test_the_steps_backward_are_those_of_the_rule_when_all_gradients_are_wanted(name: str) -> None:
    record = example_record(name)
    targets = ("cross_entropy", "mse_loss", "binary_cross_entropy")
    floats = [np.asarray(a).dtype.kind == "f" for a in record.arrays]
    record.needs = [is_float and not (name in targets and i) for i, is_float in enumerate(floats)]
    ones = [
        np.ones_like(out) for out in (record.out if type(record.out) is tuple else [record.out])
    ]
    g = counting(tuple(ones)) if type(record.out) is tuple else counting(ones[0])
    stated = Event("backward", record, record.arrays, 0, 0)
    plain, out = record.arrays, record.out
    record.arrays = list(counting(plain))
    record.out = counting(out)
    Counting.steps = 0
    RULES[name](g, record)
    counted = Counting.steps
    record.arrays, record.out = plain, out
    known = cost_of(stated)
    assert known is not None
    size = max(np.size(a) for a in [*plain, *ones])
    assert abs(counted - known.other) < 0.6 * size, counted / size


# Bytes
def test_a_view_moves_nothing_and_a_copy_is_read_and_written() -> None:
    x = leaf(8, 8)
    assert costs(lambda: x.reshape(64))[0][2].bytes == 0
    assert costs(lambda: x[2:4])[0][2].bytes == 0
    assert costs(lambda: x.T.reshape(64))[1][2].bytes == 2 * 256


def test_bytes_are_operands_and_results_and_backward_what_the_rule_reads_and_writes() -> None:
    x, w, b = leaf(8, 16), leaf(16, 4), leaf(4)
    linear = primitives()["linear"]
    (_, _, forward), (_, _, back) = costs(lambda: linear(x, w, b).backward(np.ones((8, 4))))
    assert forward == Cost(2 * 8 * 16 * 4, 32, 4 * (8 * 16 + 16 * 4 + 4 + 8 * 4))
    # g is read, x for dw, w for dx; the bias is read by nobody, but stands in the call
    assert back.flops == 2 * forward.flops
    written = 4 * (8 * 16 + 16 * 4 + 4)
    assert back.bytes - written - 4 * 32 in (4 * (8 * 16 + 16 * 4), 4 * (8 * 16 + 16 * 4 + 4))


def test_a_gradient_that_nobody_wants_costs_nothing() -> None:
    x, w = leaf(8, 16), leaf(16, 4)
    both = flops(lambda: (x @ w).backward(np.ones((8, 4))), "backward")
    x.requires_grad = False
    assert flops(lambda: (x @ w).backward(np.ones((8, 4))), "backward") == both // 2


def test_an_embedding_reads_the_rows_it_takes_and_not_the_table() -> None:
    embedding = primitives()["embedding"]
    table = leaf(1000, 8)
    [(_, _, known)] = costs(lambda: embedding(np.array([1, 2, 3]), table))
    assert known.bytes == 3 * 8 + 2 * 3 * 8 * 4


def test_what_is_broadcast_is_stored_once() -> None:
    x = np.broadcast_to(np.zeros((1, 5), np.float32), (7, 5))
    assert (stored(x), x.nbytes) == (20, 140)
    assert stored(np.zeros((0, 5))) == 0
    assert owner(np.zeros(6).reshape(2, 3)[1]).size == 6


# Rules of one's own
def test_a_rule_of_ones_own_is_asked_and_a_primitive_without_one_is_unknown() -> None:
    @primitive
    def twice_for_costs(x: Any) -> Any:
        return x + x

    heard: list[Cost | None] = []
    with listening(lambda event: heard.append(cost_of(event))):
        twice_for_costs(leaf(3))
    assert heard == [None]

    @cost("twice_for_costs")
    def twice_cost(event: Event) -> Cost:
        return Cost(0, 3, 24)

    try:
        assert costs(lambda: twice_for_costs(leaf(3)))[0][2] == Cost(0, 3, 24)
    finally:
        forget("twice_for_costs")


def test_a_rule_that_does_not_fit_a_students_definition_is_unknown_and_no_error() -> None:
    @primitive
    def odd_for_costs(x: Any) -> Any:
        return x

    COSTS["odd_for_costs"] = COSTS["matmul"]
    heard: list[Cost | None] = []
    try:
        with listening(lambda event: heard.append(cost_of(event))):
            odd_for_costs(2.0)
    finally:
        forget("odd_for_costs")
    assert heard == [None]


def forget(name: str) -> None:
    """Take a primitive of a test out of the tables: other tests ask of all that there are."""
    from tinytorch.core import primitive as door

    for table in (door._PRIMITIVES, door.RULES, COSTS):
        table.pop(name, None)


# Products, by other counts
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (models.LeNet5, (1, 28, 28)),
        (models.ResNet8, (3, 32, 32)),
        (models.DSCNN, (1, 49, 10)),
        (models.AutoEncoder, (640,)),
        (models.DigitViT, (1, 28, 28)),
    ],
)
def test_flops_are_twice_the_multiply_adds_of_the_networks_with_a_name(
    make: Any, shape: tuple[int, ...]
) -> None:
    model = make().eval()
    x = Tensor(np.zeros((1, *shape), np.float32))
    counted = sum(c.flops for _, _, c in costs(lambda: model(x)))
    assert counted == 2 * models.multiply_adds(model, *shape)


def test_einsum_counts_the_products_of_each_pair() -> None:
    assert einsum_flops("ij,jk->ik", [(2, 3), (3, 4)]) == 2 * 2 * 3 * 4
    assert einsum_flops("ij->i", [(2, 3)]) == 0
    # three operands: two of them first, whichever NumPy chooses
    chain = einsum_flops("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)])
    assert chain in (2 * (2 * 3 * 4 + 2 * 4 * 5), 2 * (3 * 4 * 5 + 2 * 3 * 5))


def counted_by_torch(program: Callable[[], Any]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as mode:
        program()
    return int(mode.get_total_flops())


SIZES = st.integers(1, 6)


@pytest.mark.oracle
@settings(max_examples=30, deadline=None)
@given(n=SIZES, k=SIZES, m=SIZES, batch=st.lists(SIZES, max_size=2))
def test_matmul_and_linear_cost_what_pytorch_counts(
    n: int, k: int, m: int, batch: list[int]
) -> None:
    import torch

    a, b = leaf(*batch, n, k), leaf(*batch, k, m)
    ta, tb = (torch.tensor(x.data, requires_grad=True) for x in (a, b))
    ours = costs(lambda: (a @ b).backward(np.ones((*batch, n, m))))
    out: list[Any] = []
    assert ours[0][2].flops == counted_by_torch(lambda: out.append(ta @ tb))
    assert ours[1][2].flops == counted_by_torch(lambda: out[0].backward(torch.ones(*batch, n, m)))
    w, bias = leaf(k, m), leaf(m)
    tw, tbias = torch.tensor(w.data.T, requires_grad=True), torch.tensor(bias.data)
    linear = primitives()["linear"]
    ours = costs(lambda: linear(a, w, bias).backward(np.ones((*batch, n, m))))
    assert ours[0][2].flops == counted_by_torch(
        lambda: out.append(torch.nn.functional.linear(ta, tw, tbias))
    )
    assert ours[1][2].flops == counted_by_torch(lambda: out[1].backward(torch.ones(*batch, n, m)))


@pytest.mark.oracle
@settings(max_examples=40, deadline=None)
@given(
    groups=st.sampled_from([1, 2, 4]),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_a_convolution_costs_what_pytorch_counts(
    groups: int, stride: int, padding: int, dilation: int, kernel: tuple[int, int]
) -> None:
    """But for the gradient of a grouped weight, of which PyTorch 2.13 counts `groups` times it."""
    import torch

    x, w = leaf(2, 4, 9, 8), leaf(8, 4 // groups, *kernel)
    tx, tw = (torch.tensor(t.data, requires_grad=True) for t in (x, w))
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y: list[Any] = []
    ours = costs(lambda: y.append(conv2d(x, w, None, **how)))
    ours += costs(lambda: y[0].backward(np.ones(y[0].shape)))
    forward = ours[0][2].flops
    assert forward == counted_by_torch(lambda: y.append(torch.conv2d(tx, tw, **how)))
    theirs = counted_by_torch(lambda: y[1].backward(torch.ones_like(y[1])))
    assert ours[1][2].flops == theirs - (groups - 1) * forward


@pytest.mark.oracle
def test_attention_costs_what_pytorchs_formulas_say() -> None:
    """PyTorch has no formula for its CPU kernel: those of its other fused kernels are asked."""
    from torch.utils.flop_counter import sdpa_backward_flop_count, sdpa_flop_count

    q, k, v = leaf(2, 3, 5, 8), leaf(2, 3, 7, 8), leaf(2, 3, 7, 6)
    attention = primitives()["scaled_dot_product_attention"]
    forward, back = costs(lambda: attention(q, k, v).backward(np.ones((2, 3, 5, 6))))
    assert forward[2].flops == sdpa_flop_count(q.shape, k.shape, v.shape)
    assert back[2].flops == sdpa_backward_flop_count((2, 3, 5, 6), q.shape, k.shape, v.shape)


@pytest.mark.oracle
def test_einsum_costs_what_pytorch_counts() -> None:
    import torch

    a, b = leaf(2, 3, 4), leaf(2, 5, 4)
    ta, tb = (torch.tensor(x.data, requires_grad=True) for x in (a, b))
    ours = costs(lambda: einsum("bik,bjk->bij", a, b).backward(np.ones((2, 3, 5))))
    out: list[Any] = []
    theirs = counted_by_torch(lambda: out.append(torch.einsum("bik,bjk->bij", ta, tb)))
    assert ours[0][2].flops == theirs
    back = counted_by_torch(lambda: out[0].backward(torch.ones(2, 3, 5)))
    assert ours[1][2].flops == back


def torch_lenet5() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def torch_resnet8() -> Any:
    from torch import nn

    def conv(i: int, o: int, stride: int = 1) -> Any:
        return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.BatchNorm2d(o))

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, i: int, o: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(conv(i, o, stride), nn.ReLU(), conv(o, o))
            self.skip = nn.Conv2d(i, o, 1, stride) if stride > 1 else nn.Identity()

        def forward(self, x: Any) -> Any:
            return (self.body(x) + self.skip(x)).relu()

    blocks = Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)
    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(conv(3, 16), nn.ReLU(), *blocks, *pool, nn.Linear(64, 10))


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("ours", "theirs", "shape"),
    [
        (models.LeNet5, torch_lenet5, (2, 1, 28, 28)),
        (models.ResNet8, torch_resnet8, (2, 3, 32, 32)),
    ],
)
def test_a_step_of_a_whole_network_costs_what_pytorch_counts(
    ours: Any, theirs: Any, shape: tuple[int, ...]
) -> None:
    import torch

    model, other = ours(), theirs()
    assert model.num_parameters() == sum(p.numel() for p in other.parameters())
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    y: list[Any] = []
    forward = flops(lambda: y.append(model(Tensor(x)).sum()), "forward")
    backward = flops(lambda: y[0].backward(), "backward")
    assert forward == counted_by_torch(lambda: y.append(other(torch.tensor(x)).sum()))
    assert backward == counted_by_torch(lambda: y[1].backward())


@pytest.mark.oracle
def test_a_step_of_a_gpt_costs_what_pytorch_counts() -> None:
    """PyTorch's composed attention keeps the scores; ours forms them again: one product more."""
    import torch
    from torch import nn
    from torch.nn.attention import SDPBackend, sdpa_kernel

    vocab, d, heads, layers, time = 20, 16, 2, 3, 12

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.q, self.k, self.v, self.out = (nn.Linear(d, d) for _ in range(4))
            self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

        def forward(self, x: Any) -> Any:
            h = self.norm1(x)
            q, k, v = (
                f(h).view(*h.shape[:2], heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v)
            )
            a = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(a.transpose(1, 2).reshape(h.shape))
            return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))

    tokens, positions = nn.Embedding(vocab, d), nn.Embedding(time, d)
    blocks, norm = nn.Sequential(*[Block() for _ in range(layers)]), nn.LayerNorm(d)
    ids = torch.arange(2 * time).reshape(2, time) % vocab
    y: list[Any] = []

    def theirs() -> None:
        h = norm(blocks(tokens(ids) + positions.weight))
        logits = h @ tokens.weight.T
        y.append(nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten()))

    model = models.Transformer(vocab, d, heads, layers, context=time)
    x = ids.numpy()
    loss: list[Any] = []
    forward = flops(lambda: loss.append(model(x, x)), "forward")
    backward = flops(lambda: loss[0].backward(), "backward")
    with sdpa_kernel(SDPBackend.MATH):
        assert forward == counted_by_torch(theirs)
        again = layers * 2 * (2 * heads) * time * time * (d // heads)
        assert backward == counted_by_torch(lambda: y[0].backward()) + again
