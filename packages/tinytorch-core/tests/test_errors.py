"""What errors say of shapes and calls that do not fit; test_primitive.py sees operations say it."""

import pytest

from tinytorch.core.errors import ShapeError, broadcast_error, explanation


@pytest.mark.parametrize(
    ("shapes", "axis", "sizes"),
    [
        ([(3,), (4,)], -1, "3 and 4"),
        ([(2, 3), (4, 3)], -2, "2 and 4"),
        ([(5, 1, 3), (6, 2, 3)], -3, "5 and 6"),  # size 1 goes with any other
        ([(4, 3), (2,)], -1, "2 and 3"),
        ([(2, 7, 3), (3,), (5, 3)], -2, "5 and 7"),  # where one shape has no such axis
        ([(4, 0), (2, 0)], -2, "2 and 4"),
        ([(0,), (3,)], -1, "0 and 3"),
        ([(2, 3), (4, 5)], -1, "3 and 5"),  # the first that differs, from the right
    ],
)
def test_the_first_axis_from_the_right_that_differs_is_named_with_its_sizes(shapes, axis, sizes):
    error = broadcast_error("add", shapes)
    assert isinstance(error, ShapeError)
    listed = " and ".join(map(str, shapes))
    assert f"add: shapes {listed} do not broadcast: axis {axis} has sizes {sizes}," in str(error)


@pytest.mark.parametrize("shapes", [[(2, 3), (1, 3)], [(2,), ()], []])
def test_shapes_that_would_broadcast_are_only_said_not_to_fit(shapes):
    listed = " and ".join(map(str, shapes))
    assert str(broadcast_error("take", shapes)) == f"take: shapes {listed} do not fit together."


@pytest.mark.parametrize("words", ["zero-size array to reduction", "argmax of an empty sequence"])
def test_an_error_about_nothing_to_choose_from_lists_every_shape(words):
    said = explanation("pick", ValueError(words), [(0, 3), ()])
    assert isinstance(said, ShapeError)
    assert str(said).startswith("pick: shape (0, 3) and () has no elements")
    assert explanation("pick", ValueError("something else"), [(0,)]) is None


def test_an_argument_that_only_pytorch_has_is_told_by_its_name_here():
    said = explanation("pick", TypeError("pick() got an unexpected keyword argument 'dim'"), [])
    assert str(said) == "pick() has no argument 'dim'; here that is axis"
