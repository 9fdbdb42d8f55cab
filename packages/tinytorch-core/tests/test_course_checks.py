"""Checks: what they say when they fail, and how they are run against a student's file."""

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tinytorch.core.tensor import Tensor
from tinytorch.course import overlay
from tinytorch.course.catalogue import Subject
from tinytorch.course.checking import CheckFailed, raises, same
from tinytorch.course.lesson import parse
from tinytorch.course.results import sentence
from tinytorch.course.runner import run_checks

LESSON = """\
+++
number = "03"
title = "Shapes"
module = "tinytorch.core.shapes"
reading_minutes = 1
coding_minutes = 1
prerequisites = []
capability = "Can I test the runner?"
chapter = "none"
+++
## Build

```{exercise} restore_axes
hint: expand_dims
```

```{exercise} later
needs: restore_axes
hint: none
```
"""

CHECKS = """\
import numpy as np
from tinytorch.core.shapes import restore_axes
from tinytorch.course.checking import exercise, same


@exercise("later")
def check_what_comes_later_waits():
    pass


@exercise("restore_axes")
def check_a_reduced_axis_comes_back_as_one():
    got = restore_axes(np.ones(3), 1, False)
    same(got, np.ones((3, 1)), call="restore_axes(ones (3,), 1, False)", why="it was reduced")


@exercise("restore_axes")
def check_nothing_happens_with_keepdims():
    same(restore_axes(np.ones((3, 1)), 1, True), np.ones((3, 1)), call="restore_axes(..., True)")
"""

RIGHT = """\
import numpy as np


def restore_axes(g, axis, keepdims):
    return g if keepdims else np.expand_dims(g, axis)
"""


@pytest.fixture
def check(tmp_path):
    """Run the two checks above against a student's file of the given text."""
    (tmp_path / "lesson").mkdir()
    checks = tmp_path / "lesson" / "check_03_shapes.py"
    checks.write_text(CHECKS)
    shipped = Path(overlay.__file__).parents[1] / "core" / "checks" / "pytest.ini"
    (tmp_path / "lesson" / "pytest.ini").write_text(shipped.read_text())
    about = Subject(parse(LESSON, tmp_path / "lesson" / "03_shapes.md"), checks)
    root = tmp_path / "workspace"
    (root / "core").mkdir(parents=True)
    (root / overlay.MARKER).write_text("joined = []\n")

    def run(text, **options):
        if text is None:
            return run_checks(about, None, **options)
        (root / "core" / "shapes.py").write_text(textwrap.dedent(text))
        return run_checks(about, root, **options)

    run.checks = checks
    return run


def outcomes(result):
    return {check.sentence: check.outcome for check in result.checks}


def test_a_right_answer_passes_and_so_does_the_installed_module(check):
    for text in (RIGHT, None):
        result = check(text)
        assert result.passed, result
        assert [c.outcome for c in result.checks] == ["passed"] * 3
        assert result.outcome_of("restore_axes") == "passed"


def test_a_wrong_answer_fails_with_call_expected_got_and_reason_and_dependents_wait(check):
    result = check(RIGHT.replace("np.expand_dims(g, axis)", "g"))
    assert outcomes(result) == {
        "a reduced axis comes back as one": "failed",
        "nothing happens with keepdims": "passed",
        "what comes later waits": "waiting",
    }
    message = result.checks[0].message
    for part in (
        "restore_axes(ones (3,), 1, False)",
        "expected  shape (3, 1)",
        "got       shape (3,)",
        "the shapes differ",
        "why: it was reduced",
    ):
        assert part in message
    assert result.checks[2].message == "waiting for restore_axes"
    assert not result.passed


def test_an_unwritten_exercise_is_called_so(check):
    result = check(
        """
        def restore_axes(g, axis, keepdims):
            raise NotImplementedError("03 · restore_axes")
        """
    )
    assert result.outcome_of("restore_axes") == "unwritten"
    assert "03 · restore_axes is not written yet" in result.checks[0].message


def test_an_error_in_the_answer_is_shown_at_the_students_line(check):
    result = check(
        """
        def restore_axes(g, axis, keepdims):
            h = g
            return h.expand(axis)
        """
    )
    failed = result.checks[0]
    call, error = failed.message.splitlines()
    assert call == "restore_axes(ones (3,), 1, False)"
    assert error.startswith("got       AttributeError: 'numpy.ndarray' object has no attribute 'e")
    assert failed.place.line == 4
    assert failed.place.code == "return h.expand(axis)"
    assert failed.place.file.endswith("core/shapes.py")


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("def restore_axes(g, axis, keepdims)\n    return g\n", "SyntaxError: expected ':'", 1),
        ("x = 1\nx.y\n", "AttributeError: 'int' object has no attribute 'y'", 2),
    ],
)
def test_a_file_that_cannot_be_imported_is_reported_once_with_its_line(check, text, message, line):
    result = check(text)
    assert result.error == message
    assert result.place.line == line
    assert result.checks == ()
    assert not result.passed


def test_a_missing_name_is_reported_and_not_taken_from_the_reference(check):
    result = check("other = 1\n")
    assert "cannot import name 'restore_axes'" in result.error


def test_an_endless_loop_costs_one_check_and_the_others_of_its_exercise_are_not_run(check):
    result = check(
        """
        def restore_axes(g, axis, keepdims):
            while True:
                pass
        """,
        seconds=2,
    )
    assert outcomes(result) == {
        "a reduced axis comes back as one": "timeout",
        "nothing happens with keepdims": "waiting",
        "what comes later waits": "waiting",
    }
    said = {check.sentence: check.message for check in result.checks}
    assert said["what comes later waits"] == "waiting for restore_axes"
    assert said["nothing happens with keepdims"] == "not run: an earlier check of it never ended"
    assert "did not finish within 2 seconds" in result.checks[0].message


def test_an_answer_that_ends_python_costs_one_check(check):
    result = check(
        """
        import os

        def restore_axes(g, axis, keepdims):
            if not keepdims:
                os._exit(3)
            return g
        """
    )
    assert "ended Python itself (exit status 3)" in result.checks[0].message
    assert outcomes(result)["nothing happens with keepdims"] == "passed"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of memory on Windows")
def test_an_answer_that_eats_memory_is_stopped(check):
    result = check(
        """
        def restore_axes(g, axis, keepdims):
            return bytearray(10**11)
        """
    )
    assert "MemoryError: more than 8 GiB" in result.checks[0].message


def test_recursion_without_end_is_called_so(check):
    result = check(
        """
        def restore_axes(g, axis, keepdims):
            return restore_axes(g, axis, keepdims)
        """
    )
    assert "calls itself without end" in result.checks[0].message


def test_one_exercise_can_be_run_by_itself(check):
    result = check(RIGHT, exercise="later")
    assert [c.exercise for c in result.checks] == ["later"]


def test_what_the_answer_prints_does_not_disturb_the_result(check):
    result = check("print('hello')\n" + RIGHT + 'print(\'{"outcome": "passed"}\')\n')
    assert result.passed


def test_a_check_may_say_its_sentence_with_commas(check):
    begun = []
    said = CHECKS.replace('@exercise("later")', '@exercise("later", "what comes, later, waits")')
    check.checks.write_text(said)
    result = check(RIGHT, begun=begun.append)
    assert result.checks[-1].sentence == "what comes, later, waits"
    assert "what comes, later, waits" in begun
    result = check(RIGHT.replace("g if", "0 if").replace("np.expand", "0 or np.sq"))
    assert [c.sentence for c in result.checks if c.outcome == "waiting"] == [
        "what comes, later, waits"
    ]


def test_a_result_is_plain_data(check):
    import json

    data = json.loads(json.dumps(check(RIGHT).as_dict()))
    assert data["passed"] is True
    assert data["checks"][0]["exercise"] == "restore_axes"


def test_a_sentence_is_the_name_of_the_check():
    assert sentence("check_an_added_axis_is_summed_away[1]") == "an added axis is summed away"


@pytest.mark.parametrize(
    ("got", "expected", "said"),
    [
        ([1.0, 2.0], np.array([1.0, 3.0]), r"at index \(1,\): expected 3, got 2; 1 of 2"),
        (np.ones(2), np.ones((2, 1)), "the shapes differ"),
        (None, np.ones(2), "is a `return` missing"),
        (1.0, None, "expected  None"),
        ((1, np.ones(2)), (1, np.zeros(2)), r"f\[1\]"),
        ((1,), (np.ones(2), 2), "expected  2 values"),
        ("text", 1.0, "got       'text'"),
        (float("nan"), 1.0, "got nan"),
    ],
)
def test_same_says_what_differs(got, expected, said):
    with pytest.raises(CheckFailed, match=said):
        same(got, expected, call="f")


@pytest.mark.parametrize(
    ("got", "expected", "call"),
    [
        ((1, None), (1, np.ones(2)), "f(x)"),
        (None, np.ones(2), "f(x)[1]"),
        (None, np.ones(2), "y.backward(); x.grad"),
    ],
)
def test_a_return_is_missed_only_where_the_call_itself_gave_none(got, expected, call):
    with pytest.raises(CheckFailed) as caught:
        same(got, expected, call=call)
    assert "return" not in str(caught.value)


def test_same_accepts_tensors_arrays_numbers_and_tuples_of_them():
    same(Tensor([1.0, 2.0]), [1, 2], call="f")
    same(1 + 1e-7, 1.0, call="f")
    same((Tensor([1.0]), None), (np.ones(1), None), call="f")
    same(float("nan"), float("nan"), call="f")


def test_raises_wants_the_error_and_its_message():
    with raises(ValueError, "shapes", call="f"):
        raise ValueError("the shapes differ")
    with pytest.raises(CheckFailed, match="got       no error"), raises(ValueError, call="f"):
        pass
    with (
        pytest.raises(CheckFailed, match="message mentions shapes"),
        raises(ValueError, "shapes", call="f"),
    ):
        raise ValueError("something else")
    came = "expected  ValueError\ngot       KeyError: 3"
    with pytest.raises(CheckFailed, match=came), raises(ValueError, call="f"):
        raise KeyError(3)
    with pytest.raises(NotImplementedError), raises(ValueError, call="f"):
        raise NotImplementedError("01 · f")
