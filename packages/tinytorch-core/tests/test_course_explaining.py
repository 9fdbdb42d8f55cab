"""What is said of an answer that does not run: whose line, which name, what to look at."""

import re
from pathlib import Path

import numpy as np
import pytest
from made_course import LOOPING, Student, at_a_prompt

from tinytorch.core.primitive import primitive
from tinytorch.core.tensor import Tensor
from tinytorch.course import stopped
from tinytorch.course.calling import call_of
from tinytorch.course.checking import CheckFailed, raises, same
from tinytorch.course.results import Place
from tinytorch.tito.verdict import clipped


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
    assert (
        "expected numbers, got generator. In your file max means the operation on tensors, not "
        "Python's built-in max; the largest of plain numbers is sorted(numbers)[-1]. "
    ) in plain


def test_trouble_in_a_group_is_headed_by_the_definition_it_is_in(student: Student) -> None:
    bodies = {"sub": "x - y", "mul": "x * y", "pow": "x**y", "div": "x // y"}
    started(student, *((name, f"return {body}") for name, body in bodies.items()))
    assert "\ndiv (in exercise sub): wrong\n" in student("test", "01", "sub").out


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
        (np.ones((4, 5)), np.ones((5, 4)), "expected  shape (5, 4)\ngot       shape (4, 5)\n"),
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


def test_what_was_called_is_said_before_the_error_that_it_ended_in(student: Student) -> None:
    student.write(("return helper(x) + x", "return x.double()"))
    said = student("test", "21", "double").out
    assert "    double(2)\n    got       AttributeError: 'int' object has no attribute" in said
    assert "return x.double()" in said


CALLS = """\
from tinytorch.course.checking import raises, same

def one(answer):
    same(answer(2), 4, call="answer(2)")

def two(answer):
    for size in (3, 4):
        same(answer(size), 4, call=f"answer({size})")

def three(answer):
    before = answer("x")
    after = answer("y")
    same(after, 4, call="the second")
    same(before, 4, call="the first")

def four(answer):
    long = list(range(100))
    got = answer(long)
    assert got, "wrong"

def five(answer):
    with raises(MemoryError, call="to ask for much"):
        answer(5)

def helper(answer):
    answer(6)

def six(answer):
    helper(answer)
"""


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("one", "answer(2)"),
        ("two", "answer(3)"),
        ("three", "the first"),
        ("four", f"answer(long)  with long = {str(list(range(100)))[:60]}..."),
        ("five", "to ask for much"),
        ("six", "answer(6)"),
    ],
)
def test_a_call_is_found_wherever_the_check_says_it(check: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "check_made.py"
    file.write_text(CALLS)
    namespace: dict = {}
    exec(compile(CALLS, str(file), "exec"), namespace)

    def answer(x):
        raise MemoryError

    with pytest.raises(MemoryError) as raised:
        namespace[check](answer)
    assert call_of(raised.value, str(file)) == said


def test_an_error_in_place_of_the_wanted_one_is_shown_beside_it(student: Student) -> None:
    started(student, ("reshape", "return np.reshape(x, shape)"))
    said = student("test", "01", "reshape").out
    assert "    expected  ShapeError" in said
    assert "    got       ValueError: cannot reshape array" in said
    assert "\n      return np.reshape(x, shape)\n" in said


def test_rows_of_a_matrix_stand_below_one_another() -> None:
    with pytest.raises(CheckFailed) as failed:
        same(np.array([[1, 2], [3, 5]]), np.array([[1, 2], [3, 4]]), call="f")
    rows = "shape (2, 2)\n          [[1, 2],\n           [3, "
    assert f"expected  {rows}4]]\ngot       {rows}5]]\n" in str(failed.value)


@pytest.mark.parametrize(("column", "shown"), [(1, "aaa"), (50, "bbb"), (98, "ccc")])
def test_a_long_line_is_clipped_around_its_fault(column: int, shown: str) -> None:
    code = ("aaa" + "-" * 46 + "bbb").ljust(97, "-") + "ccc"
    place = Place("f.py", 1, code, column, column + 3)
    line, at, length = clipped(place, 40)
    assert len(line) <= 40
    assert line[at - 1 : at - 1 + length] == shown
    whole = clipped(Place("f.py", 1, code, 1, 99), 40)
    assert whole[1] + whole[2] - 1 <= 40
