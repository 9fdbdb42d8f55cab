"""What records keep: no large array that no rule will read, and every one that somebody may."""

from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, kernels
from tinytorch.core import autograd, primitive, thrift
from tinytorch.core.context import listening
from tinytorch.core.layers import Linear, Sequential, linear
from tinytorch.core.measurement import peak_bytes

MEGABYTE = 1 << 20
PROGRAMS = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "neg": lambda x, y: -x,
    "mul": lambda x, y: x * y,
    "log": lambda x, y: (x * x + 1).log(),
    "matmul": lambda x, y: x @ y.transpose(-2, -1),
    "linear": lambda x, y: linear(x, y.transpose(-2, -1), y[:, 0]),
    "gelu": lambda x, y: tinytorch.gelu(x),
    "exp": lambda x, y: x.exp(),
    "relu": lambda x, y: tinytorch.relu(x),
    "sigmoid": lambda x, y: tinytorch.sigmoid(x),
    "tanh": lambda x, y: tinytorch.tanh(x),
    "softmax": lambda x, y: tinytorch.softmax(x),
    "log_softmax": lambda x, y: tinytorch.log_softmax(x, axis=0),
    "reshape": lambda x, y: x.reshape(-1, 2),
    "transpose": lambda x, y: x.transpose(0, 1),
}


def gradients(program: Any, size: int) -> list[Any]:
    """Of a program whose operands are results of other calls, and whose result goes on."""
    rng = np.random.default_rng(size)
    leaves = [Tensor(rng.standard_normal((size, size)), requires_grad=True) for _ in range(2)]
    out = program(*(leaf * 0.5 for leaf in leaves))
    assert (np.prod(out.shape) * 4 >= primitive.LARGE) == (size > 50)
    (out * out).sum().backward()
    return [leaf.grad for leaf in leaves]


READ = {
    **dict.fromkeys(("add", "sub", "neg", "reshape", "transpose"), (False, False)),
    **dict.fromkeys(("mul", "log", "matmul", "linear", "gelu"), (True, False)),
    **dict.fromkeys(("exp", "relu", "sigmoid", "tanh", "softmax", "log_softmax"), (False, True)),
}  # of each primitive, whether its rule reads what went in, and what came out


def let_go(array: Any) -> bool:
    return not any(array.strides) and bool(np.isnan(array).all())


@pytest.fixture
def undo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget primitives and rules that a test defines."""
    for table in ("RULES", "_OWN_RULES", "_PRIMITIVES"):
        monkeypatch.setattr(primitive, table, getattr(primitive, table).copy())
    monkeypatch.setattr(thrift, "RULES", primitive.RULES)


@pytest.mark.parametrize("name", sorted(READ))
def test_a_record_keeps_what_its_rule_reads_and_nothing_else(name: str) -> None:
    x, y = (Tensor(np.ones((140, 140)), requires_grad=True) for _ in range(2))
    record = PROGRAMS[name](x * 0.5, y * 0.5).node
    assert record.primitive.name == name
    assert (not let_go(record.arrays[0]), not let_go(record.out)) == READ[name]


@pytest.mark.parametrize("name", sorted(READ))
@pytest.mark.parametrize("size", [6, 140])
def test_what_was_let_go_changes_no_gradient(name: str, size: int) -> None:
    thrifty = gradients(PROGRAMS[name], size)
    with listening(lambda event: None):  # everything stays
        whole = gradients(PROGRAMS[name], size)
    for one, other in zip(thrifty, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_rule_that_reads_what_was_let_go_gives_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(thrift.READS, "exp", frozenset())
    grad, _ = gradients(PROGRAMS["exp"], 140)
    assert np.isnan(grad).all()
    assert not np.isnan(gradients(PROGRAMS["exp"], 6)[0]).any()


def test_a_chain_of_sums_holds_three_arrays_however_long_it_is() -> None:
    def chain(length: int) -> None:
        x = Tensor(np.ones(MEGABYTE // 4, np.float32), requires_grad=True)
        y = x
        for _ in range(length):
            y = y + 1.0
        y.sum().backward()

    assert peak_bytes(chain, 5) < 3.5 * MEGABYTE
    assert peak_bytes(chain, 25) < 3.5 * MEGABYTE


def test_a_layer_and_a_relu_keep_one_array_and_not_two() -> None:
    def network(depth: int) -> float:
        layers = [part for _ in range(depth) for part in (Linear(256, 256), tinytorch.relu)]
        model = Sequential(layers)
        x = Tensor(np.ones((1024, 256), np.float32))  # 1 MB, and so is every result
        return peak_bytes(lambda: model(x).sum()) / MEGABYTE

    assert 7.5 < network(10) - network(2) < 8.5
    with kernels.use("plain"):
        assert 15.5 < network(10) - network(2) < 16.5


def test_everything_stays_where_somebody_listens_or_asks_for_plain_definitions() -> None:
    x = Tensor(np.ones((200, 200)), requires_grad=True)
    for everything in (lambda: listening(lambda event: None), lambda: kernels.use("plain")):
        with everything():  # made here, since `use` acts at once
            h = x * 2.0
            y = h + 1.0
        assert y.node is not None
        assert y.node.operands[0] is h
        assert y.node.arrays[0] is h.data
        assert y.node.out is y.data


@pytest.mark.usefixtures("undo")
def test_a_rule_of_ones_own_finds_every_array() -> None:
    @primitive.gradient("relu")
    def slope_of_x(g: Any, call: primitive.Record) -> Any:
        return g * (call.arrays[0] > 0)

    x = Tensor(np.linspace(-1, 1, 40_000), requires_grad=True)
    tinytorch.relu(x * 1.0).sum().backward()
    np.testing.assert_array_equal(x.grad, x.data > 0)


def test_what_is_left_of_an_operand_has_its_shape_type_and_way_back() -> None:
    x = Tensor(np.ones((150, 200)), requires_grad=True)
    h = x * 2.0
    y = h + 1.0
    assert y.node is not None
    left = y.node.operands[0]
    assert left is not h
    assert (left.shape, left.dtype, left.node) == (h.shape, h.dtype, h.node)
    assert np.isnan(left.data).all()
    assert y.node.arrays[0] is left.data
    assert autograd.topological_order(y.node) == [h.node, y.node]


def test_leaves_stay_because_their_gradients_arrive_there() -> None:
    x = Tensor(np.ones((150, 200)), requires_grad=True)
    y = x + 1.0
    assert y.node is not None
    assert y.node.operands[0] is x
    x.data += 1.0
    with pytest.raises(tinytorch.GradientError, match="changed in place"):
        y.sum().backward()


@pytest.mark.usefixtures("undo")
def test_a_rule_of_ones_own_may_read_the_output_of_any_primitive() -> None:
    @primitive.gradient("add")
    def through_the_output(g: Any, call: primitive.Record) -> Any:
        return g * call.out, None

    y = Tensor([1.0], requires_grad=True) + 1.0
    y.data += 1.0
    with pytest.raises(tinytorch.GradientError, match=r"^add: its output .* changed in place"):
        y.backward()


def test_everything_stays_where_no_rule_is_known_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(primitive.RULES, "add")
    y = Tensor(np.ones((200, 200)), requires_grad=True) + 1.0
    assert y.node is not None
    assert y.node.out is y.data


def test_an_operand_changed_before_the_call_is_not_taken_for_one_changed_after_it() -> None:
    x = Tensor(np.ones((200, 200)), requires_grad=True)
    h = x * 2.0
    h.data += 1.0
    (h + 1.0).sum().backward()
    np.testing.assert_array_equal(x.grad, np.full((200, 200), 2.0))


@pytest.mark.usefixtures("undo")
def test_of_several_outputs_each_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def halves(x: Any) -> Any:
        return x[:100], x[100:]

    def joined(g: Any, call: primitive.Record) -> Any:
        return np.concatenate(g)

    halves.__module__ = joined.__module__ = "tinytorch.tier"  # as if it were installed
    monkeypatch.setitem(thrift.READS, "halves", frozenset())
    primitive.gradient("halves")(joined)
    x = Tensor(np.ones((200, 200)), requires_grad=True)
    first, second = primitive.primitive(halves)(x * 1.0)
    assert [let_go(out) for out in first.node.out] == [True, True]
    (first * 2.0 + second).sum().backward()
    np.testing.assert_array_equal(x.grad[:, 0], [2.0] * 100 + [1.0] * 100)


@pytest.mark.usefixtures("undo")
def test_a_definition_of_ones_own_keeps_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    def threefold(x: Any) -> Any:
        return x * 3

    def rule(g: Any, call: primitive.Record) -> Any:
        return g * 3

    rule.__module__ = "tinytorch.tier"  # as if the rule alone were installed
    monkeypatch.setitem(thrift.READS, "threefold", frozenset())
    primitive.gradient("threefold")(rule)
    y = primitive.primitive(threefold)(Tensor(np.ones((200, 200)), requires_grad=True))
    assert y.node.out is y.data
