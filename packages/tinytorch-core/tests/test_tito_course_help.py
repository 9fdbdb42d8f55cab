"""tito hint, solution, diff, reset, undo and bug, on a made-up pack: help, and ways back."""

import re
from pathlib import Path

import pytest
from made_course import Student, at_a_prompt

WRONG = ("helper(x) + x", "3 * helper(x)")


@pytest.fixture
def student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    return at_a_prompt(tmp_path, monkeypatch, capsys)


def outcomes(done: str) -> dict[str, str]:
    """The lines about exercises: name to the words before it."""
    found = {}
    for line in done.splitlines():
        for name in ("double", "Counter.step", "quadruple"):
            if line.startswith("  ") and f" {name} " in f"{line} ":
                found.setdefault(name, line.partition(name)[0].strip())
    return found


def test_hints_come_one_by_one_for_the_exercise_at_work_and_then_the_solution_is_named(
    student: Student,
) -> None:
    student("start", "21")
    first, second, again = (student("hint").out for _ in range(3))
    assert "double: hint 1 of 2" in first
    assert "Think of addition." in first
    assert "x + x" not in first
    assert "Another: tito hint 21 double\n" in first
    assert "x + x" in second
    assert "tito solution 21 double --yes\n" in second  # nobody is at the keyboard
    assert "hint 1 of 2" in again
    assert "Think of addition." in student("hint", "21", "double", "--all").out


def test_hints_follow_the_exercise_that_was_tested(student: Student) -> None:
    student.write(("self.count += 1", "pass"))
    student("test", "21")
    assert "Counter.step: hint 1 of 1" in student("hint").out


def test_a_solution_is_asked_for_and_recorded(student: Student) -> None:
    student("start", "21")
    done = student("solution", "21", "double")
    assert done.status == 1
    assert "add --yes" in done.err
    assert student.workspace.revealed == []
    done = student("solution", "21", "double", "--yes")
    assert "return helper(x) + x" in done.out
    assert student.workspace.revealed == ["21 double"]
    assert "solution seen" in student("test", "21").out
    assert student("solution", "21").status == 2


def test_the_solution_of_what_passes_is_shown_and_not_recorded(student: Student) -> None:
    student.write()
    assert "return helper(x) + x" in student("solution", "21", "double").out
    assert student.workspace.revealed == []


def test_a_diff_is_only_for_what_passed_or_was_revealed(student: Student) -> None:
    student.write(WRONG)
    done = student("diff", "21", "double")
    assert done.status == 1
    assert "the way of the reference" not in done.out + done.err
    everything = student("diff", "21").out
    assert "Counter.step: the same as the reference" in everything
    assert "2 not compared" in everything
    student("solution", "21", "double", "--yes")
    out = student("diff", "21", "double").out
    assert "-    return 3 * helper(x)" in out
    assert "+    return helper(x) + x" in out


def test_reset_keeps_a_copy_and_undo_brings_it_back(student: Student) -> None:
    student.write()
    mine = student.numbers.read_bytes()
    done = student("reset", "21")
    assert done.status == 0
    assert "Your version is kept" in done.out
    assert "tito undo 21" in done.out
    assert b"NotImplementedError" in student.numbers.read_bytes()
    assert student("undo", "21").status == 0
    assert student.numbers.read_bytes() == mine


def test_undo_walks_back_and_says_to_which_version_and_redo_comes_forward(
    student: Student,
) -> None:
    student.write()
    student("reset", "21")
    student.write(WRONG)
    student("reset", "21")
    out = " ".join(student("undo", "21").out.split())
    assert re.search(r"kept on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: version 2 of 3\.", out)
    assert "lines changed by that" in out
    assert "To take this back: tito undo 21 --redo" in out
    assert "3 * helper(x)" in student.numbers.read_text()
    assert "version 1 of 3" in " ".join(student("undo", "21").out.split())
    assert "helper(x) + x" in student.numbers.read_text()
    done = student("undo", "21")
    assert done.status == 1
    assert "there is no earlier made/numbers.py" in done.err
    student("undo", "21", "--redo")
    assert "3 * helper(x)" in student.numbers.read_text()


def test_reset_of_one_exercise_leaves_the_others(student: Student) -> None:
    student.write()
    student("reset", "21", "double")
    found = outcomes(student("test", "21").out)
    assert found == {"double": "not written", "Counter.step": "done", "quadruple": "waiting"}


def test_reset_of_one_exercise_needs_a_file_that_can_be_cut(student: Student) -> None:
    student.write(("return helper(x) + x", "return helper(x) +"))
    before = student.numbers.read_bytes()
    done = student("reset", "21", "double")
    assert done.status == 1
    assert "syntax error in line 14" in done.err
    assert student.numbers.read_bytes() == before
    assert student("reset", "21").status == 0


def test_reset_of_a_skeleton_has_nothing_to_do(student: Student) -> None:
    student("start", "21")
    assert "nothing to do" in student("reset", "21").out
    assert student.workspace.versions("made/numbers.py") == []


def test_a_module_that_joined_leaves_when_it_is_reset(student: Student) -> None:
    student.write()
    student("complete", "21")
    assert "takes no part" in " ".join(student("reset", "21", "double").out.split())
    assert student.workspace.joined == []
    back = student("undo", "21").out
    assert "Next: tito complete 21" in back
    assert "made/numbers.py takes no part in your framework until tito complete 21." in " ".join(
        back.split()
    )


def test_a_file_that_is_gone_can_be_brought_back_and_that_is_said_first(student: Student) -> None:
    student.write()
    student("complete", "21")
    student.workspace.leave("made/numbers.py")
    student.numbers.unlink()
    assert "is kept: tito undo 21; or begin anew: tito start 21" in student("test", "21").err
    started = student("start", "21").out
    assert "tito undo 21 brings it back" in " ".join(started.split())
    assert "tito try 21 FILE" in started
    student("undo", "21")
    assert "helper(x) + x" in student.numbers.read_text()


def test_a_file_that_is_no_text_can_be_reset_and_brought_back(student: Student) -> None:
    student("start", "21")
    student.numbers.write_bytes(b"\xff\xfe\x00")
    assert student("reset", "21", "double").status == 1
    assert student("test", "21").status == 1
    assert student("reset", "21").status == 0
    student("undo", "21")
    assert student.numbers.read_bytes() == b"\xff\xfe\x00"


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("return (1,)", 0, "Exposed: on these operands the lesson's double is wrong."),
        ("return (0,)", 1, "Both definitions give the same answer"),
        ("return ((),)", 1, "() is a tuple of numbers; did you mean np.ones(())?"),
        ("return (None,)", 1, "The right double does not take these operands either."),
        ("return 1", 1, "inputs() must return a tuple, the operands; it returns int"),
        ("return (1 / 0,)", 1, "ZeroDivisionError: division by zero"),
        ("return (", 1, "SyntaxError"),
    ],
)
def test_operands_that_expose_the_bug_of_a_lesson_are_told_from_others(
    answer: str, status: int, said: str, student: Student
) -> None:
    made = student("bug", "21")
    assert made.status == 1
    assert "answers/21_bug.py" in made.out.replace("\\", "/")
    assert "is not written yet" in student("bug", "21").out
    file = student.root / "answers" / "21_bug.py"
    file.write_text(f"def inputs():\n    {answer}\n")
    done = student("bug", "21")
    assert done.status == status, done.out
    assert said in done.out
    if "SyntaxError" in said or "Zero" in said:
        assert "21_bug.py, line 2\n" in done.out
    assert student("bug", "22").status == 1
    assert "no bug to find" in student("bug", "22").err


def test_the_bug_of_lesson_06_and_01_can_be_exposed(student: Student) -> None:
    for number, operands in (
        ("01", "np.ones((2, 2, 3)), np.ones((2, 3, 4))"),
        ("06", "np.ones((4, 2, 1)), (2, 1)"),
    ):
        student("bug", number)
        file = student.root / "answers" / f"{number}_bug.py"
        file.write_text(f"import numpy as np\n\ndef inputs():\n    return {operands}\n")
        done = student("bug", number)
        assert done.status == 0, done.out
        assert "expected  " in done.out or "gives an answer" in done.out
