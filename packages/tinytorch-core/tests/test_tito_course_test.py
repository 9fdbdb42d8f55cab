"""tito start and tito test, on a made-up pack: what is said, whatever the file holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_course import SOLVED, Student, at_a_prompt, student_environment

WRONG = ("helper(x) + x", "3 * helper(x)")
LOOP = ("return helper(x) + x", "while True: pass")


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


def test_start_writes_the_skeleton_which_holds_no_solution(student: Student) -> None:
    done = student("start", "21")
    assert done.status == 0
    text = student.numbers.read_text()
    assert 'raise NotImplementedError("21 · double")' in text
    assert "the way of the reference" not in text
    assert "3 exercises in it, 6 points" in done.out
    assert "Next: tito read 21" in done.out


def test_start_never_overwrites(student: Student) -> None:
    student.write(text="mine = 1\n")
    done = student("start", "21")
    assert done.status == 0
    assert "is there already, and stays as it is" in done.out
    assert student.numbers.read_text() == "mine = 1\n"


def test_start_alone_begins_the_first_module_that_is_not_there(student: Student) -> None:
    assert student("start", "21").status == 0
    assert "22 Sums" in student("start").out  # what follows, before what was left out
    assert (student.root / "made" / "sums.py").exists()
    assert "21 Numbers: the installed reference serves" in student("start", "22").out


def test_a_module_without_a_lesson_says_so(student: Student) -> None:
    done = student("start", "23")
    assert done.status == 1
    assert "has no lesson yet" in done.err


@pytest.mark.parametrize("command", ["start", "test", "complete", "reset", "undo", "hint", "diff"])
def test_an_unknown_module_is_wrong_usage_and_the_known_are_named(
    command: str, student: Student
) -> None:
    student.write()
    done = student(command, "numbrs")
    assert done.status == 2
    assert "Did you mean numbers?" in done.err


def test_a_skeleton_is_not_written_and_the_first_exercise_is_named_with_its_line(
    student: Student,
) -> None:
    student("start", "21")
    done = student("test", "21")
    assert done.status == 1
    assert outcomes(done.out) == {
        "double": "not written",
        "Counter.step": "not written",
        "quadruple": "waiting",
    }
    assert "for double" in done.out
    line = (
        student.numbers.read_text()
        .splitlines()
        .index('    raise NotImplementedError("21 · double")')
    )
    assert f"numbers.py, line {line + 1}" in done.out
    assert "0 of 3 exercises, 0 of 6 points" in done.out
    assert (
        "Next: write double, then tito test 21 double\nFor a hint: tito hint 21 double" in done.out
    )


def test_a_wrong_answer_is_shown_with_sentence_call_expected_got_and_reason(
    student: Student,
) -> None:
    student.write(WRONG, ("self.count += 1", "self.count -= 1"))
    done = student("test", "21")
    assert done.status == 1
    for part in (
        "A check says: two becomes four.",
        "    double(2)",
        "    expected  4",
        "    got       6",
        "    why: 2 + 2 is 4",
        "1 more check fails in double",
        "0 of 3 exercises",
    ):
        assert part in done.out
    assert "a counter counts" not in done.out  # the first trouble only
    assert outcomes(done.out)["Counter.step"] == "wrong"


def test_an_error_is_shown_at_the_students_line_with_a_caret(student: Student) -> None:
    student.write(("return self.count", "return self.cuont"))
    lines = student("test", "21").out.splitlines()
    at = lines.index("      return self.cuont")
    assert lines[at + 1] == "             ^^^^^^^^^^"
    assert "numbers.py, line 26" in lines[at - 1]
    assert "    got       AttributeError: 'Counter' object has no attribute 'cuont'" in lines


def test_what_is_wrong_comes_before_what_is_not_written(student: Student) -> None:
    student("start", "21")
    text = student.numbers.read_text()
    stub = 'raise NotImplementedError("21 · Counter.step")'
    student.write((stub, "return 7"), text=text)
    done = student("test", "21")
    assert "Counter.step: wrong" in done.out
    assert "Next: tito hint 21 Counter.step" in done.out


def test_a_stray_file_named_like_one_of_pythons_own_does_not_disturb(student: Student) -> None:
    student.write()
    (student.root / "random.py").write_text("raise RuntimeError('not me')\n")
    assert student("test", "21").status == 0


def test_what_a_wrong_answer_prints_is_shown(student: Student) -> None:
    student.write(("return helper(x) + x", "print('x is', x); return x"))
    out = student("test", "21").out
    assert "It printed:\n      x is 2\n" in out


def test_all_right_is_exit_status_0_and_complete_is_next(student: Student) -> None:
    student.write()
    done = student("test", "21")
    assert done.status == 0, done.out
    assert "3 of 3 exercises, 6 of 6 points" in done.out
    assert "Next: tito complete 21" in done.out


def test_one_exercise_can_be_tested_by_itself(student: Student) -> None:
    student.write(WRONG)
    assert student("test", "21", "Counter.step").status == 0
    done = student("test", "21", "double")
    assert done.status == 1
    assert outcomes(done.out) == {"double": "wrong"}
    assert "--exercise double" in done.out


def test_after_an_exercise_that_passes_the_next_to_write_is_named_with_its_line(
    student: Student,
) -> None:
    student("start", "21")
    stub = 'raise NotImplementedError("21 · double")'
    student.write((stub, "return x + x"), text=student.numbers.read_text())
    lines = student.numbers.read_text().splitlines()
    line = lines.index('        raise NotImplementedError("21 · Counter.step")') + 1
    said = student("test", "21", "double").out
    assert "Next: write Counter.step, then tito test 21 Counter.step\n" in said
    assert f"made/numbers.py, line {line}." in said
    student.write()
    assert "Next: tito test 21\n" in student("test", "21", "double").out


def test_one_exercise_that_passes_does_not_make_the_module_pass(student: Student) -> None:
    student.write(("self.count += 1", "pass"))
    assert student("test", "21", "double").status == 0
    assert "Next: tito test 21" in student().out
    assert "not tested" in student("list").out


def test_every_name_of_a_module_means_the_same(student: Student) -> None:
    student.write(WRONG)
    first = student("test", "21")
    for words in (
        ["test", "numbers"],
        ["test", "Numbers"],
        ["test", "--module", "numbers"],
        ["test", "--module", "21"],
        ["test", "tinytorch.made.numbers"],
        ["test", "made/numbers.py"],
        ["module", "test", "21"],
        ["test"],
    ):
        assert student(*words) == first, words


def test_an_exercise_alone_is_found_in_its_module(student: Student) -> None:
    student.write()
    student("start", "22")
    assert "double  " in student("test", "double").out
    assert "total" in student("test", "total").out


def test_without_a_number_the_module_last_worked_at_is_meant(student: Student) -> None:
    student("start", "21")
    student("start", "22")
    assert "22 Sums" in student("test").out
    student("hint", "21", "double")
    student("test", "21")
    assert "21 Numbers" in student("test").out
    (student.root / ".tito" / "state.json").unlink()
    (student.root / "made" / "sums.py").touch()
    assert "22 Sums" in student("test").out


def test_without_a_number_and_without_a_file_it_asks_which(student: Student) -> None:
    done = student("test")
    assert done.status == 2
    assert "Which module?" in done.err
    assert "tito start " in done.err
    done = student("test", "21")
    assert done.status == 1
    assert "tito start 21" in done.err


def test_one_word_too_many_is_wrong_usage(student: Student) -> None:
    student.write()
    assert student("test", "21", "double", "again").status == 2
    assert student("complete", "21", "double").status == 2
    assert student("test", "21", "triple").status == 2
    assert "it has double, Counter.step" in student("test", "21", "triple").err


def test_a_syntax_error_is_shown_with_file_line_and_caret(student: Student) -> None:
    student.write(("return helper(x) + x", "return helper(x) +"))
    done = student("test", "21")
    assert done.status == 1
    assert "SyntaxError: invalid syntax" in done.out
    assert "numbers.py, line 14\n      return helper(x) +\n" in done.out
    assert "^" in done.out
    assert "Next: tito test 21" in done.out


def test_a_missing_definition_is_named_and_reset_brings_it_back_in_its_place(
    student: Student,
) -> None:
    text = SOLVED.replace("def double(x):", "def duoble(x):").replace(
        " double(double(x))", " 4 * x"
    )
    student.write(text=text)
    done = student("test", "21")
    assert "made/numbers.py does not define double" in done.out
    assert student("reset", "21", "double").status == 0
    names = [line for line in student.numbers.read_text().splitlines() if line.startswith("def")]
    assert names == ["def helper(x):", "def double(x):", "def duoble(x):", "def quadruple(x):"]
    assert outcomes(student("test", "21").out)["double"] == "not written"


def test_an_endless_loop_is_called_one(student: Student, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinytorch.course.runner.run_checks.__defaults__", (None, None, 3.0))
    student.write(LOOP)
    done = student("test", "21", "double")
    assert done.status == 1
    assert "  never ends   double  2 points\n" in done.out  # and for nothing it waits
    assert "did not finish within 3 seconds: is there a loop that never ends?" in done.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("while True: pass\n", "importing the file: it did not finish within 1 seconds"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("import os\nos._exit(3)\n", "it ended Python itself (exit status 3)"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("from tinytorch.core.files import nothing\n", "cannot import name 'nothing'"),
    ],
)
def test_whatever_happens_at_import_is_said(
    text: str, said: str, student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinytorch.course.runner.run_checks.__defaults__", (None, None, 1.0))
    student.write(text=text)
    done = student("test", "21")
    assert done.status == 1
    assert said in " ".join(done.out.split())


def test_a_broken_other_module_is_named_and_can_be_left_out(student: Student) -> None:
    student.write()
    assert student("complete", "21").status == 0
    student("start", "22")
    student.write(("return helper(x) + x", "return helper(x) +"))
    done = student("test", "22")
    assert "made/numbers.py, line 14" in done.out
    assert "Next: tito test 21" in done.out
    assert "--with reference" in done.out
    done = student("test", "22", "--with", "reference")
    assert "not written  total" in done.out


def test_a_result_as_json_holds_checks_exercises_and_the_pytest_line(student: Student) -> None:
    student.write(WRONG)
    done = student("test", "21", "--json")
    assert done.status == 1
    data = json.loads(done.out)
    assert data["passed"] is False
    assert [e["outcome"] for e in data["exercises"]] == ["failed", "passed", "waiting"]
    assert data["checks"][0]["sentence"] == "two becomes four"
    assert data["pytest"].startswith("python -m pytest ")


def test_the_pytest_line_runs_the_same_checks_on_the_students_file(student: Student) -> None:
    student.write(WRONG)
    for words, passed in ((["test", "21"], 1), (["test", "21", "Counter.step"], 1)):
        if words[-1] == "21":
            line = student(*words).out.splitlines()[-1].removeprefix("With pytest: ").split()
        else:  # it passes: nothing to look into
            assert "pytest" not in student(*words).out
            line = json.loads(student(*words, "--json").out)["pytest"].split()
        done = subprocess.run(
            [sys.executable, *line[1:], "-q", "-p", "no:cacheprovider"],
            env=student_environment(student.root.parent / "pack"),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert f"{passed} passed" in done.stdout, done.stdout + done.stderr
        assert ("3 failed" in done.stdout) == (len(words) == 2)


def test_the_pytest_line_outside_of_a_workspace_does_not_pass_on_the_reference(
    student: Student, tmp_path: Path
) -> None:
    line = "-m pytest -p tinytorch.course.mine --pyargs tinytorch.made.checks.check_21_numbers"
    done = subprocess.run(
        [sys.executable, *line.split()],
        cwd=tmp_path,
        env=student_environment(tmp_path / "pack"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert "there is no workspace here" in done.stdout + done.stderr
