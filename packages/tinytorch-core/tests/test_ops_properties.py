"""Properties that hold for any shapes and indices: drawn by hypothesis, checked with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core import ops
from tinytorch.core.autograd import unbroadcast
from tinytorch.core.errors import ShapeError
from tinytorch.core.tensor import Tensor

pytestmark = pytest.mark.once

# the same examples every time, and nothing left behind in the folder that tests run in
repeatable = settings(max_examples=60, deadline=None, derandomize=True, database=None)

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
FILLED = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)
PAIRS = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3)


def drawn(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """A leaf of float64, so that sums in another order agree."""
    return ops.randn(shape, rng=np.random.default_rng(seed), dtype=np.float64, requires_grad=True)


def gradient_of(leaf: Tensor) -> Any:
    assert leaf.grad is not None
    return leaf.grad


def summed(g: Any, shape: tuple[int, ...]) -> Any:
    """What `unbroadcast` does, element by element: each gradient goes to where its operand was."""
    places = np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), g.shape)
    return np.bincount(places.ravel(), g.ravel(), minlength=int(np.prod(shape))).reshape(shape)


@repeatable
@given(PAIRS)
def test_unbroadcast_adds_up_what_broadcasting_repeated(pair: Any) -> None:
    g = np.random.default_rng(0).standard_normal(pair.result_shape)
    for shape in pair.input_shapes:
        found = unbroadcast(g, shape)
        assert found.shape == shape
        np.testing.assert_allclose(found, summed(g, shape), atol=1e-12)


@repeatable
@given(SHAPES, SHAPES)
def test_unbroadcast_refuses_shapes_that_cannot_come_from_broadcasting(
    result: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    try:
        fits = np.broadcast_shapes(result, shape) == result
    except ValueError:
        fits = False
    assume(not fits)
    with pytest.raises(ShapeError):
        unbroadcast(np.ones(result), shape)


@repeatable
@given(PAIRS)
def test_a_product_passes_the_other_operand_back_to_each(pair: Any) -> None:
    x, y = drawn(pair.input_shapes[0], 1), drawn(pair.input_shapes[1], 2)
    out = x * y + x
    g = np.random.default_rng(3).standard_normal(pair.result_shape)
    out.backward(g)
    assert out.shape == pair.result_shape
    np.testing.assert_allclose(gradient_of(x), summed(g * (y.data + 1), x.shape), atol=1e-12)
    np.testing.assert_allclose(
        gradient_of(y), summed(g * np.broadcast_to(x.data, g.shape), y.shape), atol=1e-12
    )


@repeatable
@given(SHAPES, st.randoms(use_true_random=False))
def test_a_permutation_and_its_inverse_cancel(shape: tuple[int, ...], random: Any) -> None:
    axes = list(range(len(shape)))
    random.shuffle(axes)
    x = drawn(shape)
    there = ops.permute(x, axes=tuple(axes))
    back = ops.permute(there, axes=tuple(int(a) for a in np.argsort(axes)))
    g = np.random.default_rng(1).standard_normal(shape)
    back.backward(g)
    np.testing.assert_array_equal(back.data, x.data)
    np.testing.assert_array_equal(gradient_of(x), g)


@repeatable
@given(FILLED, st.data())
def test_reshaping_there_and_back_changes_nothing(shape: tuple[int, ...], data: Any) -> None:
    x = drawn(shape)
    axis = data.draw(st.integers(0, len(shape) - 1))
    other = (*shape[:axis], -1)  # all axes from `axis` on become one
    back = x.reshape(other).reshape(shape)
    g = np.random.default_rng(1).standard_normal(shape)
    back.backward(g)
    np.testing.assert_array_equal(back.data, x.data)
    np.testing.assert_array_equal(gradient_of(x), g)


@repeatable
@given(FILLED, st.data())
def test_what_was_split_can_be_concatenated_again(shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, shape[axis]), max_size=3)))
    x = drawn(shape)
    parts = ops.split(x, sections=cuts, axis=axis)
    whole = ops.concatenate(list(parts), axis=axis)
    g = np.random.default_rng(1).standard_normal(shape)
    whole.backward(g)
    assert len(list(parts)) == len(cuts) + 1
    np.testing.assert_array_equal(whole.data, x.data)
    np.testing.assert_array_equal(gradient_of(x), g)


@repeatable
@given(FILLED, st.data())
def test_parts_that_were_not_used_get_no_gradient(shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    cut = data.draw(st.integers(0, shape[axis]))
    x = drawn(shape)
    _, rest = ops.split(x, sections=[cut], axis=axis)
    rest.sum().backward()
    wanted = np.ones(shape)
    wanted[(slice(None),) * axis + (slice(0, cut),)] = 0
    np.testing.assert_array_equal(gradient_of(x), wanted)


@repeatable
@given(FILLED, st.data())
def test_indexing_picks_and_scatters_as_numpy_does(shape: tuple[int, ...], data: Any) -> None:
    index = data.draw(
        st.one_of(
            hnp.basic_indices(shape, allow_newaxis=True),
            hnp.integer_array_indices(shape),
            hnp.arrays(np.bool_, shape),
        )
    )
    x = drawn(shape)
    picked = x[index]
    g = np.random.default_rng(1).standard_normal(picked.shape)
    picked.backward(g)
    np.testing.assert_array_equal(picked.data, x.data[index])
    places = np.arange(x.size).reshape(shape)[index]  # where each picked element came from
    wanted = np.bincount(np.ravel(places), g.ravel(), minlength=x.size).reshape(shape)
    np.testing.assert_allclose(gradient_of(x), wanted, atol=1e-12)


@repeatable
@given(FILLED, st.data())
def test_tensors_can_index_tensors(shape: tuple[int, ...], data: Any) -> None:
    index = data.draw(hnp.integer_array_indices(shape))
    x = drawn(shape)
    tensors = tuple(Tensor(i) for i in index)
    np.testing.assert_array_equal(x[tensors].data, x.data[index])


@repeatable
@given(FILLED, st.data())
def test_gathering_scatters_back_to_where_each_element_came_from(
    shape: tuple[int, ...], data: Any
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    count = data.draw(st.integers(0, 5))  # along the axis; the other sizes are those of x
    sizes = tuple(count if a == axis % len(shape) else n for a, n in enumerate(shape))
    indices = data.draw(hnp.arrays(np.int64, sizes, elements=st.integers(0, shape[axis] - 1)))
    x = drawn(shape)
    picked = ops.take_along_axis(x, indices, axis=axis)
    g = np.random.default_rng(1).standard_normal(picked.shape)
    picked.backward(g)
    places = np.take_along_axis(np.arange(x.size).reshape(shape), indices, axis)
    wanted = np.bincount(places.ravel(), g.ravel(), minlength=x.size).reshape(shape)
    np.testing.assert_allclose(gradient_of(x), wanted, atol=1e-12)


@repeatable
@given(FILLED, st.data())
def test_padding_and_cutting_off_cancel(shape: tuple[int, ...], data: Any) -> None:
    widths = [data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in shape]
    x = drawn(shape)
    padded = ops.pad(x, pad_width=widths, value=7.0)
    inside = tuple(slice(a, a + n) for n, (a, _) in zip(shape, widths, strict=True))
    np.testing.assert_array_equal(padded.data, np.pad(x.data, widths, constant_values=7.0))
    np.testing.assert_array_equal(padded[inside].data, x.data)


@repeatable
@given(FILLED, st.data())
def test_sorting_is_a_permutation_of_values_and_gradients(
    shape: tuple[int, ...], data: Any
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    descending = data.draw(st.booleans())
    x = drawn(shape)
    out = ops.sort(x, axis=axis, descending=descending)
    steps = np.diff(out.data, axis=axis)
    assert (steps <= 0).all() if descending else (steps >= 0).all()
    out.backward(out.data.copy())  # so that each element's gradient is the element itself
    np.testing.assert_array_equal(gradient_of(x), x.data)
