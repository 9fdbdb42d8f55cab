"""The checks of lesson 01. Facts come from arithmetic done by hand, and from what NumPy defines.

Every check but those of `array_of` works on arrays, so that no exercise waits for another.
"""

import math
from typing import Any

import numpy as np

from tinytorch.core.context import listening
from tinytorch.core.errors import ShapeError
from tinytorch.core.tensor import (
    add,
    array_of,
    broadcast_shapes,
    contiguous_strides,
    div,
    exp,
    getitem,
    log,
    matmul,
    max,
    mean,
    mul,
    neg,
    pow,
    reshape,
    sub,
    sum,
    transpose,
)
from tinytorch.course.checking import exercise, raises, same

OF_TWO: tuple[Any, ...] = sub, mul, div, pow
OF_ONE: tuple[Any, ...] = neg, exp, log


def floats(values: Any) -> Any:
    return np.array(values, np.float32)


def counted(*shape: int) -> Any:
    """0, 1, 2, ... in this shape, row by row."""
    return np.arange(math.prod(shape), dtype=np.float32).reshape(shape)


def one_call(operation: Any, *operands: Any, call: str, **params: Any) -> None:
    """Fail unless whoever listens hears a call of the operation, and of no other."""
    heard: list[str] = []
    with listening(lambda event: heard.append(event.record.primitive.name)):
        operation(*operands, **params)
    name = operation.__name__
    assert heard, f"{call} did not go through the door: is the line @primitive above {name} gone?"
    assert heard == [name], (
        f"{call} was heard as {', then '.join(heard)}: inside a definition an operation of this "
        f"file counts as a call of its own, and rounds float64. Write {name} with NumPy alone"
    )


# What a tensor holds
@exercise("array_of")
def check_a_number_has_no_axis_and_lists_of_lists_have_two() -> None:
    expected = np.array([[1, 2, 3], [4, 5, 6]])
    same(array_of([[1, 2, 3], [4, 5, 6]]), expected, call="array_of([[1, 2, 3], [4, 5, 6]])")
    same(array_of(7), np.array(7), call="array_of(7)", why="a number has the shape (), not (1,)")


@exercise("array_of")
def check_float64_becomes_float32_where_no_dtype_is_given() -> None:
    for data, call in ((0.5, "0.5"), (np.zeros(2), "an array of float64")):
        got = array_of(data).dtype
        assert got == np.float32, f"array_of({call}): expected float32, got {got}"


@exercise("array_of")
def check_a_dtype_that_is_asked_for_is_kept() -> None:
    for dtype in (np.float64, np.int8):
        got = array_of([1.0, 2.0], dtype).dtype
        assert got == dtype, f"array_of([1.0, 2.0], np.{dtype.__name__}): got {got}"


@exercise("array_of")
def check_integers_booleans_and_float16_keep_their_type() -> None:
    for dtype in (np.int64, np.uint8, np.bool_, np.float16):
        got = array_of(np.ones(2, dtype)).dtype
        assert got == dtype, f"array_of(an array of {dtype.__name__}): got {got}"


@exercise("array_of")
def check_the_array_is_a_copy() -> None:
    data = floats([1, 2])
    got = array_of(data)
    data[0] = 99
    call = "a = np.array([1, 2]); t = array_of(a); a[0] = 99"
    same(got, [1.0, 2.0], call=call, why="whoever made the array may change it")


@exercise("array_of")
def check_the_elements_lie_row_by_row_in_memory() -> None:
    why = "the next row of two is 8 bytes on; unless told, NumPy keeps the order of what it copies"
    for dtype in (None, np.float32):
        got = array_of(counted(2, 3).T, dtype)
        call = f"array_of(a transposed array of float32, shape (3, 2); dtype {dtype}).strides"
        same(got.strides, (8, 4), call=call, why=why)


@exercise("array_of")
def check_what_is_no_number_is_refused_with_a_TypeError() -> None:  # noqa: N802
    for data in ("text", ["1", "2"], [None, 1], [1j]):
        with raises(TypeError, call=f"array_of({data!r})", why="a tensor holds numbers"):
            array_of(data)
    why = "a tensor holds numbers; with a dtype NumPy would make 1.0 of the text, without a word"
    with raises(TypeError, call='array_of(["1", "2"], np.float32)', why=why):
        array_of(["1", "2"], np.float32)
    with raises(TypeError, call="array_of([1, 2], object)", why="objects are no numbers"):
        array_of([1, 2], object)


# Arithmetic
@exercise("add")
def check_a_call_of_add_is_one_operation() -> None:
    one_call(add, floats([1, 2]), floats([3, 4]), call="add([1, 2], [3, 4])")


@exercise("add")
def check_an_operand_of_add_may_be_a_plain_number() -> None:
    same(add(floats([1, 2]), 10.0), [11.0, 12.0], call="add([1, 2], 10.0)")
    same(add(10.0, floats([1, 2])), [11.0, 12.0], call="add(10.0, [1, 2])", why="10.0 is no array")


@exercise("add")
def check_a_row_is_added_to_every_row() -> None:
    got = add(floats([[1, 2, 3], [4, 5, 6]]), floats([10, 20, 30]))
    expected = floats([[11, 22, 33], [14, 25, 36]])
    same(got, expected, call="add([[1, 2, 3], [4, 5, 6]], [10, 20, 30])")


@exercise("add")
def check_the_operands_of_add_stay_as_they_are() -> None:
    x, y = floats([1, 2]), floats([10, 20])
    add(x, y)
    same(x, [1.0, 2.0], call="x after add(x, y)", why="an operation makes a new array")
    same(y, [10.0, 20.0], call="y after add(x, y)", why="an operation makes a new array")


@exercise("add")
def check_integers_added_stay_integers() -> None:
    got = add(np.array([1, 2]), np.array([2**53, 3]))
    assert got.dtype == np.int64, f"add of two int64: expected int64, got {got.dtype}"
    same(got, np.array([2**53 + 1, 5]), call="add([1, 2], [2**53, 3])", rtol=0, atol=0)


@exercise("sub")
def check_a_call_of_sub_mul_div_or_pow_is_one_operation() -> None:
    for operation in OF_TWO:
        call = f"{operation.__name__}([1, 2], [3, 4])"
        one_call(operation, floats([1, 2]), floats([3, 4]), call=call)


@exercise("sub")
def check_sub_takes_the_second_from_the_first() -> None:
    same(sub(floats([5, 7]), floats([1, 10])), [4.0, -3.0], call="sub([5, 7], [1, 10])")


@exercise("sub")
def check_mul_pairs_elements_and_adds_nothing_up() -> None:
    x = floats([[1, 2], [3, 4]])
    why = "* pairs elements; the matrix product is another operation, matmul"
    same(mul(x, x), floats([[1, 4], [9, 16]]), call="mul(x, x), x [[1, 2], [3, 4]]", why=why)


@exercise("sub")
def check_div_of_integers_gives_fractions() -> None:
    got = div(np.array([7, -7]), np.array([2, 2]))
    same(got, [3.5, -3.5], call="div([7, -7], [2, 2])")


@exercise("sub")
def check_a_division_by_zero_is_infinite_or_no_number() -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        got = div(floats([1, -1, 0]), floats([0, 0, 0]))
    why = "IEEE 754: 1/0 is inf, -1/0 is -inf, 0/0 is nan; a fault that shows is the better one"
    same(got, [math.inf, -math.inf, math.nan], call="div([1, -1, 0], [0, 0, 0])", why=why)


@exercise("sub")
def check_pow_raises_the_first_to_the_second() -> None:
    same(pow(floats([2, 3]), floats([3, 2])), [8.0, 9.0], call="pow([2, 3], [3, 2])")
    same(pow(2.0, floats([3, 0.5])), [8, 2**0.5], call="pow(2.0, [3, 0.5])")


@exercise("sub")
def check_an_operand_of_sub_mul_div_and_pow_may_be_a_plain_number() -> None:
    x, why = floats([1, 2]), "10.0 is no array, and goes with every element"
    for operation in OF_TWO:
        name = operation.__name__
        same(np.shape(operation(x, 10.0)), (2,), call=f"{name}([1, 2], 10.0).shape", why=why)
        same(np.shape(operation(10.0, x)), (2,), call=f"{name}(10.0, [1, 2]).shape", why=why)


@exercise("sub")
def check_sub_mul_div_and_pow_pair_a_row_with_every_row() -> None:
    x, row = np.ones((4, 3), np.float32), np.ones(3, np.float32)
    for operation in OF_TWO:
        call = f"{operation.__name__}(ones of shape (4, 3), ones of shape (3,)).shape"
        why = "the row meets each of the 4 rows"
        same(np.shape(operation(x, row)), (4, 3), call=call, why=why)


@exercise("sub")
def check_the_operands_of_sub_mul_div_and_pow_stay_as_they_are() -> None:
    for operation in OF_TWO:
        x, y = floats([1, 2]), floats([10, 20])
        operation(x, y)
        after = f"after {operation.__name__}(x, y)"
        same(x, [1.0, 2.0], call=f"x {after}", why="an operation makes a new array")
        same(y, [10.0, 20.0], call=f"y {after}", why="an operation makes a new array")


@exercise("sub")
def check_integers_stay_integers_but_in_div() -> None:
    cases: list[Any] = [
        (sub, 2**53 + 1, 2**53 + 1, 0),
        (mul, 3, 3002399751580331, 2**53 + 1),
        (pow, 15, 15, 15**15),
    ]
    for operation, x, y, expected in cases:
        got = operation(np.array([x]), np.array([y]))
        call = f"{operation.__name__}([{x}], [{y}]), of int64"
        assert got.dtype == np.int64, f"{call}: expected int64, got {got.dtype}"
        found = got.tolist()
        assert found == [expected], f"{call}: expected [{expected}], got {found}: was it a float?"


@exercise("neg")
def check_a_call_of_neg_exp_or_log_is_one_operation() -> None:
    for operation in OF_ONE:
        one_call(operation, floats([1, 2]), call=f"{operation.__name__}([1, 2])")


@exercise("neg")
def check_neg_turns_every_sign() -> None:
    same(neg(floats([1, -2, 0])), [-1.0, 2, 0], call="neg([1, -2, 0])")


@exercise("neg")
def check_neg_of_an_integer_is_an_integer() -> None:
    got = neg(np.array([2**53 + 1]))
    assert got.dtype == np.int64, f"neg of int64: expected int64, got {got.dtype}"
    assert got.tolist() == [-(2**53) - 1], f"neg([{2**53 + 1}]): got {got.tolist()}"


@exercise("neg")
def check_the_operand_of_neg_exp_and_log_may_be_a_plain_number() -> None:
    for operation in OF_ONE:
        call = f"{operation.__name__}(2.0).shape"
        same(np.shape(operation(2.0)), (), call=call, why="2.0 is no array, and has no axis")


@exercise("neg")
def check_neg_exp_and_log_keep_every_axis() -> None:
    why = "element by element, whatever the shape"
    for operation in OF_ONE:
        call = f"{operation.__name__}(ones of shape (2, 3)).shape"
        same(np.shape(operation(np.ones((2, 3), np.float32))), (2, 3), call=call, why=why)


@exercise("neg")
def check_the_operand_of_neg_exp_and_log_stays_as_it_is() -> None:
    for operation in OF_ONE:
        x = floats([1, 2])
        operation(x)
        call = f"x after {operation.__name__}(x)"
        same(x, [1.0, 2.0], call=call, why="an operation makes a new array")


@exercise("neg")
def check_exp_has_all_the_digits_of_e() -> None:
    why = "e is 2.718281828..., and a rounded one is wrong by far more than float32 is"
    same(exp(floats([0, 1, -1])), [1, math.e, 1 / math.e], call="exp([0, 1, -1])", why=why)
    why = "what a rounded e lacks is there 80 times: 2.71828 is not enough"
    same(exp(floats([80])), [math.exp(80)], call="exp([80])", why=why)


@exercise("neg")
def check_log_undoes_exp() -> None:
    same(log(floats([1, math.e, 10])), [0, 1, math.log(10)], call="log([1, e, 10])")


@exercise("neg")
def check_the_log_of_zero_is_minus_infinity() -> None:
    with np.errstate(divide="ignore"):
        got = log(floats([0]))
    why = "no power of e is 0. Losses guard against it where they must (04), not the logarithm"
    same(got, [-math.inf], call="log([0])", why=why)


# Broadcasting
@exercise("broadcast_shapes")
def check_both_shapes_may_be_stretched_at_once() -> None:
    for shapes, why in (
        (((4, 3), (4, 3)), "equal sizes stay, each at its place"),
        (((4, 1), (4, 3)), "a 1 takes the other's size"),
        (((4, 1), (1, 3)), "a 1 takes the other's size, in either shape"),
    ):
        call = f"broadcast_shapes({shapes[0]}, {shapes[1]})"
        same(broadcast_shapes(*shapes), (4, 3), call=call, why=why)


@exercise("broadcast_shapes")
def check_shapes_are_aligned_at_their_right_ends() -> None:
    for shapes in (((4, 3), (3,)), ((3,), (4, 3)), ((4, 3), ())):
        call = f"broadcast_shapes({shapes[0]}, {shapes[1]})"
        same(broadcast_shapes(*shapes), (4, 3), call=call, why="axes that are missing count as 1")


@exercise("broadcast_shapes")
def check_one_stretches_to_zero_too() -> None:
    call = "broadcast_shapes((0, 3), (1, 3))"
    why = "no rows plus one row are no rows: a 1 takes the other's size, also where that is 0"
    same(broadcast_shapes((0, 3), (1, 3)), (0, 3), call=call, why=why)


@exercise("broadcast_shapes")
def check_where_all_sizes_are_one_it_stays_one() -> None:
    call = "broadcast_shapes((1, 3), (1, 1))"
    why = "one row and one row are one row: nothing asks for more"
    same(broadcast_shapes((1, 3), (1, 1)), (1, 3), call=call, why=why)


@exercise("broadcast_shapes")
def check_any_number_of_shapes_will_do() -> None:
    why = "alone, it stays as it is"
    same(broadcast_shapes((2, 3)), (2, 3), call="broadcast_shapes((2, 3))", why=why)
    got = broadcast_shapes((5, 1, 3), (5, 4, 3), (1, 4, 1))
    same(got, (5, 4, 3), call="broadcast_shapes((5, 1, 3), (5, 4, 3), (1, 4, 1))")
    same(broadcast_shapes(), (), call="broadcast_shapes()", why="() is the shape of a number")
    assert isinstance(got, tuple), f"a shape is a tuple; broadcast_shapes returned {got!r}"


@exercise("broadcast_shapes")
def check_sizes_that_differ_are_refused_also_multiples_and_zero() -> None:
    why = "only equal sizes, or 1, go together. Raise it here: broadcast_error calls this again"
    for shapes in (((3,), (4,)), ((2, 3), (4, 3)), ((0, 3), (2, 3)), ((2, 1), (3, 1), (1, 1))):
        call = f"broadcast_shapes{shapes}"
        with raises(ShapeError, call=call, why=why):
            broadcast_shapes(*shapes)


@exercise("broadcast_shapes")
def check_the_refusal_names_the_shapes_the_axis_from_the_right_and_its_sizes() -> None:
    call = "broadcast_shapes((4, 3, 2), (4, 5, 2))"
    why = "whoever reads it wants to know where to look"
    for part, words in (
        (r"\(4, 3, 2\).*\(4, 5, 2\)", "the shapes, (4, 3, 2) and (4, 5, 2)"),
        (r"axis -2\b", "axis -2"),
        (r"\b(3\D+5|5\D+3)\b", "the sizes there, 3 and 5, one after the other"),
    ):
        with raises(ShapeError, part, words=words, call=call, why=why):
            broadcast_shapes((4, 3, 2), (4, 5, 2))


# The matrix product
@exercise("matmul")
def check_a_call_of_matmul_is_one_operation() -> None:
    one_call(matmul, counted(2, 2), counted(2, 2), call="matmul of shapes (2, 2) and (2, 2)")


@exercise("matmul")
def check_the_last_two_axes_are_multiplied_and_those_before_are_a_batch() -> None:
    x, y = floats([[1, 2], [3, 4]]), floats([[5, 6], [7, 8]])
    expected = floats([[19, 22], [43, 50]])
    call = "matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]])"
    same(matmul(x, y), expected, call=call, why="row times column: 1*5 + 2*7 = 19")
    why = "the first matrix meets the first, the second meets the second"
    call = "matmul of shapes (2, 2, 2) and (2, 2, 2)"
    got = matmul(np.stack([x, 10 * x]), np.stack([y, y]))
    same(got, np.stack([expected, 10 * expected]), call=call, why=why)


@exercise("matmul")
def check_the_axes_before_the_last_two_broadcast() -> None:
    call = "matmul of ones, shapes (4, 1, 3, 3) and (5, 3, 3)"
    got = matmul(np.ones((4, 1, 3, 3), np.float32), np.ones((5, 3, 3), np.float32))
    same(got, np.full((4, 5, 3, 3), 3.0), call=call, why="(4, 1) and (5,) broadcast to (4, 5)")
    call = "matmul of ones, shapes (5, 3, 3) and (3, 3)"
    got = matmul(np.ones((5, 3, 3), np.float32), np.ones((3, 3), np.float32))
    same(got, np.full((5, 3, 3), 3.0), call=call, why="each of the 5 meets the same matrix")


@exercise("matmul")
def check_a_vector_is_a_row_on_the_left_and_a_column_on_the_right() -> None:
    x, v, w = floats([[1, 2, 3], [4, 5, 6]]), floats([1, 0, -1]), floats([1, 10])
    why = "the axis that the vector was lent goes again"
    same(matmul(x, v), [-2.0, -2], call="matmul([[1, 2, 3], [4, 5, 6]], [1, 0, -1])", why=why)
    same(matmul(w, x), [41.0, 52, 63], call="matmul([1, 10], [[1, 2, 3], [4, 5, 6]])", why=why)
    same(matmul(v, v), np.array(2.0), call="matmul([1, 0, -1], [1, 0, -1])", why=why)
    got = matmul(v, np.ones((4, 3, 2), np.float32))
    same(got, np.zeros((4, 2)), call="matmul of shapes (3,) and (4, 3, 2)", why=why)


@exercise("matmul")
def check_inner_sizes_that_differ_are_refused_with_both_shapes_and_nothing_is_transposed() -> None:
    for a, b in (((2, 3), (4, 5)), ((2, 3), (2, 3)), ((3,), (2,)), ((5, 2, 3), (5, 4, 3))):
        x, y = np.ones(a, np.float32), np.ones(b, np.float32)
        part = rf"\({', '.join(map(str, a))},?\).*\({', '.join(map(str, b))},?\)"
        why = "the inner sizes differ, and to guess what was meant would hide a mistake"
        words, call = f"both shapes, {a} and {b}", f"matmul of shapes {a} and {b}"
        with raises(ShapeError, part, words=words, call=call, why=why):
            matmul(x, y)


@exercise("matmul")
def check_the_refusal_names_the_two_inner_sizes() -> None:
    call = "matmul of shapes (5, 2, 3) and (5, 4, 6)"
    words, why = "the inner sizes, 3 and 4, one after the other", "they are what to mend"
    with raises(ShapeError, r"\b(3\D+4|4\D+3)\b", words=words, call=call, why=why):
        matmul(np.ones((5, 2, 3), np.float32), np.ones((5, 4, 6), np.float32))


@exercise("matmul")
def check_a_number_is_refused_and_the_fix_is_named() -> None:
    why = "a number has no axis to sum over: the message should offer *"
    for x, y in ((floats([1, 2]), 3.0), (3.0, floats([1, 2]))):
        with raises(ShapeError, r"\*", words="*", call=f"matmul({x}, {y})", why=why):
            matmul(x, y)


@exercise("matmul")
def check_batches_that_differ_are_refused_with_their_own_sizes() -> None:
    call = "matmul of shapes (2, 3, 4) and (5, 4, 6)"
    why = "3, 4 and 4, 6 fit; it is the axes before them, 2 and 5, that do not broadcast"
    words = "their sizes, 2 and 5, one after the other"
    with raises(ShapeError, r"\b2\D+5\b", words=words, call=call, why=why):
        matmul(np.ones((2, 3, 4), np.float32), np.ones((5, 4, 6), np.float32))


# Reductions
@exercise("sum")
def check_a_call_of_sum_is_one_operation() -> None:
    one_call(sum, counted(2, 3), axis=0, call="sum(x, axis=0)")


@exercise("sum")
def check_without_an_axis_everything_is_added() -> None:
    got = sum(floats([[1, 2, 3], [4, 5, 6]]))
    same(got, np.array(21.0), call="sum([[1, 2, 3], [4, 5, 6]])", why="shape (): no axis is left")


@exercise("sum")
def check_the_axis_that_is_named_disappears() -> None:
    x = floats([[1, 2, 3], [4, 5, 6]])
    call = "sum([[1, 2, 3], [4, 5, 6]], axis={})"
    same(sum(x, axis=0), [5.0, 7, 9], call=call.format(0), why="(2, 3) -> (3,): 1 + 4 = 5")
    same(sum(x, axis=1), [6.0, 15], call=call.format(1), why="(2, 3) -> (2,): 1 + 2 + 3 = 6")
    why = "negative axes count from the end: -3 is 0 here"
    got = sum(np.ones((2, 3, 4), np.float32), axis=-3)
    same(got, np.full((3, 4), 2.0), call="sum(ones (2, 3, 4), axis=-3)", why=why)


@exercise("sum")
def check_several_axes_are_summed_at_once() -> None:
    for axes in ((0, 2), (2, 0), (-1, 0)):
        got = sum(np.ones((2, 3, 4), np.float32), axis=axes)
        same(got, np.full(3, 8.0), call=f"sum(ones (2, 3, 4), axis={axes})", why="2 * 4 are added")


@exercise("sum")
def check_keepdims_leaves_an_axis_of_size_one() -> None:
    got = sum(floats([1, 2]), axis=0, keepdims=True)
    same(got, [3.0], call="sum([1, 2], axis=0, keepdims=True)", why="(2,) -> (1,)")
    call = "sum(ones (2, 3, 4), axis=(0, 2), keepdims=True)"
    got = sum(np.ones((2, 3, 4), np.float32), axis=(0, 2), keepdims=True)
    same(got, np.full((1, 3, 1), 8.0), call=call, why="(2, 3, 4) -> (1, 3, 1)")


@exercise("sum")
def check_the_sum_of_nothing_is_zero() -> None:
    call = "sum(an array of shape (0, 3), axis=0)"
    got = sum(np.ones((0, 3), np.float32), axis=0)
    same(got, np.zeros(3), call=call, why="adding begins at 0")


@exercise("sum")
def check_small_integers_and_booleans_are_counted_without_overflow() -> None:
    got = sum(np.full(3, 100, np.int8))
    same(got, np.array(300), call="sum([100, 100, 100] as int8)", why="int8 ends at 127")
    assert got.dtype.kind == "i", f"sum of int8: expected an integer, got {got.dtype}"
    why = "True counts as 1: so one counts right answers"
    same(sum(np.array([True, True, False])), np.array(2), call="sum([True, True, False])", why=why)


@exercise("sum")
def check_a_million_small_numbers_are_added_without_drift() -> None:
    why = "added one by one in float32, each step rounds, and the errors pile up"
    got = sum(np.full(1_000_000, 0.1, np.float32))
    same(got, np.array(100_000.0), call="sum(a million times 0.1, float32)", why=why, rtol=1e-6)


@exercise("sum")
def check_a_sum_with_a_nan_is_nan() -> None:
    why = "nobody knows the sum; a nan that is left out makes a number up"
    same(sum(floats([1, math.nan, 3])), np.array(math.nan), call="sum([1, nan, 3])", why=why)


@exercise("mean")
def check_a_call_of_mean_is_one_operation() -> None:
    one_call(mean, counted(2, 3), axis=0, call="mean(x, axis=0)")


@exercise("mean")
def check_a_mean_divides_by_what_was_added_up() -> None:
    x = floats([[1, 2, 6], [5, 6, 13]])
    call = "mean([[1, 2, 6], [5, 6, 13]], axis={})"
    same(mean(x, axis=0), [3.0, 4, 9.5], call=call.format(0), why="(1 + 5) / 2 = 3")
    same(mean(x, axis=-1), [3.0, 8], call=call.format(-1), why="(1 + 2 + 6) / 3 = 3")


@exercise("mean")
def check_a_mean_is_taken_over_all_axes_or_several() -> None:
    x = counted(2, 3, 4)
    same(mean(x), np.array(11.5), call="mean(0 ... 23)", why="(0 + 23) / 2")
    got = mean(x, axis=(0, 2))
    same(got, [7.5, 11.5, 15.5], call="mean(0 ... 23 of shape (2, 3, 4), axis=(0, 2))")


@exercise("mean")
def check_the_mean_of_integers_is_a_fraction() -> None:
    got = mean(np.array([1, 2]))
    same(got, np.array(1.5), call="mean([1, 2] as int64)")
    assert got.dtype == np.float32, f"mean of int64: expected float32, got {got.dtype}"


@exercise("mean")
def check_a_mean_keeps_its_axes_where_asked() -> None:
    got = mean(floats([[1, 3], [5, 7]]), axis=1, keepdims=True)
    same(got, floats([[2], [6]]), call="mean([[1, 3], [5, 7]], axis=1, keepdims=True)")


@exercise("mean")
def check_a_mean_with_a_nan_is_nan() -> None:
    why = "nobody knows the mean; a nan that is left out makes a number up"
    same(mean(floats([1, math.nan, 3])), np.array(math.nan), call="mean([1, nan, 3])", why=why)


@exercise("max")
def check_a_call_of_max_is_one_operation() -> None:
    one_call(max, counted(2, 3), axis=0, call="max(x, axis=0)")


@exercise("max")
def check_the_largest_may_be_negative() -> None:
    x = floats([[-5, -2], [-3, -9]])
    same(max(x), np.array(-2.0), call="max([[-5, -2], [-3, -9]])")
    same(max(x, axis=1), [-2.0, -3], call="max([[-5, -2], [-3, -9]], axis=1)")


@exercise("max")
def check_the_largest_keeps_its_axes_where_asked() -> None:
    call = "max(0 ... 23 of shape (2, 3, 4), axis=(0, -1), keepdims=True)"
    got = max(counted(2, 3, 4), axis=(0, -1), keepdims=True)
    same(got, floats([[[15], [19], [23]]]), call=call, why="(2, 3, 4) -> (1, 3, 1)")


@exercise("max")
def check_a_nan_among_the_numbers_shows() -> None:
    why = "whoever compares with nan gets no answer; a nan that vanishes is found much later"
    got = max(floats([1, math.nan, 3]))
    same(got, np.array(math.nan), call="max([1, nan, 3])", why=why)


@exercise("max")
def check_nothing_has_no_largest_element() -> None:
    call = "max(an array of shape (0,))"
    with raises(ValueError, call=call, why="any answer would be invented"):
        max(np.zeros(0, np.float32))


# The same elements, elsewhere
@exercise("contiguous_strides")
def check_the_last_axis_steps_by_one_element_and_each_other_by_all_behind_it() -> None:
    for shape, itemsize, expected in (
        ((5,), 4, (4,)),
        ((2, 3), 4, (12, 4)),
        ((2, 3, 4), 8, (96, 32, 8)),
    ):
        call = f"contiguous_strides({shape}, {itemsize})"
        got = contiguous_strides(shape, itemsize)
        same(got, expected, call=call, why="in bytes, from one element to the next along each axis")
        assert isinstance(got, tuple), f"{call}: strides are a tuple; got {got!r}"


@exercise("contiguous_strides")
def check_a_number_has_no_strides() -> None:
    same(contiguous_strides((), 4), (), call="contiguous_strides((), 4)", why="one stride per axis")


@exercise("reshape")
def check_a_call_of_reshape_is_one_operation() -> None:
    one_call(reshape, counted(2, 3), shape=(3, 2), call="reshape(x, shape=(3, 2))")


@exercise("reshape")
def check_the_order_is_that_of_the_rows_one_sees() -> None:
    got = reshape(counted(2, 3), shape=(3, 2))
    same(
        got, floats([[0, 1], [2, 3], [4, 5]]), call="reshape([[0, 1, 2], [3, 4, 5]], shape=(3, 2))"
    )
    why = "its rows are [0, 3], [1, 4], [2, 5], however they lie in memory"
    got = reshape(counted(2, 3).T, shape=(6,))
    same(got, [0.0, 3, 1, 4, 2, 5], call="reshape([[0, 1, 2], [3, 4, 5]].T, shape=(6,))", why=why)


@exercise("reshape")
def check_one_size_may_be_left_to_be_found_out() -> None:
    for shape, expected in (((-1,), (6,)), ((3, -1), (3, 2)), ((2, -1, 1), (2, 3, 1))):
        got = reshape(counted(2, 3), shape=shape)
        same(got.shape, expected, call=f"reshape(shape (2, 3), shape={shape}).shape")


@exercise("reshape")
def check_a_reshape_shares_the_memory() -> None:
    x = counted(2, 3)
    first_row = x[0]
    got = reshape(x, shape=(6,))
    first_row[0] = 99
    why = "the elements lie in the right order already: copying them would be wasted"
    same(got, [99.0, 1, 2, 3, 4, 5], call="y = reshape(x, shape=(6,)); x[0, 0] = 99; y", why=why)


@exercise("reshape")
def check_the_operand_keeps_its_own_shape() -> None:
    x = counted(2, 3)
    reshape(x, shape=(3, 2))
    same(x.shape, (2, 3), call="x.shape after reshape(x, shape=(3, 2))", why="others still use x")


@exercise("reshape")
def check_a_shape_that_does_not_fit_is_refused_with_count_and_shape() -> None:
    for shape, part in (((4, 2), r"6.*\(4, 2\)"), ((4, -1), r"6.*\(4, -1\)"), ((5,), r"6.*\(5,\)")):
        call = f"reshape(shape (2, 3), shape={shape})"
        words, why = f"6 and {shape}", "elements are neither dropped nor invented"
        with raises(ShapeError, part, words=words, call=call, why=why):
            reshape(counted(2, 3), shape=shape)


@exercise("transpose")
def check_a_call_of_transpose_is_one_operation() -> None:
    one_call(transpose, counted(2, 3), call="transpose(x)")


@exercise("transpose")
def check_the_last_two_axes_are_swapped_where_none_is_named() -> None:
    got = transpose(counted(2, 3))
    same(got, floats([[0, 3], [1, 4], [2, 5]]), call="transpose([[0, 1, 2], [3, 4, 5]])")
    got = transpose(counted(2, 1, 3))
    expected = floats([[[0], [1], [2]], [[3], [4], [5]]])
    same(got, expected, call="transpose([[[0, 1, 2]], [[3, 4, 5]]])", why="(2, 1, 3) -> (2, 3, 1)")


@exercise("transpose")
def check_the_two_axes_that_are_named_change_places_and_the_others_stay() -> None:
    for a, b, expected in ((0, 2, (4, 3, 2)), (-1, 0, (4, 3, 2)), (0, 1, (3, 2, 4))):
        got = transpose(counted(2, 3, 4), axis0=a, axis1=b)
        same(got.shape, expected, call=f"transpose(shape (2, 3, 4), axis0={a}, axis1={b}).shape")


@exercise("transpose")
def check_a_transpose_swaps_strides_and_moves_no_element() -> None:
    x = counted(2, 3)
    got = transpose(x)
    same(got.data.strides, (4, 12), call="transpose(x).strides", why="x has strides (12, 4)")
    assert np.shares_memory(got.data, x), "transpose(x) should look at x's memory, not at a copy"


@exercise("getitem")
def check_a_call_of_getitem_is_one_operation() -> None:
    one_call(getitem, counted(2, 3), index=0, call="getitem(x, index=0)")


@exercise("getitem")
def check_integers_pick_also_from_the_end() -> None:
    x = counted(2, 3)
    same(getitem(x, index=-1), [3.0, 4, 5], call="getitem([[0, 1, 2], [3, 4, 5]], index=-1)")
    same(getitem(x, index=(0, 2)), np.array(2.0), call="getitem(..., index=(0, 2))", why="shape ()")


@exercise("getitem")
def check_each_part_of_a_tuple_is_for_an_axis_of_its_own() -> None:
    why = "x[:, 1] is a column; x[:][1] would be a row"
    got = getitem(counted(2, 3), index=(slice(None), 1))
    same(got, [1.0, 4], call="getitem([[0, 1, 2], [3, 4, 5]], index=(:, 1))", why=why)


@exercise("getitem")
def check_a_slice_is_a_view() -> None:
    x = counted(3, 2)
    got = getitem(x, index=slice(1, None))
    x[1, 0] = 99
    expected = floats([[99, 3], [4, 5]])
    same(got, expected, call="y = x[1:]; x[1, 0] = 99; y", why="no element is copied")


@exercise("getitem")
def check_arrays_of_indices_and_masks_gather() -> None:
    x = counted(3, 2)
    call = "getitem([[0, 1], [2, 3], [4, 5]], index={})"
    got = getitem(x, index=np.array([2, 0]))
    same(got, floats([[4, 5], [0, 1]]), call=call.format("array([2, 0])"), why="rows 2 and 0")
    same(getitem(x, index=x > 2), [3.0, 4, 5], call=call.format("a mask of what is above 2"))
