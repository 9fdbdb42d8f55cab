"""Module 06: the backward pass, beyond single operations (those are in test_operations.py)."""

import gc
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core import ops
from tinytorch.core import primitive as door
from tinytorch.core.activations import relu
from tinytorch.core.autograd import backward, gradcheck, topological_order, unbroadcast
from tinytorch.core.context import no_grad
from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.tensor import Tensor, mul


def leaf(data):
    return Tensor(data, requires_grad=True)


def test_a_value_used_twice_receives_both_gradients():
    x = leaf([3.0])
    (x * x).backward()
    assert x.grad == [6]


def test_a_diamond_passes_each_record_once():
    calls = []
    x = leaf([2.0])
    y = x * 3
    z = (y + y * y).sum()

    def count(event):
        calls.append((event.kind, event.record.primitive.name))

    from tinytorch.core.context import listening

    with listening(count):
        z.backward()
    assert sorted(calls) == sorted(("backward", name) for name in ("sum", "add", "mul", "mul"))
    assert x.grad == [3 + 2 * 9 * 2]


def test_many_diamonds_in_a_row_take_one_visit_each_not_two_to_the_nth():
    x = leaf([1.0])
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == [2.0**60]


def test_a_chain_of_twenty_thousand_operations_has_a_gradient_and_is_freed():
    x = leaf([1.0])
    y = x
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad == [1]
    z = x
    for _ in range(20_000):
        z = z + 1
    del z  # frees 20,000 nested records, without recursion running out


def test_gradients_accumulate_over_passes():
    x = leaf([1.0, 2.0])
    for _ in range(3):
        (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad, [6, 6])


def test_leaves_never_share_a_gradient_with_each_other_or_with_what_was_passed():
    p, q = leaf([1.0]), leaf([1.0])
    given_gradient = np.array([5.0], np.float32)
    (p + q).backward(given_gradient)
    assert not np.shares_memory(p.grad, q.grad)
    assert not np.shares_memory(p.grad, given_gradient)
    (p + q).backward(given_gradient)
    assert p.grad == [10]
    assert given_gradient == [5]


def test_a_gradient_is_an_array_of_its_own_contiguous_and_writeable():
    x = leaf(np.ones((3, 2)))
    x.sum().backward()
    assert x.grad.flags.writeable
    assert x.grad.flags.c_contiguous
    assert x.grad.flags.owndata
    y = leaf(np.ones((3, 2)))
    (y.T * np.ones((2, 3))).sum().backward()
    assert y.grad.flags.c_contiguous


def test_a_scalar_needs_no_gradient_and_anything_else_does():
    x = leaf([1.0, 2.0])
    with pytest.raises(GradientError, match=r"shape \(2,\): only a single number has a gradient"):
        (x * 2).backward()
    (x * 2).backward([1, 10])
    np.testing.assert_array_equal(x.grad, [2, 20])
    with pytest.raises(GradientError, match=r"a gradient of shape \(3,\) for a tensor of \(2,\)"):
        (x * 2).backward([1, 1, 1])


def test_backward_without_anything_to_learn_is_an_error():
    with pytest.raises(GradientError, match="requires no gradient"):
        Tensor([1.0]).backward()
    with no_grad():
        y = leaf([1.0]) * 2
    with pytest.raises(GradientError, match=r"computed inside no_grad\(\)"):
        y.backward()


def test_backward_on_a_leaf_gives_it_the_gradient():
    x = leaf([1.0])
    x.backward()
    assert x.grad == [1]
    given_gradient = np.array([5.0], np.float32)
    y = leaf([1.0])
    y.backward(given_gradient)
    y.backward(given_gradient)
    assert y.grad == [10]
    assert given_gradient == [5]


def test_detach_stops_gradients_and_shares_the_data():
    x = leaf([2.0])
    y = x * 3
    (y.detach() * x).backward()
    assert x.grad == [6]
    assert np.shares_memory(y.detach().data, y.data)


def test_a_frozen_operand_gets_no_gradient():
    w, b = leaf([1.0]), leaf([1.0])
    w.requires_grad = False
    (w * 2 + b).backward()
    assert w.grad is None
    assert b.grad == [1]


def test_a_second_pass_is_refused_unless_the_graph_was_retained():
    x = leaf([3.0])
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad == [12]
    with pytest.raises(GradientError, match="backward\\(retain_graph=True\\)"):
        y.backward()
    z = x * x
    backward(z)
    with pytest.raises(GradientError, match="backward\\(retain_graph=True\\)"):
        backward(z)


def test_two_outputs_of_a_retained_graph_each_have_a_gradient():
    x = leaf([3.0])
    shared = x * x
    first, second = shared * 2, shared * 5
    first.backward(retain_graph=True)
    second.backward()
    assert x.grad == [2 * 6 + 5 * 6]


def test_gradients_of_gradients_are_refused_in_words():
    x = leaf([3.0])
    with pytest.raises(GradientError, match="gradients of gradients are not supported"):
        (x * x).backward(create_graph=True)


def test_a_change_in_place_between_the_passes_is_noticed():
    w = leaf([1.0])
    y = w * w
    w.data += 1
    with pytest.raises(GradientError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("operation", [Tensor.exp, relu, Tensor.mean])
def test_a_change_in_place_of_an_output_is_noticed_where_the_rule_may_read_it(operation, times):
    w = leaf([1.0, 2.0])
    y = operation(w)
    for _ in range(times):
        y.data *= 2
    with pytest.raises(GradientError, match=r"its output .* changed in place"):
        (y * 3.0).sum().backward()


def test_a_change_in_place_of_an_output_that_no_rule_reads_does_no_harm():
    w = leaf([1.0, 2.0])
    y = w + 1.0
    y.data *= 2
    (y * y).sum().backward()
    assert w.grad.tolist() == [8.0, 12.0]  # what y was when it was squared, twice


def test_operands_are_watched_though_an_output_was_changed_without_harm():
    w = leaf([1.0, 2.0])
    y = w + 1.0
    y.data *= 2
    w.data += 1
    with pytest.raises(GradientError, match="an operand"):
        y.sum().backward()


def test_a_rule_of_ones_own_may_read_the_output_so_it_must_not_change():
    @door.primitive
    def squared_in_a_test(x):
        return x * x

    @door.gradient("squared_in_a_test")
    def rule(g, call):
        return g * 2 * np.sqrt(call.out)

    w = leaf([1.0, 2.0])
    y = squared_in_a_test(w)
    y.data += 1
    with pytest.raises(GradientError, match="its output"):
        y.sum().backward()


def test_a_new_array_between_the_passes_does_no_harm():
    w = leaf([1.0])
    y = w * w
    w.data = w.data + 1
    y.backward()
    assert w.grad == [2]


def test_setting_elements_is_refused_where_gradients_flow_and_seen_elsewhere():
    w, x = leaf([1.0]), Tensor([1.0])
    with pytest.raises(GradientError, match="would be lost"):
        w[0] = 2.0
    y = w * x
    x[0] = 5.0
    with pytest.raises(GradientError, match="changed in place"):
        y.backward()


def test_memory_stays_level_over_a_thousand_steps_without_the_garbage_collector():
    model = Sequential(Linear(20, 30), relu, Linear(30, 5))
    x = Tensor(np.ones((10, 20)))

    def step():
        model.zero_grad()
        model(x).sum().backward()

    for _ in range(50):
        step()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 20_000, f"{grown} bytes more after 1,000 steps"


def test_a_graph_is_released_as_backward_goes():
    x = leaf(np.ones(10))
    y = x * 2
    z = y.sum()
    node = y.node
    z.backward()
    assert node.operands == ()
    assert node.out is None


def test_records_come_after_all_that_they_depend_on():
    x = leaf([1.0])
    a = x * 2
    b = a + 1
    c = a * b
    d = c + a
    order = topological_order(d.node)
    assert order[-1] is d.node
    assert len(order) == 4
    for record in order:
        for operand in record.operands:
            if isinstance(operand, Tensor) and operand.node is not None:
                assert order.index(operand.node) < order.index(record)


@given(st.lists(st.integers(1, 4), max_size=4), st.data())
def test_unbroadcast_sums_exactly_what_broadcasting_repeated(shape, data):
    kept = [data.draw(st.sampled_from([size, 1])) for size in shape]
    small = tuple(kept[data.draw(st.integers(0, len(kept))) :])
    g = np.random.default_rng(0).standard_normal(shape)
    got = unbroadcast(g, small)
    assert got.shape == small
    probe = np.random.default_rng(1).standard_normal(small)
    np.testing.assert_allclose((got * probe).sum(), (g * np.broadcast_to(probe, shape)).sum())


@pytest.mark.parametrize(
    ("g", "shape"),
    [((2, 3), (2, 4)), ((3,), (2, 3)), ((2, 3), (3, 3)), ((), (1,)), ((3,), (1, 3)), ((1,), (3,))],
)
def test_a_gradient_of_an_impossible_shape_is_refused(g, shape):
    with pytest.raises(ShapeError, match="gave shape"):
        unbroadcast(np.ones(g), shape)


@pytest.fixture
def define():
    """Make a primitive with a rule of one's own, and forget it afterwards."""
    names = []

    def make(definition, rule):
        names.append(definition.__name__)
        door.gradient(definition.__name__)(rule)
        return door.primitive(definition)

    yield make
    for name in names:
        del door._PRIMITIVES[name], door.RULES[name]


def test_a_rule_may_say_that_nothing_flows_to_an_operand(define):
    def switch(x, y):
        return x + y

    switched = define(switch, lambda g, call: (None, g))
    x, y = leaf([1.0]), leaf([1.0])
    switched(x * 2, y).backward()
    assert x.grad is None
    assert y.grad == [1]


def test_leaves_do_not_share_an_array_that_a_rule_gives_to_both(define):
    def total(x, y):
        return x + y

    p, q = leaf([1.0]), leaf([1.0])
    define(total, lambda g, call: (g * 1,) * 2)(p, q).backward()
    assert not np.shares_memory(p.grad, q.grad)


def test_gradcheck_refuses_an_error_of_more_than_a_hundred_thousandth(define):
    weight = np.random.default_rng(0).standard_normal(1)  # what it multiplies the output with
    error = [0.9e-5]

    def copied(x):
        return x * 1.0

    checked = define(copied, lambda g, call: g + g * error[0] / weight)
    assert gradcheck(checked, np.array([1.0]))
    error[0] = 1.1e-5
    with pytest.raises(GradientError, match="copied"):
        gradcheck(checked, np.array([1.0]))
    steep = 1000 / weight.item()  # a slope of 1,000: there the error is a share of it
    error[0] = 0.9e-5 * weight.item()
    assert gradcheck(lambda x: checked(x * steep), np.array([1.0]))


def test_gradcheck_moves_one_element_at_a_time_and_back():
    start, seen = np.array([1.0, 2.0, 3.0]), []

    def watched(x):
        seen.append(x.data.copy())
        return x * x

    assert gradcheck(watched, start)
    assert len(seen) == 1 + 2 * start.size
    assert all((x != start).sum() <= 1 for x in seen)


def test_gradcheck_expects_zero_for_an_operand_that_is_not_used():
    assert gradcheck(lambda x, y: x * 2, np.array([1.0]), np.array([2.0]))
    with pytest.raises(GradientError, match=r"operand 1 .* is 0; finite differences give 0\.1"):
        gradcheck(lambda x, y: x + y.detach(), np.array([1.0]), np.array([2.0]))


def test_gradcheck_checks_lists_too_and_names_objects_by_their_type():
    class Detached:
        def __call__(self, x):
            return x.detach() * x

    with pytest.raises(GradientError, match=r"^Detached: the gradient of operand 0"):
        gradcheck(Detached(), [2.0])


def test_gradcheck_names_function_operand_index_and_both_values():
    @door.primitive
    def crooked(x, y):
        return x * y

    @door.gradient("crooked")
    def crooked_gradient(g, call):
        x, y = call.arrays
        wrong = g * x
        wrong[1, 0] *= 2
        return g * y, wrong

    try:
        with pytest.raises(GradientError) as caught:
            gradcheck(crooked, np.ones((2, 1)), np.full((2, 1), 3.0))
    finally:
        del door._PRIMITIVES["crooked"], door.RULES["crooked"]
    message = str(caught.value)
    assert "crooked: the gradient of operand 1 (shape (2, 1)) at index (1, 0) is" in message
    analytic, numeric = (float(word) for word in message.replace(";", "").split() if _number(word))
    assert analytic == pytest.approx(2 * numeric, rel=1e-4)


def test_gradcheck_fails_where_a_gradient_is_missing():
    def forgetful(x):
        return x.detach() * x

    with pytest.raises(GradientError, match="forgetful"):
        gradcheck(forgetful, np.array([2.0]))


def test_gradcheck_passes_what_is_right_and_leaves_integers_alone():
    assert gradcheck(mul, np.array([1.0, 2.0]), np.array([3, 4]))


def test_the_gradient_that_is_passed_may_be_a_tensor_that_requires_one_itself():
    x = leaf([1.0, 2.0])
    (x * 3).backward(leaf([1.0, 10.0]))
    np.testing.assert_array_equal(x.grad, [3, 30])


def test_elements_that_tie_for_the_maximum_share_its_gradient():
    x = leaf([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]])
    x.max(axis=1).backward([1.0, 10.0])
    np.testing.assert_array_equal(x.grad, [[0, 0.5, 0.5], [10, 0, 0]])


def test_the_mean_of_nothing_has_a_gradient_without_a_warning_of_its_own():
    x = leaf(np.zeros(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of the mean itself
        y = x.mean()
    y.backward()
    assert x.grad.shape == (0,)


def test_the_slope_of_zero_to_a_power_is_zero_unless_the_power_is_negative():
    x, y = Tensor(np.zeros(4)), leaf([0.0, 0.5, 2.0, -1.0])
    with np.errstate(divide="ignore"):
        (x**y).backward(np.ones(4))
    np.testing.assert_array_equal(y.grad, [0, 0, 0, -np.inf])


def _number(word):
    try:
        float(word)
    except ValueError:
        return False
    return "." in word


@pytest.mark.parametrize("name", ["sum", "max", "min", "prod", "norm", "logsumexp", "cumsum"])
@pytest.mark.parametrize("axis", [0, -1])
def test_a_number_may_be_reduced_over_an_axis_that_it_does_not_have(name, axis):
    x = Tensor(3.0, requires_grad=True)
    total = getattr(ops, name)(x, axis=axis)
    total.backward()
    assert (total.item(), x.grad, x.grad.shape) == (3, 1, ())  # as in PyTorch 2.13
