"""Module 01: the tensor as an object. Its operations are in test_operations.py."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.context import no_grad
from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.tensor import Tensor, broadcast_shapes, contiguous_strides


def test_a_tensor_holds_float32_unless_told_otherwise_and_keeps_integers_and_booleans():
    assert Tensor([1.0]).dtype == np.float32
    assert Tensor(np.zeros(2)).dtype == np.float32
    assert Tensor(np.zeros(2), dtype=np.float64).dtype == np.float64
    assert Tensor([1, 2]).dtype == np.int64
    assert Tensor([True]).dtype == np.bool_
    assert Tensor(np.zeros(2, np.int8)).dtype == np.int8
    assert Tensor(np.zeros(2, np.float16)).dtype == np.float16


def test_a_tensor_owns_its_data():
    array = np.zeros(2, np.float32)
    x = Tensor(array)
    array[0] = 1
    assert x.data[0] == 0


def test_what_is_no_array_of_numbers_is_refused():
    for wrong in ("text", [None], [1j], {"a": 1}):
        with pytest.raises(TypeError, match="a tensor holds numbers"):
            Tensor(wrong)
    with pytest.raises(TypeError, match="a tensor holds numbers, not object"):
        Tensor([1], dtype=object)


@pytest.mark.parametrize("text", [["1", "2"], "text", ["a"], [None]])
def test_text_is_refused_also_where_a_dtype_could_convert_it(text):
    with pytest.raises(TypeError, match="a tensor holds numbers"):
        Tensor(text, dtype=np.float32)


def test_rows_of_different_lengths_are_refused_in_our_words():
    words = r"the rows of \[\[1\], \[2, 3\]\] have different lengths"
    for dtype in (None, np.float64):
        with pytest.raises(ShapeError, match=words):
            Tensor([[1], [2, 3]], dtype)


def test_what_does_not_fit_the_dtype_is_refused_and_not_wrapped_around():
    with pytest.raises(OverflowError):
        Tensor([300], dtype=np.uint8)


def test_another_error_of_the_data_is_shown_as_it_is():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise ValueError("half of the file is missing")

    with pytest.raises(ValueError, match="half of the file is missing"):
        Tensor(Broken())


def test_only_floating_point_can_require_a_gradient():
    with pytest.raises(GradientError, match="a tensor of int64 can have no gradient"):
        Tensor([1], requires_grad=True)
    with pytest.raises(GradientError, match="int64"):
        Tensor([1]).requires_grad = True


def test_it_tells_its_shape_size_type_and_bytes():
    x = Tensor(np.zeros((2, 3)))
    assert (x.shape, x.ndim, x.size, x.dtype, x.nbytes, len(x)) == ((2, 3), 2, 6, "float32", 24, 2)


def test_repr_shows_numbers_what_is_unusual_and_whether_it_learns():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(Tensor([1], dtype=np.int8)) == "Tensor([1], dtype=int8)"
    assert repr(Tensor(1.5, requires_grad=True)) == "Tensor(1.5, requires_grad=True)"
    assert repr(Tensor(np.zeros((0, 3)))) == "Tensor([], dtype=float32)"
    assert repr(Tensor([[1, 2], [3, 4]])) == "Tensor([[1, 2],\n        [3, 4]])"
    assert "..." in repr(Tensor(np.zeros(201)))
    assert "..." not in repr(Tensor(np.zeros(200)))


def test_a_single_element_becomes_a_number_and_others_say_why_not():
    assert float(Tensor([2.5])) == 2.5
    assert int(Tensor(3)) == 3
    assert Tensor([[7]]).item() == 7
    assert [10, 20, 30][Tensor(1)] == [10, 20, 30][Tensor([1], dtype=np.uint8)] == 20
    assert bool(Tensor([[2.0]]))
    assert not Tensor(0)
    with pytest.raises(ValueError, match=r"a single element; the shape is \(2,\)"):
        Tensor([1, 2]).item()
    with pytest.raises(ValueError, match=r"use .any\(\) or .all\(\)"):
        bool(Tensor([1, 2]))
    for wrong in (Tensor(1.0), Tensor([1, 2]), Tensor(True)):
        with pytest.raises(TypeError, match="only a single integer is an index, not Tensor"):
            [10, 20, 30][wrong]
    with pytest.raises(TypeError, match="has no length"):
        len(Tensor(1))


def test_iterating_walks_along_the_first_axis_with_gradients():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = x
    (first * second).sum().backward()
    np.testing.assert_array_equal(x.grad, [[3, 4], [1, 2]])


def test_tensors_are_hashed_by_identity_though_compared_by_element():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert len({x, y}) == 2
    assert (x == y).tolist() == [True]


def test_arrays_leave_binary_operations_to_the_tensor_on_either_side():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = np.array([10.0, 20.0]) * x
    assert isinstance(y, Tensor)
    (2 - y / np.float64(4)).sum().backward()
    np.testing.assert_array_equal(x.grad, [-2.5, -5])


def test_numpy_reads_a_tensor_unless_a_gradient_would_be_lost():
    x = Tensor([1.0])
    assert np.asarray(x).tolist() == [1]
    assert np.shares_memory(np.asarray(x), x.data)
    assert not np.shares_memory(np.array(x), x.data)
    assert np.asarray(x, np.float64).dtype == np.float64
    assert x.__array__(np.float64).dtype == np.float64  # what else reads the protocol
    with pytest.raises(GradientError, match=r"detach\(\).numpy\(\)"):
        np.asarray(Tensor([1.0], requires_grad=True))


def test_setting_data_keeps_float32_and_counts_changes_in_place():
    x = Tensor([1.0])
    x.data = np.array([2.0])
    assert x.dtype == np.float32
    x.data = np.array([2.0], np.float16)
    assert x.dtype == np.float16
    wide = Tensor([1.0], dtype=np.float64)
    wide.data = np.array([2.0])
    assert wide.dtype == np.float64
    x = Tensor([2.0])
    before = x._version
    x.data += 1
    assert x._version == before + 1
    assert x.item() == 3


def test_parameters_are_contiguous_whatever_they_are_made_of():
    x = Tensor(np.ones((2, 3)).T, requires_grad=True)
    assert x.data.flags.c_contiguous
    x.data = np.ones((2, 3), np.float32).T
    assert x.data.flags.c_contiguous


@pytest.mark.parametrize("dtype", [None, np.float64, np.float32])
def test_the_elements_lie_row_by_row_whatever_the_order_of_the_data(dtype):
    assert Tensor(np.zeros((2, 3)).T, dtype=dtype).data.flags.c_contiguous


def test_transposed_needs_a_matrix():
    assert Tensor(np.zeros((2, 3))).T.shape == (3, 2)
    assert Tensor(np.zeros((4, 2, 3))).mT.shape == (4, 3, 2)
    with pytest.raises(ShapeError, match=r"T is for matrices; for shape \(2, 3, 4\) use mT"):
        Tensor(np.zeros((2, 3, 4))).T  # noqa: B018


def test_contiguous_is_what_numpy_calls_so_for_every_view():
    x = Tensor(np.zeros((2, 1, 3, 4), np.float32))
    assert x.strides == (48, 48, 16, 4)
    views = [x, x.mT, x[:, :, 1:], x[:1, :, 1:2], x[..., ::2], x[:0], x.transpose(0, 1), x[0, 0, 1]]
    for view in views:
        assert view.is_contiguous() == view.data.flags.c_contiguous, view.strides
    assert [view.is_contiguous() for view in views].count(True) == 5


@given(st.lists(st.integers(0, 4), max_size=4), st.sampled_from([1, 2, 4, 8]))
def test_contiguous_strides_are_those_of_a_new_array(shape, itemsize):
    shape = tuple(n + 1 for n in shape)
    assert contiguous_strides(shape, itemsize) == np.empty(shape, f"V{itemsize}").strides


@given(st.lists(st.lists(st.integers(0, 3), max_size=4).map(tuple), max_size=3))
def test_broadcast_shapes_agrees_with_numpy_and_names_the_axis_where_numpy_refuses(shapes):
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ShapeError, match=r"do not broadcast: axis -\d has sizes \d and \d"):
            broadcast_shapes(*shapes)
    else:
        assert broadcast_shapes(*shapes) == expected


def test_shapes_that_do_not_broadcast_are_explained_from_the_right():
    with pytest.raises(ShapeError, match=r"add: shapes \(4, 3\) and \(4,\).*axis -1 .*3 and 4"):
        Tensor(np.ones((4, 3))) + Tensor(np.ones(4))
    message = r"matmul: \(2, 3, 4\) @ \(5, 4, 6\): before .*\(2,\) and \(5,\).*axis -1 .*2 and 5"
    with pytest.raises(ShapeError, match=message):
        Tensor(np.ones((2, 3, 4))) @ Tensor(np.ones((5, 4, 6)))


def test_shapes_are_given_as_numbers_or_as_a_tuple():
    x = Tensor(np.arange(6.0))
    assert x.reshape(2, 3).shape == x.reshape((2, 3)).shape == x.reshape(2, -1).shape == (2, 3)
    with pytest.raises(ShapeError, match=r"6 elements of shape \(6,\) do not fit shape \(4, 2\)"):
        x.reshape(4, 2)


def test_an_index_may_be_a_tensor_and_an_element_can_be_set():
    x = Tensor([10.0, 20.0, 30.0])
    assert x[Tensor([2, 0])].tolist() == [30, 10]
    assert x[x > 15].tolist() == [20, 30]
    x[0] = Tensor(5.0)
    assert x.tolist() == [5, 20, 30]
    x[1:] = Tensor([6.0, 7.0])
    assert x.tolist() == [5, 6, 7]


def test_an_element_is_not_set_to_a_value_whose_gradient_would_be_lost():
    x = Tensor([10.0, 20.0])
    with pytest.raises(GradientError, match="this tensor requires a gradient"):
        x[0] = Tensor(5.0, requires_grad=True)
    with pytest.raises(GradientError, match="this tensor requires a gradient"):
        x[:] = Tensor([5.0, 6.0], requires_grad=True) * 2
    assert x.tolist() == [10, 20]


def test_a_new_tensor_has_no_gradient_and_no_history():
    x = Tensor([1.0], requires_grad=True)
    assert (x.grad, x.node, x.place) == (None, None, None)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "matmul"])
def test_an_operator_takes_a_tensor_on_either_side(name):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(1, 2, (2, 3, 3)).astype(np.float32)
    function = getattr(operator, name)
    pairs = [(Tensor(x), Tensor(y)), (Tensor(x), y), (x, Tensor(y))]
    if name != "matmul":
        x = y = np.float32(2)
        pairs += [(Tensor(2.0), 2), (2, Tensor(2.0))]
    for left, right in pairs:
        result = function(left, right)
        assert isinstance(result, Tensor)
        numbers = [t.data if isinstance(t, Tensor) else t for t in (left, right)]
        np.testing.assert_allclose(result.data, function(*numbers), rtol=1e-6)


@pytest.mark.parametrize("keepdims", [None, False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_a_reduction_is_a_method_too(name, axis, keepdims):
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    kept = {} if keepdims is None else {"keepdims": keepdims}
    expected = getattr(np, name)(x, axis=axis, **kept)
    np.testing.assert_allclose(getattr(Tensor(x), name)(axis, **kept).data, expected, rtol=1e-5)


def test_functions_of_one_operand_are_methods_too():
    x = Tensor([[0.5, 1.0, 2.0]])
    np.testing.assert_allclose(x.exp().data, np.exp(x.data), rtol=1e-6)
    np.testing.assert_allclose(x.log().data, np.log(x.data), rtol=1e-6)
    np.testing.assert_array_equal((-x).data, -x.data)
    y = Tensor(np.zeros((2, 3, 4)))
    assert y.transpose(0, 1).shape == (3, 2, 4)
    assert y.transpose(0, 2).shape == (4, 3, 2)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0, 2)])
def test_a_tensor_without_elements_lies_row_by_row_whatever_its_strides(shape):
    assert Tensor(np.zeros(shape)).transpose(0, -1).is_contiguous()


def test_two_changes_in_place_of_different_kinds_do_not_look_like_none():
    w, x = Tensor([1.0], requires_grad=True), Tensor([1.0])
    y = w * x
    x.data += 1
    x[0] = 5.0
    with pytest.raises(GradientError, match="changed in place"):
        y.backward()


def test_unsigned_integers_are_numbers_and_index():
    x = Tensor([10.0, 20.0, 30.0])
    last = Tensor([2], dtype=np.uint8)
    assert last.dtype == np.uint8
    assert x[last].tolist() == [30]
    assert Tensor(np.arange(6.0).reshape(2, 3))[Tensor([1, 0]), last].tolist() == [5, 2]


def test_a_record_of_indexing_holds_arrays_not_tensors():
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    rows, columns = Tensor([1, 0]), Tensor([2, 2])
    assert type(x[rows].node.params["index"]) is np.ndarray
    assert [type(i) for i in x[rows, columns].node.params["index"]] == [np.ndarray] * 2
    x = x.detach()
    x[rows, columns] = 1
    assert x.tolist() == [[0, 0, 1], [0, 0, 1]]


def test_a_matrix_product_with_a_number_is_refused():
    for left, right in [((), (2, 2)), ((2, 2), ()), ((), ())]:
        with pytest.raises(ShapeError, match=r"a number needs \* instead"):
            Tensor(np.ones(left)) @ Tensor(np.ones(right))


def test_a_format_shows_a_single_element_and_no_format_any_tensor():
    assert f"{Tensor(2.345):.2f}" == "2.35"
    assert f"{Tensor([1, 2])}" == "Tensor([1, 2])"
    with pytest.raises(ValueError, match="single element"):
        f"{Tensor([1, 2]):.2f}"


def test_names_of_pytorch_are_told_what_they_are_called_here():
    with pytest.raises(AttributeError, match=r"no attribute 'view'; here that is x.reshape"):
        Tensor([1.0]).view(1)
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'"):
        Tensor([1.0]).nothing  # noqa: B018
    assert not hasattr(Tensor([1.0]), "unsqueeze")


def test_a_parameter_is_changed_in_place_without_gradients_and_refused_with_them():
    w = Tensor([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    same, array = w, w.data
    with no_grad():
        w -= 0.5 * w.grad
        w += 1
        w *= 2
        w /= 4
    assert w is same
    assert w.data is array
    assert w.tolist() == [0.5, 0.5]
    assert w.requires_grad
    with pytest.raises(GradientError, match=r"inside no_grad\(\)"):
        w += 1


def test_in_place_arithmetic_between_the_passes_is_noticed():
    w = Tensor([1.0], requires_grad=True)
    y = w * w
    with no_grad():
        w += 1
    with pytest.raises(GradientError, match="changed in place"):
        y.backward()


def test_in_place_arithmetic_on_other_tensors_makes_a_new_one_that_gradients_flow_through():
    x = Tensor([1.0], requires_grad=True)
    total = before = x * 2
    total += x
    assert total is not before
    total.backward()
    assert x.grad == [3]
