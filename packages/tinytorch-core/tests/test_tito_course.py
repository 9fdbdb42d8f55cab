"""The course commands: start, test, hint, solution, diff, reset, undo, complete, on a made-up pack.

What a real terminal shows, from init to undo, is in test_tito_student.py.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_course import NUMBERS, SOLVED, Student, at_a_prompt, student_environment

from tinytorch.course import overlay

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


# start
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


# test
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
    assert "Next: tito hint 21 double" in done.out


def test_a_wrong_answer_is_shown_with_sentence_call_expected_got_and_reason(
    student: Student,
) -> None:
    student.write(WRONG, ("self.count += 1", "self.count -= 1"))
    done = student("test", "21")
    assert done.status == 1
    for part in (
        "A check says: two becomes four.",
        "    double(2)",
        "    expected  int64  4",
        "    got       int64  6",
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
    assert "    AttributeError: 'Counter' object has no attribute 'cuont'" in lines


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
    monkeypatch.setattr("tinytorch.course.runner.run_checks.__defaults__", (None, None, 1.0))
    student.write(LOOP)
    done = student("test", "21", "double")
    assert done.status == 1
    assert "never ends" in done.out
    assert "did not finish within 1 seconds: is there a loop that never ends?" in done.out


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
        lines = student(*words).out.splitlines()
        line = lines[lines.index("With pytest:") + 1].split()
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


# hint, solution, diff
def test_hints_come_one_by_one_for_the_exercise_at_work_and_then_the_solution_is_named(
    student: Student,
) -> None:
    student("start", "21")
    first, second, again = (student("hint").out for _ in range(3))
    assert "double: hint 1 of 2" in first
    assert "Think of addition." in first
    assert "x + x" not in first
    assert "x + x" in second
    assert "tito solution 21 double" in second
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


# reset, undo
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
    assert "Next: tito complete 21" in student("undo", "21").out


def test_a_file_that_is_no_text_can_be_reset_and_brought_back(student: Student) -> None:
    student("start", "21")
    student.numbers.write_bytes(b"\xff\xfe\x00")
    assert student("reset", "21", "double").status == 1
    assert student("test", "21").status == 1
    assert student("reset", "21").status == 0
    student("undo", "21")
    assert student.numbers.read_bytes() == b"\xff\xfe\x00"


# complete
def test_complete_refuses_with_the_exercise_that_stands_in_the_way(student: Student) -> None:
    student.write(WRONG)
    done = student("complete", "21")
    assert done.status == 1
    assert "double: wrong" in done.out
    assert "made/numbers.py does not join until all checks pass" in done.out
    assert student.workspace.joined == []


def test_complete_joins_the_students_file_and_says_what_they_can_do(student: Student) -> None:
    student.write()
    done = student("complete", "21")
    assert done.status == 0, done.out
    assert student.workspace.joined == ["made/numbers.py"]
    assert "Can I compute with Numbers? Yes." in done.out
    assert "1 of 11 modules are yours" in done.out
    assert "Next: tito start 22" in done.out
    assert "is part of your framework, and sound" in student("complete", "21").out


def test_complete_checks_the_students_file_and_not_the_reference(student: Student) -> None:
    student("start", "21")
    assert student("complete", "21").status == 1
    assert student("module", "complete", "21").status == 1


def test_a_later_edit_that_breaks_a_joined_file_can_be_undone(student: Student) -> None:
    student.write()
    student("complete", "21")
    student.write(WRONG)
    assert "stays in your framework, broken" in student("complete", "21").out
    student("undo", "21")
    assert student("complete", "21").status == 0


def test_a_module_that_can_be_timed_is_timed_beside_the_reference(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinytorch.course import pace
    from tinytorch.course.catalogue import subject

    about = subject("tinytorch.made.numbers")
    assert pace.measure(about, student.root) == []  # the pack names nothing
    (student.root.parent / "pack" / "tinytorch" / "made" / "pace.py").write_text(
        "def programs():\n"
        "    from tinytorch.made.numbers import double\n"
        "    print('not an answer')\n"
        "    return [('double a number', lambda: lambda: double(2))]\n"
        "PROGRAMS = {'21': programs}\n"
    )
    slow = "sum(range(3000)); return helper(x) + x"
    student.write(("return helper(x) + x", slow))
    monkeypatch.setattr(pace, "TURN", 0.001)
    [found] = pace.measure(about, student.root)
    assert found.what == "double a number"
    assert found.ratio > 3
    assert found.yours > found.reference
    assert "double a number" in student("complete", "21").out
    student.write(("return helper(x) + x", "raise ValueError"))
    assert pace.measure(about, student.root) == []


# list, status, tito
def test_list_says_what_is_yours_being_built_and_borrowed(student: Student) -> None:
    student.write()
    student("complete", "21")
    student("start", "22")
    out = student("list").out
    rows = {line.split()[0]: line for line in out.splitlines() if line[:2].isdigit()}
    assert "yours" in rows["21"]
    assert "██████████ 6/6" in rows["21"]
    assert "building" in rows["22"]
    assert "not tested" in rows["22"]
    assert "borrowed" in rows["23"]
    assert "no lesson" in rows["23"]
    assert "1 of 2" in rows["2030"]
    assert "1 of 11 modules are yours" in out
    assert "0/1" in student("status").out  # which looks at what is being built, too


def test_a_joined_file_that_a_later_edit_broke_is_found_and_said(student: Student) -> None:
    student.write()
    student("complete", "21")
    student.write(WRONG)
    assert "changed since it joined" in student().out
    out = student("list").out
    assert "broken" in out
    assert "made/numbers.py has joined, and a later edit broke it." in out
    assert "Next: tito test 21" in out
    student.write()
    assert "broken" not in student("list").out


def test_a_joined_file_that_is_gone_is_said(student: Student) -> None:
    student.write()
    student("complete", "21")
    student.numbers.unlink()
    for command in ("list", "status"):
        done = student(command)
        assert done.status == 0
        assert "it is gone" in done.out
        assert "broken" not in done.out
        assert "Next: tito undo 21" in done.out


def test_progress_is_found_again_when_everything_tito_kept_is_deleted(student: Student) -> None:
    import shutil

    student.write()
    student("complete", "21")
    shutil.rmtree(student.root / ".tito")
    assert "6/6" in student("status").out


def test_status_as_json_names_modules_exercises_milestones_and_the_next_command(
    student: Student,
) -> None:
    student.write(WRONG)
    data = json.loads(student("status", "--json").out)
    [module] = [m for m in data["modules"] if m["number"] == "21"]
    assert (module["state"], module["points"], module["of_points"]) == ("building", 1, 6)
    assert [e["outcome"] for e in module["exercises"]] == ["failed", "passed", "waiting"]
    assert data["next"]["command"] == "tito test 21"
    assert {"year": "2030", "title": "Numbers are added", "yours": [], "uses": ["21", "22"]} in (
        data["milestones"]
    )
    assert json.loads(student("list", "--json").out)["workspace"] == str(student.root)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "Next: tito start "),
        (SOLVED, "Next: tito complete 21"),
        (SOLVED.replace(*WRONG), "Next: tito test 21"),
        ("x = = 1", "Next: tito test 21"),
    ],
)
def test_tito_alone_says_where_you_are_and_the_one_next_command(
    text: str | None, said: str, student: Student
) -> None:
    if text is not None:
        student.write(text=text)
        student("test", "21")
    out = student().out
    assert said in out
    assert out.count("Next: ") == 1
    assert str(student.root) in out


def test_tito_works_below_the_workspace(student: Student, monkeypatch: pytest.MonkeyPatch) -> None:
    student.write()
    monkeypatch.setattr(overlay, "current_folder_counts", lambda: True)  # tox runs with -P
    monkeypatch.delenv("TINYTORCH_WORKSPACE")
    monkeypatch.chdir(student.root / "made")
    done = student("test", "21")
    assert done.status == 0


# outside of a workspace
def test_outside_of_a_workspace_the_way_to_one_is_said(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINYTORCH_WORKSPACE")
    monkeypatch.chdir(tmp_path)
    for command in (["test", "21"], ["start", "21"], ["hint"], ["status"], ["reset", "21"]):
        done = student(*command)
        assert done.status == 1, command
        assert "tito init my-tinytorch" in done.err
        assert "Traceback" not in done.err
    assert "Next: tito init my-tinytorch" in student("list").out


def test_init_says_what_it_made_and_the_next_commands(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINYTORCH_WORKSPACE")
    monkeypatch.chdir(tmp_path)
    done = student("init", "two words")
    assert done.status == 0
    assert (tmp_path / "two words" / "tinytorch.toml").exists()
    assert not (tmp_path / "two words" / ".git").exists()  # nobody was there to be asked
    assert "cd 'two words'" in done.out or 'cd "two words"' in done.out
    assert "tito start" in done.out
    assert student("init", "two words").status == 1
    assert student("init", "tinytorch").status == 1
    assert student("init", "with-git", "--git").status == 0
    assert (tmp_path / "with-git" / ".git").is_dir()


def test_trust_is_for_workspaces_that_need_it(student: Student, tmp_path: Path) -> None:
    assert "nothing to do" in student("trust", str(student.root)).out
    done = student("trust", str(tmp_path))
    assert done.status == 1
    assert "is no workspace" in done.err


# milestones
def test_a_milestone_counts_the_students_modules_and_mine_refuses_to_borrow(
    tmp_path: Path,
) -> None:
    import tinytorch.core
    from tinytorch.course.workspace import Workspace

    workspace = Workspace.create(tmp_path / "my")
    source = Path(tinytorch.core.__path__[0], "layers.py").read_text("utf-8")
    workspace.put("core/layers.py", source)
    workspace.join("core/layers.py")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "tinytorch",
                "milestone",
                "run",
                "1958",
                "--recipe",
                "quick",
                *words,
            ],
            cwd=workspace.root,
            env=student_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
        )

    done = run()
    assert done.returncode == 0
    assert "1 of 2 modules are yours (03)" in done.stdout
    done = run("--mine")
    assert done.returncode == 1
    assert "01 would be borrowed" in " ".join(done.stderr.split())
    assert "core/" not in done.stdout  # nothing there is doubtful
    workspace.put(
        "core/tensor.py", Path(tinytorch.core.__path__[0], "tensor.py").read_text("utf-8")
    )
    workspace.join("core/tensor.py")
    assert "core/tensor.py: it changed since it was checked. tito test 01" in run().stdout
    workspace.put("core/layers.py", source + "\nmistaken.name\n")
    done = run()
    assert done.returncode == 1
    assert "NameError: name 'mistaken' is not defined" in done.stderr
    assert "      mistaken.name\n      ^^^^^^^^" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["list"], ["status"], ["start", "--help"]])
def test_what_is_typed_often_imports_neither_numpy_nor_rich_in_a_workspace(
    arguments: list[str], tmp_path: Path, student: Student
) -> None:
    student.numbers.parent.mkdir()
    student.numbers.write_text(NUMBERS)
    student("test", "21")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tinytorch", *arguments],
        env=student_environment(tmp_path / "pack"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seen = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "click" in seen
    assert not {"numpy", "rich", "pytest", "pooch"} & seen


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("arguments", [["list"], ["test", "21"], ["read", "21"], ["hint"]])
def test_no_output_encoding_breaks_a_course_command(
    encoding: str, arguments: list[str], student: Student, tmp_path: Path
) -> None:
    student("start", "21")
    done = subprocess.run(
        [sys.executable, "-m", "tinytorch", *arguments],
        env=student_environment(tmp_path / "pack", PYTHONIOENCODING=encoding),
        capture_output=True,
        timeout=120,
    )
    text = done.stdout.decode(encoding)
    assert b"Traceback" not in done.stderr
    assert len(text.splitlines()) > 2
    assert "?" not in text.replace("Can I compute with Numbers?", "").replace("4?", "").replace(
        "Why double?", ""
    ).replace("twice 2?", "")


# bug
@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("return (1,)", 0, "Exposed: on these operands the lesson's double is wrong."),
        ("return (0,)", 1, "Both definitions give the same answer"),
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
