"""Pareto fronts: what they promise, for any points; their table and their plot."""

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.opt.pareto import Pareto, dominates, pareto

BETTER = {"accuracy": "higher", "bytes": "lower", "seconds": "lower"}
# few different values, so that ties are frequent
VALUES = st.integers(0, 5).map(float)
POINTS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.fixed_dictionaries(dict.fromkeys(BETTER, VALUES)),
    min_size=1,
    max_size=12,
)


def models() -> Pareto:
    return pareto(
        {
            "float": {"accuracy": 0.99, "bytes": 1000.0, "seconds": 2.0},
            "int8": {"accuracy": 0.985, "bytes": 250.0, "seconds": 3.0},
            "pruned": {"accuracy": 0.98, "bytes": 400.0, "seconds": 1.0},
            "bad": {"accuracy": 0.98, "bytes": 1000.0, "seconds": 2.5},
            "worse": {"accuracy": 0.97, "bytes": 1000.0, "seconds": 2.5},
        },
        BETTER,
    )


@given(POINTS)
def test_nothing_dominates_a_point_of_the_front(points: dict) -> None:
    found = pareto(points, BETTER)
    assert found.front
    for name in found.front:
        assert not any(dominates(other, points[name], BETTER) for other in points.values())


@given(POINTS)
def test_what_is_left_out_is_dominated_by_each_point_of_the_front_that_is_named(
    points: dict,
) -> None:
    found = pareto(points, BETTER)
    assert set(found.front) | set(found.dominated) == set(points)
    assert not set(found.front) & set(found.dominated)
    for name, by in found.dominated.items():
        assert by
        assert set(by) <= set(found.front)
        for other in by:
            a, b = points[other], points[name]
            assert a["accuracy"] >= b["accuracy"]
            assert a["bytes"] <= b["bytes"]
            assert a["seconds"] <= b["seconds"]
            assert a != b


@given(POINTS, st.sampled_from(list(BETTER)))
def test_the_best_of_each_measure_is_on_the_front_or_beaten_by_its_equal(points, measure) -> None:
    found = pareto(points, BETTER)
    best = max if BETTER[measure] == "higher" else min
    value = best(point[measure] for point in points.values())
    assert any(points[name][measure] == value for name in found.front)


@given(POINTS, st.randoms())
def test_the_order_of_points_changes_nothing(points: dict, random) -> None:
    names = list(points)
    random.shuffle(names)
    assert set(pareto({n: points[n] for n in names}, BETTER).front) == set(
        pareto(points, BETTER).front
    )


def test_equal_points_stand_together() -> None:
    same = {"accuracy": 0.9, "bytes": 1.0, "seconds": 1.0}
    assert pareto({"a": same, "b": dict(same)}, BETTER).front == ("a", "b")


def test_measures_that_were_not_asked_for_do_not_count() -> None:
    found = pareto(models().points, {"bytes": "lower"})
    assert found.front == ("int8",)


def test_the_table_names_who_beats_whom() -> None:
    lines = models().table().splitlines()
    assert models().front == ("float", "int8", "pruned")
    assert lines[1].endswith("on the front")
    assert lines[4].endswith("beaten by float, pruned")
    assert lines[5].endswith("beaten by float, pruned")
    assert lines[-1].startswith("accuracy (more is better), bytes (less is better)")


@pytest.mark.parametrize(
    ("points", "better"),
    [
        ({}, BETTER),
        ({"a": {"x": 1.0}}, {}),
        ({"a": {"x": 1.0}}, {"x": "up"}),
        ({"a": {"x": 1.0}}, {"y": "lower"}),
        ({"a": {"x": float("nan")}}, {"x": "lower"}),
    ],
)
def test_what_cannot_be_compared_is_refused(points: dict, better: dict) -> None:
    with pytest.raises(ValueError, match="pareto: "):
        pareto(points, better)


def test_the_plot_draws_the_front_and_marks_what_is_beaten() -> None:
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("matplotlib is not installed")
    figure = models().plot("bytes", "accuracy")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == list(models().points)
    assert axes.get_xlabel() == "bytes (lower is better)"
    markers = [line.get_marker() for line in axes.lines[1:]]
    assert markers == ["o", "o", "o", "x", "x"]
    # of these two measures alone, "pruned" is beaten by "int8": its ring is open
    filled = [line.get_markerfacecolor() for line in axes.lines[1:4]]
    assert filled == ["tab:blue", "tab:blue", "none"]
    assert sorted(axes.lines[0].get_xdata()) == [250, 1000]
    with pytest.raises(KeyError, match="no measure is called 'size'"):
        models().plot("size", "accuracy")
