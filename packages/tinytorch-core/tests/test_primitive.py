"""The door: what a call records, who hears of it, and which code runs."""

import contextvars
import dataclasses
import gc
import threading
import types

import numpy as np
import pytest

import tinytorch.core.autograd  # noqa: F401  (its rules are there before `undo` remembers them)
from tinytorch.core import primitive as door
from tinytorch.core.activations import relu, softmax
from tinytorch.core.context import current, enable_grad, listening, no_grad, scope, use
from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.tensor import Tensor, add, matmul, mul


@pytest.fixture
def undo():
    """Forget primitives, rules and kernels that a test defines."""
    kernels = [door.KERNELS, door._OWN_KERNELS]
    sets = [table for by_name in kernels for table in by_name.values()]
    tables = [door._PRIMITIVES, door.RULES, door._OWN_RULES, *sets, *kernels]
    kept = [table.copy() for table in tables]
    yield
    for table, before in zip(tables, kept, strict=True):
        table.clear()
        table.update(before)


def leaf(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


def test_a_record_is_kept_only_where_an_operand_requires_a_gradient():
    assert (Tensor([1.0]) + Tensor([2.0])).node is None
    made = leaf(1) + Tensor([2.0])
    assert made.requires_grad
    assert made.node.primitive is add


def test_a_record_holds_operands_parameters_arrays_and_output():
    x = leaf(2, 3)
    out = softmax(x, axis=0)
    assert out.node.operands == (x,)
    assert out.node.params == {"axis": 0}
    assert out.node.arrays[0] is x.data
    assert out.node.out is out.data


def test_no_grad_leaves_no_record_and_enable_grad_does_so_again():
    x = leaf(1)
    with no_grad():
        assert not (x * 2).requires_grad
        with enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_decorates_functions_and_is_undone_by_an_exception():
    x = leaf(1)

    @no_grad()
    def double():
        return x * 2

    assert not double().requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert (x * 2).requires_grad


def test_another_thread_has_its_own_context_and_a_copied_one_is_handed_on():
    x = leaf(1)
    seen = []
    with no_grad():
        plain = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        handed = contextvars.copy_context()
        copied = threading.Thread(
            target=lambda: seen.append(handed.run(lambda: x * 2).requires_grad)
        )
        for thread in (plain, copied):
            thread.start()
            thread.join()
    assert seen == [True, False]


def test_a_listener_hears_forward_and_backward_with_times_and_layers():
    events = []
    x = leaf(2)
    with listening(events.append), scope("outer"), scope("inner"):
        y = (x * 3).sum()
        y.backward()
    assert [(e.kind, e.record.primitive.name) for e in events] == [
        ("forward", "mul"),
        ("forward", "sum"),
        ("backward", "sum"),
        ("backward", "mul"),
    ]
    assert all(0 < e.start <= e.stop for e in events)
    assert events[0].record.scope == ("outer", "inner")
    assert isinstance(events[0].result, Tensor)
    np.testing.assert_array_equal(events[3].result[0], [3, 3])


def test_listeners_hear_calls_that_need_no_gradient_too():
    events = []
    with listening(events.append):
        out = Tensor([1.0]) + 1
    assert len(events) == 1
    assert out.node is None


def test_a_primitive_without_a_rule_is_an_error_in_backward_that_names_it(undo):
    @door.primitive
    def without_rule(x):
        return x * 2

    with pytest.raises(
        GradientError, match=r'without_rule has no gradient rule.*@gradient\("without'
    ):
        without_rule(leaf(1)).backward()


def test_a_primitive_that_is_not_differentiable_gives_no_gradient(undo):
    @door.primitive(differentiable=False)
    def rounded(x):
        return np.round(x)

    assert not rounded(leaf(1)).requires_grad


def test_a_rule_with_too_few_gradients_is_named(undo):
    @door.primitive
    def lazy(x, y):
        return x + y

    door.gradient("lazy")(lambda g, call: (g,))
    with pytest.raises(GradientError, match="lazy: its rule gave 1 gradients for 2 operands"):
        lazy(leaf(1), leaf(1)).backward()


def test_a_rule_learns_which_operands_want_a_gradient(undo):
    seen = []

    @door.primitive
    def curious(x, y, z):
        return x + y

    @door.gradient("curious")
    def rule(g, call):
        seen.append(call.needs)
        return g, g, None

    assert callable(rule)
    curious(leaf(1), Tensor([1.0]), None).backward()
    assert seen == [[True, False, False]]


def test_outputs_of_one_call_share_a_record_and_its_rule_runs_once_with_zeros(undo):
    received = []

    @door.primitive
    def halves(x):
        return x[:2], x[2:]

    @door.gradient("halves")
    def rule(g, call):
        received.append(g)
        return np.concatenate(g)

    x = leaf(4)
    first, second = halves(x)
    assert first.node is second.node
    (first * 3).sum().backward()
    np.testing.assert_array_equal(x.grad, [3, 3, 0, 0])
    assert len(received) == 1
    np.testing.assert_array_equal(received[0][1], [0, 0])


def test_two_primitives_of_one_name_are_refused_unless_from_the_same_module(undo):
    def relu(x):
        return x

    with pytest.raises(ValueError, match=r"'relu' exists already, in tinytorch.core.activations"):
        door.primitive(relu)

    def mine(x):
        return x

    assert door.primitive(mine) is not door.primitive(mine)


def installed(function):
    """Say of a function that the installed package defines it."""
    function.__module__ = "tinytorch.tier"
    return function


def plus_100(arrays, params, saving):
    return arrays[0] + 100, None


def test_an_installed_kernel_stands_in_for_the_installed_definition_and_for_no_other(
    undo, monkeypatch
):
    door.kernel("relu", installed(lambda arrays, params, saving: (arrays[0] + 100, None)))
    assert relu(Tensor([1.0])).item() == 101

    module = types.ModuleType("tinytorch.core.students")
    module.__loader__ = types.SimpleNamespace(is_workspace=True)
    monkeypatch.setitem(door.sys.modules, module.__name__, module)

    def by_a_student(x):
        return x

    by_a_student.__name__ = "relu"
    by_a_student.__module__ = module.__name__
    assert door.kernels_for(by_a_student) == {}
    by_a_student.__module__ = "__main__"
    assert door.kernels_for(by_a_student) == {}
    by_a_student.__module__ = "tinytorch.core.activations"
    assert "fast" in door.kernels_for(by_a_student)


def test_a_kernel_of_ones_own_serves_a_primitive_of_ones_own_and_the_installed_one(undo):
    @door.primitive
    def tripled(x):
        return x * 3

    assert tripled(Tensor([1.0])).item() == 3
    for name in ("tripled", "relu"):
        door.kernel(name, plus_100, into="mine")
    for function, plain in ((tripled, 3), (relu, 1)):
        assert function(Tensor([1.0])).item() == plain
        with use("mine"):
            assert function(Tensor([1.0])).item() == 101
        with use("plain"):
            assert function(Tensor([1.0])).item() == plain


def test_a_kernel_of_ones_own_may_be_attached_before_its_primitive_is_defined(undo):
    with pytest.warns(RuntimeWarning, match="nothing is called 'later' so far"):
        door.kernel("later", plus_100, into="mine")

    @door.primitive
    def later(x):
        return x

    with use("mine"):
        assert later(Tensor([1.0])).item() == 101


def test_a_kernel_with_a_mistyped_name_is_told_which_was_meant(undo):
    with pytest.warns(RuntimeWarning, match=r"nothing is called 'rellu' so far.*mean 'relu'\?"):
        door.kernel("rellu", plus_100)


def test_the_backward_of_a_kernel_of_ones_own_runs_whoever_wrote_the_rule(undo):
    @door.gradient("relu")
    def my_relu_gradient(g, call):
        return g * 100

    door.kernel("relu", plus_100, lambda g, call: g * 7, into="mine")
    x = leaf(3)
    with use("mine"):
        out = relu(x)
    out.sum().backward()
    assert x.grad.tolist() == [7, 7, 7]


def test_a_kernel_of_ones_own_without_a_backward_leaves_it_to_the_rule(undo):
    door.kernel("relu", plus_100, into="mine")
    x = Tensor([-200.0, 2.0], requires_grad=True)
    with use("mine"):
        relu(x).sum().backward()
    assert x.grad.tolist() == [0, 1]  # by the rule, which reads what the kernel returned


def test_a_kernel_of_ones_own_finds_its_operands_and_output_however_large(undo):
    def backward(g, call):
        return g * (call.arrays[0] > 0) * np.isfinite(call.out)

    door.kernel("relu", lambda arrays, *_: (np.maximum(arrays[0], 0), None), backward, into="mine")
    x = leaf(200, 200)  # large enough for a record to let go what an installed rule will not read
    with use("mine"):
        relu(x * 2.0).sum().backward()
    assert (x.grad == 2).all()


def test_an_output_changed_in_place_is_noticed_where_a_kernel_of_ones_own_may_read_it(undo):
    door.kernel("neg", lambda arrays, *_: (-arrays[0], None), lambda g, call: -g, into="mine")
    with use("mine"):
        y = -leaf(3)
    y.data += 1
    with pytest.raises(GradientError, match=r"^neg: its output .* was changed in place"):
        y.sum().backward()


def test_where_a_set_has_no_kernel_the_fast_one_serves(undo):
    door.kernel("relu", plus_100, into="mine")
    x = leaf(2000)
    with use("mine"):
        assert softmax(leaf(200, 200)).node.kernel is door.KERNELS["softmax"]["fast"]
    with use("plain"):
        assert relu(x).node.kernel is None


def test_a_kernel_that_declines_leaves_the_call_to_the_plain_definition(undo, monkeypatch):
    monkeypatch.setitem(relu.kernels, "fast", door.Kernel(lambda *_: None, None))
    x = leaf(2)
    out = relu(x)
    assert out.node.kernel is None
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 1])


def test_a_kernel_without_a_backward_uses_the_rule(monkeypatch):
    fast = door.Kernel(lambda arrays, params, saving: (np.maximum(arrays[0], 0), "saved"), None)
    monkeypatch.setitem(relu.kernels, "fast", fast)
    x = Tensor([-1.0, 2.0], requires_grad=True)
    out = relu(x)
    assert out.node.saved == "saved"
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 1])


def test_a_rule_of_ones_own_runs_where_the_installed_one_leaves_it_to_the_kernel(undo):
    x = leaf(2000)  # long enough for relu's kernel
    out = relu(x)
    assert out.node.kernel is not None
    assert out.node.kernel.backward is not None

    @door.gradient("relu")
    def my_relu_gradient(g, call):
        return g * 100

    out.sum().backward()
    assert x.grad[0] == 100


def test_use_chooses_kernels_at_once_and_gives_them_back_after_a_block():
    with use("fast"):
        with use("plain"):
            assert current().kernels == "plain"
        assert current().kernels == "fast"
    with pytest.raises(
        ValueError, match="no set of kernels is called 'quick'; there are fast, plain"
    ):
        use("quick")


def test_float64_comes_out_only_where_a_float64_tensor_went_in():
    x32, x64 = Tensor([1.0]), Tensor([1.0], dtype=np.float64)
    wide = np.array([2.0])
    assert (x32 * wide).dtype == np.float32
    assert (x32 * np.float64(2)).dtype == np.float32
    assert (wide * x32).dtype == np.float32
    assert (x64 * wide).dtype == np.float64
    assert (x64 * x32).dtype == np.float64
    assert (Tensor([1, 2]) / 2).dtype == np.float32
    assert Tensor([1, 2]).mean().dtype == np.float32
    assert (Tensor([1, 2]) * 2).dtype == np.int64


def test_gradients_have_their_operands_dtype_whatever_they_met():
    x = leaf(3)
    (x * Tensor([1, 2, 3]) * np.array([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, [1, 4, 9])


def test_shapes_that_do_not_broadcast_are_explained():
    with pytest.raises(
        ShapeError, match=r"add: shapes \(2, 3\) and \(4,\).*axis -1 has sizes 3 and 4"
    ):
        Tensor(np.ones((2, 3))) + Tensor(np.ones(4))
    with pytest.raises(ValueError, match="inner sizes 3 and 4 differ; transpose one"):
        matmul(Tensor(np.ones((2, 3))), Tensor(np.ones((4, 5))))


def test_what_is_no_number_is_refused():
    with pytest.raises(TypeError, match="expected numbers, got str 'two'"):
        Tensor([1.0]) + "two"


def test_every_output_is_an_array_even_of_a_single_number():
    assert type(Tensor([1.0, 2.0]).sum().data) is np.ndarray


def test_a_graph_dies_with_its_output_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        alive = []

        class Witness(np.ndarray):
            def __del__(self):
                alive.remove(1)

        x = leaf(3)
        y = mul(x, 2.0)
        y.node.saved = np.zeros(1).view(Witness)
        alive.append(1)
        z = (y + 1).sum()
        del y
        assert alive
        del z
        assert not alive
    finally:
        gc.enable()


def test_the_context_in_force_cannot_be_changed_only_replaced():
    with pytest.raises(dataclasses.FrozenInstanceError):
        current().grad = False
    assert current().grad


def test_float64_arrays_keep_all_their_digits_beside_a_float64_tensor():
    x64 = Tensor([1.0], dtype=np.float64)
    third = np.array([1 / 3])
    assert (x64 * third).item() == (third * x64).item() == 1 / 3
    assert (Tensor([1.0]) * third).item() == np.float32(1 / 3)


def test_arrays_of_every_kind_of_number_are_operands():
    for dtype in (np.float16, np.int8, np.uint8, np.bool_):
        assert (Tensor([2.0]) * np.array([1], dtype)).tolist() == [2]


def test_a_change_in_place_is_explained_with_the_shapes_of_the_tensors():
    x = leaf(2, 3)
    y = (x * 2.0).sum()
    x.data += 1
    with pytest.raises(
        GradientError, match=r"^mul: an operand \(operands of shapes \[\(2, 3\)\]\) was"
    ):
        y.backward()


def test_a_value_error_of_a_definition_that_is_not_about_broadcasting_stays_as_it_is(undo):
    @door.primitive
    def picky(x):
        raise ValueError("not this one")

    with pytest.raises(ValueError, match=r"^not this one$") as caught:
        picky(leaf(1))
    assert type(caught.value) is ValueError


def test_a_value_error_of_our_own_stays_as_it_is_whatever_it_says(undo):
    @door.primitive
    def picky(x):
        raise ShapeError("these do not broadcast")

    with pytest.raises(ShapeError, match=r"^these do not broadcast$"):
        picky(leaf(1))


def test_an_output_changed_twice_is_noticed_like_one_changed_once():
    x = leaf(3)
    y = x.exp()
    y.data += 1
    y.data += 1
    with pytest.raises(GradientError, match=r"^exp: its output .* was changed in place"):
        y.sum().backward()


def test_a_kernel_with_a_backward_of_its_own_needs_no_rule(monkeypatch):
    fast = door.Kernel(
        lambda arrays, params, saving: (arrays[0], 7), lambda g, call: g * call.saved
    )
    monkeypatch.setitem(relu.kernels, "fast", fast)
    x = leaf(2)
    relu(x).sum().backward()
    np.testing.assert_array_equal(x.grad, [7, 7])


def test_a_gradient_is_an_array_though_the_rule_answers_with_a_numpy_number(undo):
    @door.primitive
    def total(x):
        return x.sum()

    door.gradient("total")(lambda g, call: np.float32(3))
    x = leaf(1)
    [(operand, dx)] = total(x).node.gradients(np.ones((), np.float32))
    assert operand is x
    assert type(dx) is np.ndarray


def test_a_kernel_that_looks_up_what_it_knows_hides_no_wrong_parameter():
    with pytest.raises(TypeError, match="softmax"):
        softmax(leaf(200, 200), axes=0)


def test_a_primitive_shows_its_name():
    assert repr(add) == "<primitive add>"


def test_an_error_of_numpys_about_nothing_to_choose_from_is_told_in_our_words():
    with pytest.raises(ShapeError, match=r"^max: shape \(0, 3\) has no elements"):
        Tensor(np.ones((0, 3))).max()


def test_a_definition_that_returns_nothing_is_asked_for_its_return(undo):
    @door.primitive
    def forgetful(x):
        x + 1

    with pytest.raises(TypeError, match=r"^forgetful returned None"):
        forgetful(leaf(1))


def test_plain_numbers_take_the_type_of_the_tensor():
    for dtype, number in ((np.float16, 2.0), (np.float16, 2), (np.int8, 2), (np.bool_, True)):
        assert (Tensor(np.ones(2, dtype), dtype=dtype) * number).dtype == dtype


def test_a_routine_runs_its_kernel_where_one_is_chosen_and_answers(undo):
    def doubled(x, *, by=2):
        return x * by

    heard = []

    def forward(arrays, params, saving):
        heard.append((params, saving))
        return None if params else (arrays[0] + 100, "nobody asks for this")

    call = door.routine(installed(doubled))
    door.kernel("doubled", forward)
    with use("fast"):
        assert call(1) == 101
        assert call(1, by=3) == 3
    with use("plain"):
        assert call(1) == 2
    assert heard == [({}, False), ({"by": 3}, False)]
    with pytest.warns(RuntimeWarning, match="nothing is called 'elsewhere'"):
        door.kernel("elsewhere", forward, into="another set")
    with use("another set"):
        assert call(1) == 101
