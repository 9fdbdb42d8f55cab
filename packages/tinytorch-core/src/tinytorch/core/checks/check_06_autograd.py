"""Checks of module 06: each rule on numbers, then the pass, then gradcheck itself.

What a rule should say is worked out here by other means: by hand, by loops and Jacobians in NumPy,
by closed forms. A rule is asked directly, on the record of a small call; whether the others work
does not matter then. Left out: rules that the lesson gives, and speed.
"""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import array

from tinytorch.core.activations import log_softmax, relu, sigmoid, softmax, tanh
from tinytorch.core.autograd import (
    accumulate,
    add_gradient,
    arrive,
    backward,
    cross_entropy_gradient,
    div_gradient,
    exp_gradient,
    getitem_gradient,
    gradcheck,
    linear_gradient,
    log_gradient,
    log_softmax_gradient,
    matmul_gradient,
    max_gradient,
    mean_gradient,
    mse_loss_gradient,
    mul_gradient,
    neg_gradient,
    relu_gradient,
    reshape_gradient,
    sigmoid_gradient,
    softmax_gradient,
    sub_gradient,
    sum_gradient,
    tanh_gradient,
    topological_order,
    transpose_gradient,
    unbroadcast,
)
from tinytorch.core.context import listening
from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.layers import linear
from tinytorch.core.losses import cross_entropy, mse_loss
from tinytorch.core.ops.joining import split
from tinytorch.core.primitive import Array, Event, Record, gradient, primitive
from tinytorch.core.tensor import Tensor, exp, log, mul
from tinytorch.core.tensor import max as max_of
from tinytorch.core.tensor import sum as sum_of
from tinytorch.course.checking import exercise, raises, same


def leaf(data: Any) -> Tensor:
    """A tensor that wants a gradient."""
    return Tensor(data, requires_grad=True)


def counted(*shape: int) -> Array:
    """An array of 1, 2, 3 ... in float32."""
    return np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)


def ask(rule: Callable[[Array, Record], Any], made: Tensor, g: Any) -> tuple[Any, ...]:
    """What a rule answers for the call that made a tensor, as `record.gradients` asks it."""
    call = made.node
    assert call is not None, "the call left no record: does no operand require a gradient?"
    call.needs = [isinstance(x, Tensor) and x.requires_grad for x in call.operands]
    g = np.array(g, np.float32)
    given = {"g": g, "call.out": call.out}
    given |= {f"call.arrays[{i}]": x for i, x in enumerate(call.arrays)}
    before = {name: x.tobytes() for name, x in given.items() if isinstance(x, np.ndarray)}
    answer = rule(g, call)
    name = f"{getattr(rule, '__name__', 'the rule')}(g, call)"
    for what, content in before.items():
        assert given[what].tobytes() == content, (
            f"{name} wrote into {what}, which others will read after it. `g *= x`, `out[...] = x` "
            "and out=... write into the array itself; `g * x` makes a new one"
        )
    assert answer is not None, f"{name} returned None: is there a return in it?"
    return as_a_rule_answers(name, answer, len(call.operands))


def as_a_rule_answers(name: str, answer: Any, operands: int) -> tuple[Any, ...]:
    """A rule's answer as a tuple, refused where the door could not use it."""
    assert not isinstance(answer, list), f"{name}: got a list; a tuple is wanted"
    if not isinstance(answer, tuple):
        answer = (answer,)
        assert operands == 1, (
            f"{name}: got one {kind_of(answer[0])}, a tuple of {operands} arrays is wanted: a "
            "gradient for each operand"
        )
    assert len(answer) == operands, (
        f"{name}: got a tuple of {len(answer)}, one of {operands} is wanted: a gradient for each "
        "operand, or None"
    )
    for i, dx in enumerate(answer):
        assert dx is None or isinstance(dx, np.ndarray | np.generic), (
            f"{name}: gradient {i} is a {kind_of(dx)}, not an array. A rule computes on g, "
            "call.out and call.arrays with NumPy; call.operands and the functions of tinytorch "
            "are tensors"
        )
    return answer


def kind_of(value: Any) -> str:
    """What a value is, for a message: "array of shape (2,)"."""
    kind = "array" if isinstance(value, np.ndarray | np.generic) else type(value).__name__
    return f"{kind} of shape {value.shape}" if hasattr(value, "shape") else kind


# The first rules
@exercise("add_gradient")
def check_a_sum_passes_its_gradient_on_to_both() -> None:
    z = leaf([2.0, 3.0]) + leaf([5.0, 7.0])
    same(
        ask(add_gradient, z, [1, 10]),
        ([1, 10], [1, 10]),
        call="z = x + y with g = [1, 10]: add_gradient(g, z.node)",
        why="one more in x, or in y, is one more in z: both slopes are 1",
    )


@exercise("add_gradient")
def check_a_difference_turns_the_sign_for_what_is_taken_away() -> None:
    z = leaf([2.0, 3.0]) - leaf([5.0, 7.0])
    same(
        ask(sub_gradient, z, [1, 10]),
        ([1, 10], [-1, -10]),
        call="z = x - y with g = [1, 10]: sub_gradient(g, z.node)",
        why="one more in y is one less in z",
    )
    same(
        ask(sub_gradient, 10.0 - leaf([2.0]), [1])[1],
        [-1],
        call="z = 10.0 - y with g = [1]: sub_gradient(g, z.node)[1]",
        why="nobody wants the gradient of 10.0, call.needs[0]; that of y, call.needs[1], is wanted",
    )


@exercise("add_gradient")
def check_a_negation_turns_the_sign() -> None:
    same(
        ask(neg_gradient, -leaf([2.0, 3.0]), [1, 10]),
        ([-1, -10],),
        call="z = -x with g = [1, 10]: neg_gradient(g, z.node)",
        why="one more in x is one less in z",
    )


@exercise("mul_gradient")
def check_each_factor_receives_the_other_times_g() -> None:
    z = leaf([2.0, 3.0]) * leaf([5.0, 7.0])
    same(
        ask(mul_gradient, z, [1, 10]),
        ([5, 70], [2, 30]),
        call="z = x * y with x = [2, 3], y = [5, 7], g = [1, 10]: mul_gradient(g, z.node)",
        why="one more in x adds y to z, and each unit of z matters g",
    )


@exercise("mul_gradient")
def check_a_quotient_follows_both_slopes() -> None:
    z = leaf([6.0, 12.0]) / leaf([2.0, 4.0])
    same(
        ask(div_gradient, z, [1, 8]),
        ([1 / 2, 8 / 4], [-6 / 4, -8 * 12 / 16]),
        call="z = x / y with x = [6, 12], y = [2, 4], g = [1, 8]: div_gradient(g, z.node)",
        why="dz/dx = 1 / y, and dz/dy = -x / y**2",
    )


@exercise("mul_gradient")
def check_a_factor_that_needs_no_gradient_gets_none() -> None:
    for rule, z, position, text in (
        (mul_gradient, leaf([2.0]) * 5.0, 1, "x * 5.0"),
        (mul_gradient, 5.0 * leaf([2.0]), 0, "5.0 * x"),
        (div_gradient, leaf([2.0]) / 5.0, 1, "x / 5.0"),
        (div_gradient, 5.0 / leaf([2.0]), 0, "5.0 / x"),
    ):
        answer = ask(rule, z, [1])
        assert answer[position] is None, (
            f"z = {text}: operand {position} is a plain number, so call.needs is "
            f"False there and its gradient should be None; it is {answer[position]!r}"
        )


@exercise("exp_gradient")
def check_exp_is_its_own_slope() -> None:
    same(
        ask(exp_gradient, exp(leaf([0.0, 1.0])), [1, 10]),
        ([1, 10 * np.e],),
        call="z = exp(x) with x = [0, 1], g = [1, 10]: exp_gradient(g, z.node)",
        why="the slope of exp at x is exp(x), which call.out holds already",
    )


@exercise("exp_gradient")
def check_log_has_slope_one_over_x() -> None:
    same(
        ask(log_gradient, log(leaf([1.0, 4.0])), [1, 10]),
        ([1, 2.5],),
        call="z = log(x) with x = [1, 4], g = [1, 10]: log_gradient(g, z.node)",
        why="the slope of log at x is 1 / x",
    )


# Broadcasting, backwards
@exercise("unbroadcast")
def check_an_added_axis_is_summed_away() -> None:
    same(
        unbroadcast(counted(2, 3), (3,)),
        [5, 7, 9],
        call="unbroadcast([[1, 2, 3], [4, 5, 6]], (3,))",
        why="broadcasting added the axis of 2, so each element was used twice: once in each row",
    )
    everything = unbroadcast(counted(2, 3), ())
    same(everything, 21, call="unbroadcast([[1, 2, 3], [4, 5, 6]], ())", why="all axes were added")
    assert isinstance(everything, np.ndarray), (
        f"unbroadcast([[1, 2, 3], [4, 5, 6]], ()) gives a {type(everything).__name__}, no array: "
        "NumPy makes a scalar of a sum over everything, unless keepdims=True keeps the axes"
    )


@exercise("unbroadcast")
def check_a_stretched_axis_is_summed_and_keeps_size_one() -> None:
    same(
        unbroadcast(counted(2, 3), (2, 1)),
        array([[6], [15]]),
        call="unbroadcast([[1, 2, 3], [4, 5, 6]], (2, 1))",
        why="broadcasting stretched the axis of size 1 to 3: each element was used in 3 places",
    )
    same(
        unbroadcast(counted(1, 2, 3), (2, 1)),
        array([[6], [15]]),
        call="unbroadcast([[[1, 2, 3], [4, 5, 6]]], (2, 1))",
        why="axis 0 of g was added, so axis 1 of the operand is axis 2 of g",
    )


@exercise("unbroadcast")
def check_a_gradient_that_cannot_come_from_broadcasting_is_refused() -> None:
    for g, shape in (((2, 3), (2, 4)), ((3,), (2, 3)), ((3,), (1, 3)), ((2, 3), (3, 3))):
        with raises(
            ShapeError,
            "",
            call=f"unbroadcast(ones of shape {g}, {shape})",
            why="no broadcasting makes the one shape from the other; a rule must be wrong",
        ):
            unbroadcast(np.ones(g), shape)


# The order
@exercise("topological_order")
def check_each_record_comes_after_all_that_it_depends_on() -> None:
    x = leaf([1.0])
    a = x * x
    b = a + x
    c = a * b
    d = c + a
    assert a.node
    assert b.node
    assert c.node
    assert d.node
    names = {a.node: "a", b.node: "b", c.node: "c", d.node: "d"}
    order = topological_order(d.node)
    got = "".join(dict.fromkeys(names.get(record, "?") for record in order))
    assert got == "abcd", (
        f"a = x * x; b = a + x; c = a * b; d = c + a: topological_order(d.node) gives {got!r}, "
        "but only 'abcd' has each record behind all that it depends on"
    )


@exercise("topological_order")
def check_a_record_that_is_reached_twice_stands_there_once() -> None:
    y = leaf([1.0])
    for _ in range(16):
        y = y + y
    assert y.node
    count = len(topological_order(y.node))
    assert count == 16, (
        f"sixteen times y = y + y: topological_order(y.node) lists {count} records, not 16. "
        "There are 2**16 ways through this graph; visit each record, not each way"
    )


@exercise("topological_order")
def check_numbers_arrays_and_leaves_are_passed_over() -> None:
    y = linear(leaf(np.ones((1, 2))) * 2.0 + np.ones(2), leaf(np.ones((2, 2))), None)
    assert y.node
    try:
        names = sorted(record.primitive.name for record in topological_order(y.node))
    except AttributeError as error:
        raise AssertionError(
            f"linear(x * 2.0 + array, weight, None): {error}. Operands may be numbers, arrays or "
            "None; only a tensor has a node"
        ) from None
    assert names == ["add", "linear", "mul"], (
        f"linear(x * 2.0 + array, weight, None): topological_order lists {names}, not one add, "
        "one linear and one mul"
    )


@exercise("topological_order")
def check_a_chain_of_twenty_thousand_needs_no_recursion() -> None:
    y = leaf([1.0])
    for _ in range(20_000):
        y = -y
    assert y.node
    try:
        count = len(topological_order(y.node))
    except RecursionError:
        raise AssertionError(
            "20,000 times y = -y: topological_order went too deep. Python allows some 1,000 "
            "calls inside each other; keep a list as a stack instead"
        ) from None
    assert count == 20_000, f"20,000 times y = -y: topological_order lists {count} records"


# What arrives
@exercise("arrive")
def check_what_arrives_by_two_ways_is_added() -> None:
    y = leaf([1.0, 2.0]) * 3
    arrived: dict[Record, Any] = {}
    arrive(arrived, y, array([1.0, 2.0], np.float32))
    arrive(arrived, y, array([10.0, 20.0], np.float32))
    assert list(arrived) == [y.node], "arrive: the dictionary has the tensor's record as its key"
    assert y.node
    same(
        arrived[y.node],
        [11, 22],
        call="arrive(arrived, y, [1, 2]); arrive(arrived, y, [10, 20]); arrived[y.node]",
        why="y was used twice, and its gradient is the sum over its uses",
    )


@exercise("arrive")
def check_an_array_that_arrived_is_not_changed() -> None:
    y, z = leaf([1.0]) * 3, leaf([1.0]) * 4
    arrived: dict[Record, Any] = {}
    both = array([1.0], np.float32)
    arrive(arrived, y, both)
    arrive(arrived, z, both)
    arrive(arrived, y, array([10.0], np.float32))
    assert z.node
    same(
        arrived[z.node],
        [1],
        call="g = [1]; arrive(arrived, y, g); arrive(arrived, z, g); arrive(arrived, y, [10]); "
        "arrived[z.node]",
        why="y and z were handed one array (add does that); += for y changes what z holds",
    )


@exercise("arrive")
def check_each_of_several_outputs_has_its_own_place() -> None:
    first, second = split(leaf([1.0, 2.0, 3.0, 4.0]), sections=2)
    arrived: dict[Record, Any] = {}
    arrive(arrived, second, array([5.0, 6.0], np.float32))
    arrive(arrived, second, array([10.0, 10.0], np.float32))
    assert first.node
    same(
        arrived[first.node],
        ([0, 0], [15, 16]),
        call="first, second = split(x, sections=2); arrive(arrived, second, [5, 6]); "
        "arrive(arrived, second, [10, 10]); arrived[first.node]",
        why="both outputs have one record; its rule wants a gradient for each, zeros where "
        "nothing arrived",
    )


@exercise("accumulate")
def check_a_gradient_adds_to_what_a_leaf_holds() -> None:
    x = leaf([0.0, 0.0])
    for g in ([1.0, 2.0], [10.0, 20.0]):
        accumulate(x, array(g, np.float32), shared=False)
    same(
        x.grad,
        [11, 22],
        call="accumulate(x, [1, 2], shared=False); accumulate(x, [10, 20], shared=False); x.grad",
        why="a leaf that is used twice receives both, and so it does over two passes",
    )


@exercise("accumulate")
def check_an_array_that_somebody_else_holds_is_copied() -> None:
    x, g = leaf([0.0]), array([1.0], np.float32)
    accumulate(x, g, shared=True)
    accumulate(x, array([10.0], np.float32), shared=False)
    same(
        g,
        [1],
        call="g = [1]; accumulate(x, g, shared=True); accumulate(x, [10], shared=False); g",
        why="x.grad grew in place, and g was the same array: copy it",
    )


@exercise("accumulate")
def check_a_view_is_copied_before_it_is_kept() -> None:
    x, base = leaf([0.0, 0.0]), array([1.0, 2.0, 3.0], np.float32)
    accumulate(x, base[:2], shared=False)
    accumulate(x, array([10.0, 20.0], np.float32), shared=False)
    same(
        base,
        [1, 2, 3],
        call="g = base[:2]; accumulate(x, g, shared=False); accumulate(x, [10, 20], ...); base",
        why="a view looks into somebody else's array, and g.base says whose; some (from "
        "np.broadcast_to) cannot even be written to",
    )


@exercise("accumulate")
def check_a_leaf_keeps_its_gradient_contiguous() -> None:
    x = leaf(np.ones((2, 3)))
    accumulate(x, array(counted(2, 3), order="F"), shared=False)
    assert x.grad is not None, "accumulate left x.grad None"
    same(x.grad, counted(2, 3), call="accumulate(x, g laid out column by column, shared=False)")
    assert x.grad.flags.c_contiguous, (
        "accumulate(x, g laid out column by column, shared=False): x.grad is not C-contiguous. "
        "Optimizers walk through parameter and gradient together; g.copy() lays out row by row"
    )


# The pass
@exercise("backward")
def check_a_value_used_twice_receives_both_gradients() -> None:
    x = leaf([3.0])
    backward(x * x)
    same(x.grad, [6], call="x = 3; (x * x).backward(); x.grad", why="d(x * x)/dx = x + x")


@exercise("backward")
def check_a_diamond_is_passed_on_only_when_complete() -> None:
    x = leaf([2.0])
    y = x * 3
    backward(y + y * 4)
    same(
        x.grad,
        [15],
        call="x = 2; y = x * 3; (y + y * 4).backward(); x.grad",
        why="y receives 1 from the sum and 4 from the product: 5 together, and then times 3",
    )


@exercise("backward")
def check_each_rule_runs_once_however_many_ways_lead_to_it() -> None:
    y = leaf([1.0])
    for _ in range(8):
        y = y + y * 2
    calls: list[Event] = []
    with listening(calls.append):
        backward(y)
    assert len(calls) == 16, (
        f"eight times y = y + y * 2; y.backward(): {len(calls)} rules ran, not 16. A record is "
        "asked once, when everything has arrived; not once for each way that leads to it"
    )


@exercise("backward")
def check_a_broadcast_operand_receives_a_gradient_of_its_own_shape() -> None:
    bias = leaf([1.0, 2.0, 3.0])
    backward(Tensor(np.ones((2, 3))) + bias, np.ones((2, 3)))
    same(
        bias.grad,
        [2, 2, 2],
        call="(ones (2, 3) + bias (3,)).backward(ones (2, 3)); bias.grad",
        why="the bias was used in both rows; unbroadcast sums over them",
    )


@exercise("backward")
def check_gradients_add_up_over_passes() -> None:
    x = leaf([3.0])
    for _ in range(2):
        backward(x * 5)
    same(
        x.grad,
        [10],
        call="twice (x * 5).backward(); x.grad",
        why="nobody cleared it between the passes: x.grad = None is the user's to say",
    )


@exercise("backward")
def check_the_pass_begins_with_the_gradient_it_is_given() -> None:
    x = leaf([1.0, 2.0])
    backward(x * 3, [1, 10])
    same(
        x.grad,
        [3, 30],
        call="(x * 3).backward([1, 10]); x.grad",
        why="the argument says how much the loss changes with each element; first_gradient has it",
    )


@exercise("backward")
def check_a_leaf_can_be_the_end_itself() -> None:
    x = leaf([1.0])
    try:
        backward(x)
    except (AssertionError, AttributeError) as error:
        raise AssertionError(
            f"x.backward() on a leaf raised {type(error).__name__}. A leaf has no record (x.node "
            "is None): what the pass begins with is its gradient already"
        ) from None
    same(x.grad, [1], call="x.backward() on a leaf; x.grad", why="dx/dx = 1, without any record")
    x, g = leaf([3.0]), array([1.0], np.float32)
    backward(x, g)
    assert x.grad is not None, "x.backward(g) on a leaf: x.grad is None"
    assert not np.shares_memory(x.grad, g), (
        "x.backward(g) on a leaf: x.grad is g itself, the caller's array; tell accumulate that "
        "it is shared"
    )


@exercise("backward")
def check_leaves_share_no_array() -> None:
    p, q, g = leaf([1.0]), leaf([1.0]), array([1.0], np.float32)
    backward(p + q, g)
    same((p.grad, q.grad), ([1], [1]), call="(p + q).backward([1]); p.grad, q.grad")
    assert p.grad is not None
    assert q.grad is not None
    for name, one, other in (("q.grad", p.grad, q.grad), ("g", p.grad, g), ("g", q.grad, g)):
        assert not np.shares_memory(one, other), (
            f"(p + q).backward(g): a gradient shares its memory with {name}, so scaling the one "
            "in place scales the other. add hands the array it got to both operands; tell "
            "accumulate that it is shared"
        )


@exercise("backward")
def check_an_array_that_a_rule_gives_twice_is_shared() -> None:
    @primitive
    def half_each(x: Array, y: Array) -> Array:
        return (x + y) / 2

    @gradient("half_each")
    def half_each_gradient(g: Array, call: Record) -> Any:
        both = g / 2
        return both, both

    p, q = leaf([1.0]), leaf([1.0])
    backward(half_each(p, q))
    assert p.grad is not None
    assert q.grad is not None
    assert not np.shares_memory(p.grad, q.grad), (
        "half_each(p, q).backward(), whose rule answers `both, both`: p.grad and q.grad are one "
        "array. An operand before was given it, so its id belongs among those that are taken"
    )


@exercise("backward")
def check_a_path_on_which_nothing_flows_is_passed_over() -> None:
    @primitive
    def blocked(x: Array) -> Array:
        return x * 1

    @gradient("blocked")
    def blocked_gradient(g: Array, call: Record) -> None:
        return None

    x = leaf([2.0])
    try:
        backward(blocked(x * 3) + x)
    except KeyError:
        raise AssertionError(
            "blocked(x * 3) + x, where the rule of `blocked` says None: nothing ever arrives for "
            "x * 3, and backward raised KeyError. Pass over a record that received nothing"
        ) from None
    same(x.grad, [1], call="(blocked(x * 3) + x).backward(); x.grad", why="only the second path")


@exercise("backward")
def check_a_record_lets_go_of_its_arrays_once_it_is_used() -> None:
    y = leaf([3.0]) * 2
    z = y * y
    backward(z)
    for name, made in (("z", z), ("y", y)):
        assert made.node
        assert made.node.operands == (), (
            f"y = x * 2; z = y * y; z.backward(): the record of {name} still holds its operands. "
            "record.release() once its rule has run, or a graph keeps all its memory"
        )


@exercise("backward")
def check_what_was_passed_on_is_let_go() -> None:
    made: list[weakref.ref[Array]] = []
    alive = 0

    @primitive
    def step(x: Array) -> Array:
        return x * 1

    @gradient("step")
    def step_gradient(g: Array, call: Record) -> Array:
        nonlocal alive
        alive = sum(array() is not None for array in made)
        dx = g * 2
        made.append(weakref.ref(dx))
        return dx

    y = leaf([1.0])
    for _ in range(10):
        y = step(y)
    backward(y)
    assert alive < 5, (
        f"ten steps in a chain; backward: at the last of them {alive} gradients of those before "
        "are still held. A record's turn comes once, so take what arrived out: arrived.pop(record)"
    )


@exercise("backward")
def check_a_retained_graph_serves_twice() -> None:
    x = leaf([3.0])
    y = x * 2
    backward(y, retain_graph=True)
    x.grad = None
    backward(y)
    same(
        x.grad,
        [2],
        call="y = x * 2; y.backward(retain_graph=True); x.grad = None; y.backward(); x.grad",
        why="with retain_graph no record is released, so a second pass finds all it needs",
    )


# The proof
@exercise("gradcheck")
def check_a_right_gradient_passes_with_true() -> None:
    got = gradcheck(mul, counted(2, 2), counted(2, 2) + 3)
    assert got is True, f"gradcheck(mul, ...) should return True; it returns {got!r}"


@exercise("gradcheck")
def check_a_wrong_element_is_named_with_its_operand() -> None:
    @primitive
    def crooked(x: Array, y: Array) -> Array:
        return x * y

    @gradient("crooked")
    def crooked_gradient(g: Array, call: Record) -> Any:
        x, y = call.arrays
        wrong = g * x
        wrong[1, 0] *= 2
        return g * y, wrong

    with raises(
        GradientError,
        r"crooked.*operand 1\b.*\(1, 0\)",
        words="crooked, operand 1 and (1, 0)",
        call="gradcheck(crooked, x, y), where dy is twice what it should be at index (1, 0)",
        why="every element of every operand is moved, and the message says which one failed",
    ):
        gradcheck(crooked, counted(2, 2), counted(2, 2))


@exercise("gradcheck")
def check_errors_that_cancel_in_a_sum_are_found() -> None:
    @primitive
    def shares(x: Array) -> Array:
        return x / x.sum()

    @gradient("shares")
    def shares_gradient(g: Array, call: Record) -> Array:
        return np.zeros_like(call.arrays[0])

    with raises(
        GradientError,
        call="gradcheck(shares, x), where shares(x) = x / x.sum() and its rule says 0",
        why="the shares always sum to 1, so the plain sum of the output has gradient 0 and the "
        "rule looks right; weigh the elements with random numbers first",
    ):
        gradcheck(shares, counted(3))


@exercise("gradcheck")
def check_the_seed_chooses_the_weights() -> None:
    seen = []

    @primitive
    def listened(x: Array) -> Array:
        return x * 1

    @gradient("listened")
    def listened_gradient(g: Array, call: Record) -> Array:
        seen.append(g.tolist())
        return g

    for seed in (1, 2, 1):
        gradcheck(listened, counted(2), seed=seed)
    if seen[0] == seen[1] == [1, 1]:
        return  # not weighted at all, which the check above is about
    assert seen[0] != seen[1], (
        f"gradcheck(f, x, seed=1) and seed=2 both weigh the output with {seen[0]}: draw the "
        "weights from np.random.default_rng(seed)"
    )
    assert seen[0] == seen[2], (
        f"gradcheck(f, x, seed=1) weighs the output with {seen[0]}, and the next time with "
        f"{seen[2]}: a check that found something must find it again"
    )


@exercise("gradcheck")
def check_differences_are_taken_on_both_sides() -> None:
    def steep(x: Tensor) -> Tensor:
        return x * x * 1000

    try:
        gradcheck(steep, array([0.0]))
    except GradientError as error:
        raise AssertionError(
            f"gradcheck(x * x * 1000 at 0) refuses a right gradient: {error}. A difference on one "
            "side is off by the curvature times epsilon; f(x + e) - f(x - e) over 2 e is not"
        ) from None


@exercise("gradcheck")
def check_large_slopes_are_compared_relative_to_their_size() -> None:
    def steep(x: Tensor) -> Tensor:
        return x * x * 1e8

    try:
        gradcheck(steep, array([1.1, 1.3, 1.7]))
    except GradientError as error:
        raise AssertionError(
            f"gradcheck(x * x * 1e8) refuses a right gradient: {error}. A slope of a hundred "
            "million has fewer digits behind the point: allow tolerance * max(1, |numeric|)"
        ) from None


@exercise("gradcheck")
def check_a_slope_of_zero_leaves_room_for_rounding() -> None:
    def level(x: Tensor) -> Tensor:
        return x * 0.1 - x * 0.3 + x * 0.2

    try:
        gradcheck(level, array([1.1, 1.3, 1.7]))
    except GradientError as error:
        raise AssertionError(
            f"gradcheck(x * 0.1 - x * 0.3 + x * 0.2) refuses a right gradient: {error}. "
            "Differences are rounded, and not quite 0 where the slope is: max(1, |numeric|), not "
            "|numeric| alone"
        ) from None


@exercise("gradcheck")
def check_a_missing_gradient_counts_as_zero() -> None:
    def forgetful(x: Tensor) -> Tensor:
        return x.detach() * 3 + Tensor([1.0], dtype=np.float64, requires_grad=True)

    with raises(
        GradientError,
        call="gradcheck(forgetful, x), where forgetful uses x.detach(), so x.grad stays None",
        why="a gradient that never came is 0, and the slope is 3",
    ):
        gradcheck(forgetful, array([2.0]))


@exercise("gradcheck")
def check_a_gradient_that_is_not_a_number_is_refused() -> None:
    @primitive
    def undefined(x: Array) -> Array:
        return x * 2

    @gradient("undefined")
    def undefined_gradient(g: Array, call: Record) -> Array:
        return g * np.nan

    with raises(
        GradientError,
        call="gradcheck(undefined, x), whose rule says nan",
        why="nan > limit is False, and so is nan <= limit: ask for what is right, not for what "
        "is wrong",
    ):
        gradcheck(undefined, array([1.0]))


@exercise("gradcheck")
def check_what_is_not_floating_point_is_left_alone() -> None:
    try:
        gradcheck(mul, array([1.0, 2.0]), array([3, 4]))
    except (AttributeError, GradientError) as error:
        raise AssertionError(
            f"gradcheck(mul, floats, integers): {error}. An operand that in_float64 did not make "
            "a tensor has no gradient to check"
        ) from None
    try:
        gradcheck(mul, array([1.0, 2.0]), Tensor([3, 4]))
    except GradientError as error:
        raise AssertionError(
            f"gradcheck(mul, floats, Tensor([3, 4])): {error}. An integer has no slope: only what "
            "requires a gradient is moved"
        ) from None


@exercise("gradcheck")
def check_each_element_is_put_back_before_the_next_one_moves() -> None:
    x, most = array([1.0, 2.0, 3.0]), 0

    def watched(y: Tensor) -> Tensor:
        nonlocal most
        most = max(most, int((y.data != x).sum()))
        return y * y

    gradcheck(watched, x)
    assert most == 1, (
        f"gradcheck(f, x) of x (3,): f was called with {most} elements of x moved at once. One is "
        "moved, up and down, and put back before the next one"
    )


# The same elements, elsewhere
@exercise("reshape_gradient")
def check_a_reshaped_gradient_comes_back_in_the_old_shape() -> None:
    z = leaf(np.ones((2, 3))).reshape(3, 2)
    same(
        ask(reshape_gradient, z, counted(3, 2)),
        (array([[1, 2, 3], [4, 5, 6]]),),
        call="z = x.reshape(3, 2) of x (2, 3): reshape_gradient([[1, 2], [3, 4], [5, 6]], z.node)",
        why="reshape moves no element, so neither does its gradient",
    )


@exercise("reshape_gradient")
def check_a_transposed_gradient_is_transposed_back() -> None:
    z = leaf(np.ones((2, 3))).mT
    same(
        ask(transpose_gradient, z, counted(3, 2)),
        (array([[1, 3, 5], [2, 4, 6]]),),
        call="z = x.mT of x (2, 3): transpose_gradient([[1, 2], [3, 4], [5, 6]], z.node)",
        why="without parameters the last two axes were swapped; swapping them again undoes it",
    )
    g = counted(2, 4, 3)
    same(
        ask(transpose_gradient, leaf(np.ones((2, 3, 4))).mT, g),
        (array([[[m[j, i] for j in range(4)] for i in range(3)] for m in g]),),
        call="z = x.mT of x (2, 3, 4): transpose_gradient(1 ... 24, z.node)",
        why="in a stack, too, it is the last two axes that were swapped: -2 and -1, not 0 and 1",
    )


@exercise("reshape_gradient")
def check_the_axes_that_were_swapped_are_swapped_back() -> None:
    z = leaf(np.ones((2, 3, 4))).transpose(0, 1)
    g = counted(3, 2, 4)
    same(
        ask(transpose_gradient, z, g),
        (array([[g[j, i] for j in range(3)] for i in range(2)]),),
        call="z = x.transpose(0, 1) of x (2, 3, 4): transpose_gradient(1 ... 24, z.node)",
        why="call.params has axis0 and axis1",
    )


@exercise("getitem_gradient")
def check_what_was_not_taken_receives_zero() -> None:
    z = leaf(np.ones((3, 3)))[1:, 0]
    same(
        ask(getitem_gradient, z, [5, 7]),
        (array([[0, 0, 0], [5, 0, 0], [7, 0, 0]]),),
        call="z = x[1:, 0] of x (3, 3): getitem_gradient([5, 7], z.node)",
        why="each gradient goes back to where its element was taken from",
    )


@exercise("getitem_gradient")
def check_an_element_taken_twice_receives_both() -> None:
    z = leaf([1.0, 2.0, 3.0])[array([0, 2, 2])]
    same(
        ask(getitem_gradient, z, [1, 10, 100]),
        ([1, 0, 110],),
        call="z = x[[0, 2, 2]] of x (3,): getitem_gradient([1, 10, 100], z.node)",
        why="x[2] was used twice, and a value used twice receives both gradients",
    )


# Reductions
@exercise("sum_gradient")
def check_a_sum_spreads_its_gradient_along_what_it_summed() -> None:
    same(
        ask(sum_gradient, leaf(np.ones((2, 3))).sum(), 5),
        (np.full((2, 3), 5.0),),
        call="z = x.sum() of x (2, 3): sum_gradient(5, z.node)",
        why="one more anywhere is one more in the sum",
    )
    same(
        ask(sum_gradient, leaf(np.ones((2, 2))).sum(axis=1), [5, 7]),
        (array([[5, 5], [7, 7]]),),
        call="z = x.sum(axis=1) of x (2, 2): sum_gradient([5, 7], z.node)",
        why="row 0 was summed into z[0]; without its axis back, g would spread along the columns",
    )
    same(
        ask(sum_gradient, sum_of(leaf(np.ones((2, 2))), axis=1), [5, 7]),
        (array([[5, 5], [7, 7]]),),
        call="z = tinytorch.sum(x, axis=1) of x (2, 2): sum_gradient([5, 7], z.node)",
        why="call.params holds what was passed, and only that: axis here, and no keepdims",
    )


@exercise("sum_gradient")
def check_an_axis_that_was_kept_is_not_added_again() -> None:
    same(
        ask(sum_gradient, leaf(np.ones((2, 3))).sum(axis=1, keepdims=True), [[5], [7]]),
        (array([[5, 5, 5], [7, 7, 7]]),),
        call="z = x.sum(axis=1, keepdims=True) of x (2, 3): sum_gradient([[5], [7]], z.node)",
        why="with keepdims g has the axis already",
    )


@exercise("sum_gradient")
def check_a_mean_divides_by_how_many_elements_it_was_taken_over() -> None:
    x = np.ones((2, 3))
    for z, g, expected, text in (
        (leaf(x).mean(), 6.0, np.full((2, 3), 1.0), "x.mean() of x (2, 3), g = 6"),
        (leaf(x).mean(axis=0), [2, 4, 6], array([[1, 2, 3]] * 2), "x.mean(axis=0), g = [2, 4, 6]"),
    ):
        same(
            ask(mean_gradient, z, g),
            (expected,),
            call=f"z = {text}: mean_gradient(g, z.node)",
            why="a mean is a sum over n, where n is x.size over z.size",
        )


@exercise("sum_gradient")
def check_a_mean_of_single_elements_or_of_none_has_a_gradient() -> None:
    same(
        ask(mean_gradient, leaf([[1.0, 2.0]]).mean(axis=0), [5, 7]),
        (array([[5, 7]]),),
        call="z = x.mean(axis=0) of x (1, 2): mean_gradient([5, 7], z.node)",
        why="the mean of one element is that element",
    )
    try:
        answer = ask(mean_gradient, leaf(np.ones((3, 0))).mean(axis=0), np.ones(0))
    except ZeroDivisionError:
        raise AssertionError(
            "z = x.mean(axis=0) of x (3, 0): mean_gradient divided by zero. There are no means to "
            "divide x.size by: use max(call.out.size, 1)"
        ) from None
    same(answer, (np.ones((3, 0)),), call="z = x.mean(axis=0) of x (3, 0): mean_gradient(g, ...)")


@exercise("max_gradient")
def check_only_the_largest_receives_a_gradient_in_each_row_where_there_is_an_axis() -> None:
    x = leaf([[1.0, 4.0], [3.0, 2.0]])
    same(
        ask(max_gradient, x.max(), 5),
        (array([[0, 5], [0, 0]]),),
        call="z = [[1, 4], [3, 2]].max(): max_gradient(5, z.node)",
        why="moving any other element a little does not move the maximum",
    )
    same(
        ask(max_gradient, x.max(axis=1), [5, 7]),
        (array([[0, 5], [7, 0]]),),
        call="z = [[1, 4], [3, 2]].max(axis=1): max_gradient([5, 7], z.node)",
        why="each row is compared with its own maximum, and weighted with its own g",
    )
    for z, g, text in (
        (leaf([[1.0, 4.0], [3.0, 2.0]]).max(axis=1, keepdims=True), [[5], [7]], "keepdims=True"),
        (max_of(leaf([[1.0, 4.0], [3.0, 2.0]]), axis=1), [5, 7], "no keepdims passed"),
    ):
        same(
            ask(max_gradient, z, g),
            (array([[0, 5], [7, 0]]),),
            call=f"z = maximum of [[1, 4], [3, 2]] over axis 1, {text}: max_gradient(g, z.node)",
            why="restore_axes wants to know whether the axis is there still; not passed is False",
        )


@exercise("max_gradient")
def check_ties_share_evenly() -> None:
    same(
        ask(max_gradient, leaf([3.0, 1.0, 3.0]).max(), 6),
        ([3, 0, 3],),
        call="z = [3, 1, 3].max(): max_gradient(6, z.node)",
        why="two elements are largest; PyTorch's max() and amax() give each half",
    )
    same(
        ask(max_gradient, leaf([[3.0, 3.0], [1.0, 2.0]]).max(axis=1), [6, 8]),
        (array([[3, 3], [0, 8]]),),
        call="z = [[3, 3], [1, 2]].max(axis=1): max_gradient([6, 8], z.node)",
        why="row 0 has two winners, row 1 has one; without its axis the count of a row would "
        "divide a column",
    )


# The matrix product
def unbroadcast_by_hand(g: Any, ndim: int) -> Any:
    """Sum the axes in front that a rule may leave to `unbroadcast`."""
    return g.sum(axis=tuple(range(np.ndim(g) - ndim)))


def passed_over(z: Tensor, g: Any) -> tuple[Any, ...]:
    """What matmul_gradient answers where a vector needs no gradient."""
    try:
        return ask(matmul_gradient, z, g)
    except AttributeError as error:
        raise AssertionError(
            f"z = x @ y, where the vector needs no gradient: {error}. None has no axis to take away"
        ) from None


@exercise("matmul_gradient")
def check_matrices_and_stacks_of_them_have_two_products_as_gradients() -> None:
    x, y, g = counted(2, 2), counted(2, 2) + 4, array([[1.0, 10.0], [100.0, 1000.0]])
    same(
        ask(matmul_gradient, leaf(x) @ leaf(y), g),
        (np.einsum("nm,km->nk", g, y), np.einsum("nm,nk->km", g, x)),
        call="z = x @ y with x = [[1, 2], [3, 4]], y = [[5, 6], [7, 8]]: "
        "matmul_gradient([[1, 10], [100, 1000]], z.node)",
        why="x[n, k] meets y[k, m] in z[n, m], for every m: dx[n, k] = sum over m of g y",
    )
    x, y, g = counted(2, 3, 4), counted(2, 4, 5), counted(2, 3, 5)
    same(
        ask(matmul_gradient, leaf(x) @ leaf(y), g),
        (np.einsum("bnm,bkm->bnk", g, y), np.einsum("bnm,bnk->bkm", g, x)),
        call="z = x (2, 3, 4) @ y (2, 4, 5): matmul_gradient(g (2, 3, 5), z.node)",
        why="the axes in front of the last two only count matrices; .T would turn them as well",
    )


@exercise("matmul_gradient")
def check_a_vector_on_the_right_counts_as_a_column() -> None:
    x, y, g = counted(2, 3), counted(3), counted(2)
    same(
        ask(matmul_gradient, leaf(x) @ leaf(y), g),
        (np.einsum("n,k->nk", g, y), np.einsum("n,nk->k", g, x)),
        call="z = x (2, 3) @ y (3,): matmul_gradient(g (2,), z.node)",
        why="give y and g the axis of size 1 that NumPy gave y, and take it from dy again",
    )
    x, y, g = counted(2, 3, 4), counted(4), counted(2, 3)
    dx, dy = ask(matmul_gradient, leaf(x) @ leaf(y), g)
    dy = unbroadcast_by_hand(dy, 1)
    same(
        (dx, dy),
        (np.einsum("bn,k->bnk", g, y), np.einsum("bn,bnk->k", g, x)),
        call="z = x (2, 3, 4) @ y (4,): matmul_gradient(g (2, 3), z.node)",
        why="the axis that NumPy gave y, and dropped from z, is the last one, however many there "
        "are: -1, not 1",
    )
    x, y, g = counted(2, 3), counted(3), counted(2)
    same(
        passed_over(leaf(x) @ Tensor(y), g)[0],
        np.einsum("n,k->nk", g, y),
        call="z = x (2, 3) @ y (3,), where y is data: matmul_gradient(g (2,), z.node)[0]",
        why="dy is None then: there is no axis to take away from it",
    )


@exercise("matmul_gradient")
def check_a_vector_on_the_left_counts_as_a_row() -> None:
    x, y, g = counted(2), counted(2, 3), counted(3)
    same(
        ask(matmul_gradient, leaf(x) @ leaf(y), g),
        (np.einsum("m,km->k", g, y), np.einsum("m,k->km", g, x)),
        call="z = x (2,) @ y (2, 3): matmul_gradient(g (3,), z.node)",
        why="give x and g the axis of size 1 that NumPy gave x, and take it from dx again",
    )
    same(
        passed_over(Tensor(x) @ leaf(y), g)[1],
        np.einsum("m,k->km", g, x),
        call="z = x (2,) @ y (2, 3), where x is data: matmul_gradient(g (3,), z.node)[1]",
        why="dx is None then: there is no axis to take away from it",
    )
    x, y, g = counted(4), counted(2, 4, 5), counted(2, 5)
    call = "z = x (4,) @ y (2, 4, 5): matmul_gradient(g (2, 5), z.node)"
    why = (
        "the axis that NumPy dropped from z is the last but one, however many there are: -2, not 0"
    )
    try:
        dx, dy = ask(matmul_gradient, leaf(x) @ leaf(y), g)
    except ValueError as error:
        raise AssertionError(f"{call}: {error}\nwhy: {why}") from None
    same(
        (unbroadcast_by_hand(dx, 1), dy),
        (np.einsum("bm,bkm->k", g, y), np.einsum("bm,k->bkm", g, x)),
        call=call,
        why=why,
    )


@exercise("matmul_gradient")
def check_two_vectors_make_one_number() -> None:
    same(
        ask(matmul_gradient, leaf([1.0, 2.0]) @ leaf([3.0, 4.0]), 10),
        ([30, 40], [10, 20]),
        call="z = [1, 2] @ [3, 4]: matmul_gradient(10, z.node)",
        why="z = x0 y0 + x1 y1: each receives the other, times g",
    )


@exercise("matmul_gradient")
def check_a_matrix_that_needs_no_gradient_costs_no_product() -> None:
    for z, position in (
        (Tensor(counted(2, 2)) @ leaf(counted(2, 2)), 0),
        (leaf(counted(2, 2)) @ Tensor(counted(2, 2)), 1),
    ):
        answer = ask(matmul_gradient, z, counted(2, 2))
        assert answer[position] is None, (
            f"z = x @ y, where operand {position} needs no gradient: the rule computed one. "
            "For the first layer of a network, whose input is data, that is a third of the work"
        )


@exercise("linear_gradient")
def check_weight_and_bias_receive_the_sum_over_all_rows() -> None:
    weight, bias = counted(2, 4), np.zeros(4)
    for x, g in (
        (counted(3, 2), counted(3, 4)),
        (counted(2, 3, 2), counted(2, 3, 4)),
    ):
        rows = tuple(range(x.ndim - 1))
        answer = ask(linear_gradient, linear(leaf(x), leaf(weight), leaf(bias)), g)
        if np.shape(answer[-1]) == g.shape:  # left to unbroadcast, which is right too
            answer = (*answer[:-1], answer[-1].sum(axis=rows))
        same(
            answer,
            (
                np.tensordot(g, weight, axes=(-1, 1)),
                np.tensordot(x, g, axes=(rows, rows)),
                g.sum(axis=rows),
            ),
            call=f"z = linear(x {x.shape}, weight (2, 4), bias (4,)): "
            f"linear_gradient(g {g.shape}, z.node)",
            why="z is x @ weight + bias for each row, and every axis before the last counts rows",
        )


@exercise("linear_gradient")
def check_no_bias_and_no_wanted_input_gradient_are_none() -> None:
    z = linear(Tensor(counted(3, 2)), leaf(counted(2, 4)), None)
    dx, dweight, dbias = ask(linear_gradient, z, counted(3, 4))
    assert dx is None, "linear(x, weight, None), x is data: call.needs[0] is False, so dx is None"
    assert dbias is None, "linear(x, weight, None): there is no bias, so its gradient is None"
    same(dweight, counted(3, 2).T @ counted(3, 4), call="linear(x, weight, None): dweight")
    z = linear(leaf(counted(3, 2)), Tensor(counted(2, 4)), None)
    _, dweight, _ = ask(linear_gradient, z, counted(3, 4))
    assert dweight is None, "linear(x, weight, None), weight is frozen: call.needs[1] is False"


# Activations
@exercise("relu_gradient")
def check_relu_passes_g_where_x_is_positive_only() -> None:
    same(
        ask(relu_gradient, relu(leaf([-2.0, 0.0, 0.5])), [1, 10, 100]),
        ([0, 0, 100],),
        call="z = relu([-2, 0, 0.5]): relu_gradient([1, 10, 100], z.node)",
        why="the slope is 0 below 0 and 1 above; at 0 itself it is taken to be 0, as in PyTorch",
    )


@exercise("relu_gradient")
def check_the_slope_of_sigmoid_is_p_times_one_minus_p() -> None:
    same(
        ask(sigmoid_gradient, sigmoid(leaf([0.0, np.log(3.0)])), [1, 16]),
        ([1 / 4, 16 * 3 / 16],),
        call="z = sigmoid([0, log 3]) = [1/2, 3/4]: sigmoid_gradient([1, 16], z.node)",
        why="p = 1 / (1 + exp(-x)) has slope p (1 - p): 1/2 * 1/2 and 3/4 * 1/4",
    )


@exercise("relu_gradient")
def check_the_slope_of_tanh_is_one_minus_its_square() -> None:
    same(
        ask(tanh_gradient, tanh(leaf([0.0, np.log(3.0)])), [1, 25]),
        ([1, 25 * 9 / 25],),
        call="z = tanh([0, log 3]) = [0, 4/5]: tanh_gradient([1, 25], z.node)",
        why="the slope is 1 - tanh(x)**2: 1 and 9/25",
    )


def jacobian_of_softmax(x: Any) -> Array:
    """The slopes of each softmax(x)[i] with each x[j], as a full matrix: p_i (i == j) - p_i p_j."""
    p = np.exp(x) / np.exp(x).sum()
    return np.diag(p) - np.outer(p, p)


@exercise("softmax_gradient")
def check_every_softmax_output_depends_on_every_input_along_its_axis() -> None:
    x, g = array([0.0, 1.0, 2.0]), array([1.0, 10.0, 100.0])
    same(
        ask(softmax_gradient, softmax(leaf(x)), g),
        (g @ jacobian_of_softmax(x),),
        call="z = softmax([0, 1, 2]): softmax_gradient([1, 10, 100], z.node)",
        why="dz_i/dx_j is p_i (1 - p_i) where i = j, and -p_i p_j elsewhere; all rows count",
    )
    x, g = counted(2, 2) / 3, array([[1.0, 10.0], [100.0, 1000.0]])
    same(
        ask(softmax_gradient, softmax(leaf(x)), g),
        (np.stack([row @ jacobian_of_softmax(at) for row, at in zip(g, x, strict=True)]),),
        call="z = softmax(x (2, 2)): softmax_gradient([[1, 10], [100, 1000]], z.node)",
        why="the sum over a row stays with the row, by keepdims=True; a square hides the mistake",
    )
    x, g = counted(2, 3) / 3, counted(2, 3)
    same(
        ask(softmax_gradient, softmax(leaf(x), axis=0), g),
        (np.stack([g[:, j] @ jacobian_of_softmax(x[:, j]) for j in range(3)], axis=1),),
        call="z = softmax(x (2, 3), axis=0): softmax_gradient(g, z.node)",
        why="call.params says the axis, -1 where it does not",
    )


@exercise("softmax_gradient")
def check_log_softmax_takes_p_times_the_sum_of_g_along_its_axis() -> None:
    x, g = array([0.0, 1.0, 2.0]), array([1.0, 10.0, 100.0])
    p = np.exp(x) / np.exp(x).sum()
    same(
        ask(log_softmax_gradient, log_softmax(leaf(x)), g),
        (g @ (np.eye(3) - p),),
        call="z = log_softmax([0, 1, 2]): log_softmax_gradient([1, 10, 100], z.node)",
        why="dz_i/dx_j is (1 where i = j, else 0) - p_j, and every z_i contributes; call.out is "
        "log p, so p is np.exp(call.out)",
    )
    x, g = counted(2, 2) / 3, array([[1.0, 10.0], [100.0, 1000.0]])
    shares = [np.exp(row) / np.exp(row).sum() for row in x]
    same(
        ask(log_softmax_gradient, log_softmax(leaf(x)), g),
        (np.stack([row - share * row.sum() for row, share in zip(g, shares, strict=True)]),),
        call="z = log_softmax(x (2, 2)): log_softmax_gradient([[1, 10], [100, 1000]], z.node)",
        why="the sum over a row stays with the row, by keepdims=True; a square hides the mistake",
    )
    x, g = counted(2, 3) / 3, counted(2, 3)
    p = np.exp(x) / np.exp(x).sum(axis=0)
    same(
        ask(log_softmax_gradient, log_softmax(leaf(x), axis=0), g),
        (np.stack([g[:, j] @ (np.eye(2) - p[:, j]) for j in range(3)], axis=1),),
        call="z = log_softmax(x (2, 3), axis=0): log_softmax_gradient(g, z.node)",
        why="call.params says the axis, -1 where it does not",
    )


# Losses
@exercise("mse_loss_gradient")
def check_the_squared_error_divides_by_the_number_of_elements() -> None:
    loss = mse_loss(leaf([[1.0, 2.0], [3.0, 4.0]]), Tensor([[0.0, 4.0], [3.0, 0.0]]))
    (dprediction, _) = ask(mse_loss_gradient, loss, 1)
    same(
        dprediction,
        array([[0.5, -1], [0, 2]]),
        call="mse_loss([[1, 2], [3, 4]], [[0, 4], [3, 0]]): mse_loss_gradient(1, loss.node)[0]",
        why="2 (prediction - target) over 4, the number of elements, not of rows",
    )


@exercise("mse_loss_gradient")
def check_a_squared_error_that_was_not_averaged_is_not_divided() -> None:
    loss = mse_loss(leaf([1.0, 2.0]), Tensor([0.0, 4.0]), reduction="none")
    (dprediction, _) = ask(mse_loss_gradient, loss, [1, 10])
    same(
        dprediction,
        [2, -40],
        call='mse_loss([1, 2], [0, 4], reduction="none"): mse_loss_gradient([1, 10], loss.node)[0]',
        why="share_of_each divides for the mean only",
    )


@exercise("mse_loss_gradient")
def check_a_target_that_wants_a_gradient_receives_the_opposite() -> None:
    loss = mse_loss(leaf([1.0, 2.0]), leaf([0.0, 4.0]))
    same(
        ask(mse_loss_gradient, loss, 1),
        ([1, -2], [-1, 2]),
        call="mse_loss([1, 2], [0, 4]), both requiring gradients: mse_loss_gradient(1, loss.node)",
        why="only the difference counts, so moving the target up is moving the prediction down",
    )
    prediction, target = [1.0, 2.0], [0.0, 4.0]
    _, dtarget = ask(mse_loss_gradient, mse_loss(Tensor(prediction), leaf(target)), 1)
    call = "mse_loss(prediction, target), where {}: mse_loss_gradient(1, loss.node)[1]"
    why = "call.needs[1] is about the target, whatever the prediction needs"
    same(dtarget, [-1, 2], call=call.format("only the target requires a gradient"), why=why)
    _, dtarget = ask(mse_loss_gradient, mse_loss(leaf(prediction), Tensor(target)), 1)
    same(dtarget, None, call=call.format("the target requires none"), why=why)


def p_minus_one_hot(logits: Any, targets: Sequence[int]) -> Array:
    """softmax(logits) by rows, less 1 at each target."""
    p = np.exp(np.asarray(logits, np.float64))
    p /= p.sum(axis=1, keepdims=True)
    for row, target in enumerate(targets):
        p[row, target] -= 1
    return p


LOGITS = [[0.0, 1.0, 2.0], [1.0, 3.0, 0.0]]


@exercise("cross_entropy_gradient")
def check_each_example_receives_p_minus_one_hot_times_its_share_of_g() -> None:
    expected = p_minus_one_hot(LOGITS, [2, 0])
    same(
        ask(cross_entropy_gradient, cross_entropy(leaf(LOGITS), Tensor([2, 0])), 1)[0],
        expected / 2,
        call=f"cross_entropy({LOGITS}, [2, 0]): cross_entropy_gradient(1, loss.node)[0]",
        why="softmax(logits) - one_hot(target), over 2 examples",
    )
    loss = cross_entropy(leaf(LOGITS), Tensor([2, 0]), reduction="none")
    same(
        ask(cross_entropy_gradient, loss, [1, 10])[0],
        expected * [[1], [10]],
        call=f'cross_entropy({LOGITS}, [2, 0], reduction="none"): '
        "cross_entropy_gradient([1, 10], loss.node)[0]",
        why="g has one number for each example; it needs an axis for the classes, axis 1",
    )


@exercise("cross_entropy_gradient")
def check_large_logits_do_not_overflow() -> None:
    loss = cross_entropy(leaf([[1000.0, 0.0]]), Tensor([1]))
    same(
        ask(cross_entropy_gradient, loss, 1)[0],
        array([[1, -1]]),
        call="cross_entropy([[1000, 0]], [1]): cross_entropy_gradient(1, loss.node)[0]",
        why="exp(1000) is infinite; log_softmax.definition subtracts the largest logit first",
    )


@exercise("cross_entropy_gradient")
def check_the_classes_are_axis_one_whatever_comes_after() -> None:
    x = counted(1, 2, 3) / 3
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    p[0, [0, 1, 1], [0, 1, 2]] -= 1
    same(
        ask(cross_entropy_gradient, cross_entropy(leaf(x), Tensor([[0, 1, 1]])), 1)[0],
        p / 3,
        call="cross_entropy(logits (1, 2, 3), [[0, 1, 1]]): cross_entropy_gradient(1, loss.node)",
        why="logits (N, C, L) hold N * L examples: the softmax is over axis 1, the mean over 3",
    )
    x, g = counted(1, 2, 2) / 3, array([[1.0, 10.0]])
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    p[0, [0, 1], [0, 1]] -= 1
    loss = cross_entropy(leaf(x), Tensor([[0, 1]]), reduction="none")
    same(
        ask(cross_entropy_gradient, loss, g)[0],
        np.stack([p[:, c] * g for c in range(2)], axis=1),
        call='cross_entropy(logits (1, 2, 2), [[0, 1]], reduction="none"): '
        "cross_entropy_gradient([[1, 10]], loss.node)[0]",
        why="g (N, L) lacks the axis of the classes, which is axis 1 and not the last one",
    )


@exercise("cross_entropy_gradient")
def check_targets_may_be_smoothed_or_be_probabilities() -> None:
    wanted = array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]])
    loss = cross_entropy(leaf(LOGITS), leaf(wanted), label_smoothing=0.3)
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    same(
        ask(cross_entropy_gradient, loss, 1),
        ((p - (wanted * 0.7 + 0.1)) / 2, -np.log(p) * 0.7 / 2),
        call=f"cross_entropy({LOGITS}, probabilities, label_smoothing=0.3): "
        "cross_entropy_gradient(1, loss.node)",
        why="target_probabilities says what was wanted of each class; and a target that wants a "
        "gradient receives -log p, times the 0.7 that smoothing left of it",
    )


@exercise("cross_entropy_gradient")
def check_logits_and_targets_are_asked_for_apart() -> None:
    wanted = array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]])
    loss = cross_entropy(Tensor(LOGITS), leaf(wanted))
    log_p = np.log(np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True))
    call = "cross_entropy(logits, targets), where {}: cross_entropy_gradient(1, loss.node)[1]"
    why = "call.needs[1] is about the targets, whatever the logits need"
    found = ask(cross_entropy_gradient, loss, 1)[1]
    same(found, -log_p / 2, call=call.format("only the targets require a gradient"), why=why)
    found = ask(cross_entropy_gradient, cross_entropy(leaf(LOGITS), Tensor([2, 0])), 1)[1]
    same(found, None, call=call.format("the targets are class indices"), why=why)
