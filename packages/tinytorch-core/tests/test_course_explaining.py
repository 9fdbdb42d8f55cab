"""What is said of an answer that does not run: whose line, which name, what to look at."""

import re
from pathlib import Path

import numpy as np
import pytest
from made_course import LOOPING, Student, at_a_prompt

from tinytorch.core.primitive import primitive
from tinytorch.core.tensor import Tensor
from tinytorch.course import stopped
from tinytorch.course.checking import CheckFailed, raises, same


@pytest.fixture
def student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    return at_a_prompt(tmp_path, monkeypatch, capsys)


def started(student: Student, *changes: tuple[str, str], number: str = "01") -> None:
    """The skeleton of a lesson, with some bodies written."""
    student("start", number)
    file = student.root / "core" / {"01": "tensor.py", "06": "autograd.py"}[number]
    text = file.read_text("utf-8")
    for name, body in changes:
        stub = f'raise NotImplementedError("{number} · {name}")'
        assert stub in text
        text = text.replace(stub, body)
    file.write_text(text, "utf-8")


def test_a_call_of_what_is_not_written_yet_names_caller_callee_and_line(student: Student) -> None:
    body = "sizes = [len(s) for s in shapes]\n    return (max(sizes),)"
    started(student, ("broadcast_shapes", body))
    said = student("test", "01", "broadcast_shapes").out
    plain = " ".join(said.split())
    assert "broadcast_shapes: wrong" in said
    assert "broadcast_shapes calls max, which is not written yet" in plain
    assert "max means the operation on tensors, not Python's built-in max" in plain
    assert "\n      return (max(sizes),)\n" in said
    assert "To write next" not in said


def test_the_trap_is_explained_once_the_operation_is_written_too(student: Student) -> None:
    body = "return (max(len(s) for s in shapes),)"
    started(student, ("broadcast_shapes", body), ("max", "return np.max(x)"))
    plain = " ".join(student("test", "01", "broadcast_shapes").out.split())
    assert "expected numbers, got generator" in plain
    assert "max means the operation on tensors, not Python's built-in max" in plain


def test_what_the_lesson_gives_and_calls_does_not_count_as_a_caller(student: Student) -> None:
    started(student)
    said = student("test", "01", "array_of").out
    assert "not written  array_of" in said
    assert " calls " not in said


def test_half_of_an_exercise_is_not_written_rather_than_wrong(student: Student) -> None:
    started(student, ("mean_gradient", "return sum_gradient(g / 6, call)"), number="06")
    said = student("test", "06", "sum_gradient").out
    assert "not written  sum_gradient" in said


def test_an_endless_loop_is_shown_at_the_line_it_was_stopped_in(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinytorch.course.runner.run_checks.__defaults__", (None, None, 3.0))
    student.write(LOOPING)
    said = student("test", "21", "double").out
    assert "is there a loop that never ends? When it was stopped it was in this line" in " ".join(
        said.split()
    )
    assert re.search(r"numbers\.py, line 1[45]\n      (while True:|x = x \+ 0)\n", said)


def test_an_endless_loop_at_import_is_shown_too(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinytorch.course.runner.run_checks.__defaults__", (None, None, 2.0))
    student.write(text="x = 1\nwhile True:\n    x += 1\n")
    said = student("test", "21").out
    assert "importing the file: it did not finish within 2 seconds" in " ".join(said.split())
    assert "numbers.py, line " in said
    assert "while True:" in said or "x += 1" in said


def test_an_endless_loop_in_the_operands_that_should_expose_a_bug_is_shown(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinytorch.course import bugs

    student("bug", "21")
    file = student.root / "answers" / "21_bug.py"
    file.write_text("def inputs():\n    while True:\n        pass\n", "utf-8")
    monkeypatch.setattr(bugs.judge, "__defaults__", (6.0,))
    said = student("bug", "21").out
    assert "did not finish within 6 seconds" in said
    assert "21_bug.py, line " in said


def test_a_place_is_found_where_names_are_not_ascii_and_others_run_inside(tmp_path: Path) -> None:
    mine = tmp_path / "Büro" / "core" / "tensor.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("a = 1\nb = 2\n", "utf-8")
    written = str(mine).encode("ascii", "backslashreplace").decode()
    dump = (
        'Timeout (0:00:01)!\nThread 0x1 (most recent call first):\n  File "/x/numpy.py", line 7 in '
        f'sum\n  File "{written}", line 2 in double\n  File "{written}", line 1 in <module>\n'
    )
    assert stopped.place_in(dump, [str(mine)]) == {"file": str(mine), "line": 2, "code": "b = 2"}
    assert stopped.place_in(dump, ["/elsewhere.py"]) is None


def test_a_forgotten_return_is_asked_for(student: Student) -> None:
    @primitive
    def forgetful(x):
        x + 1

    with pytest.raises(TypeError, match=r"forgetful returned None: is there a return in it\?"):
        forgetful(Tensor([1.0]))
    started(student, ("add", "x + y"))
    assert "add returned None: is there a return in it?" in student("test", "01", "add").out
    started(student, ("exp_gradient", "g * call.out"), number="06")
    said = student("test", "06", "exp_gradient").out
    assert "exp_gradient(g, call) returned None: is there a return in it?" in said


@pytest.mark.parametrize(
    ("got", "expected", "shown"),
    [
        (np.float32([1, 2]), np.array([1.0, 3]), "expected  shape (2,)  [1., 3.]\n"),
        (np.float32([1, 2]), np.array([1, 3]), "expected  shape (2,)  [1, 3]\n"),
        ((4, 3), (4, 5), "expected  (4, 5)\ngot       (4, 3)\n"),
        ([4, 3], (4, 5), "expected  (4, 5)\ngot       shape (2,)  [4, 3]\n"),
        ((Tensor(4), Tensor(3)), (4, 3), "it holds tensors, not numbers"),
        (3, 3.5, "expected  3.5  (floating point)\ngot       3  (integers)\n"),
        (True, 0, "expected  0  (integers)\ngot       True  (booleans)\n"),
    ],
)
def test_types_are_shown_where_they_tell_something(got, expected, shown) -> None:
    with pytest.raises(CheckFailed) as failed:
        same(got, expected, call="f")
    assert shown in str(failed.value)


def test_what_a_message_should_hold_is_said_in_words() -> None:
    said = r"ValueError whose message mentions both shapes, \(2,\) and \(3,\)\ngot"
    with (
        pytest.raises(CheckFailed, match=said),
        raises(ValueError, r"2.*3", words="both shapes, (2,) and (3,)", call="f"),
    ):
        raise ValueError("something else")
    with (
        pytest.raises(ValueError, match="say in words"),
        raises(ValueError, r"2.*3", call="f"),
    ):
        pass
