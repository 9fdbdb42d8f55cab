"""tito complete, list, status, and tito alone, on a made-up pack: whose is what, what is next."""

import json
import re
from pathlib import Path

import pytest
from made_course import SOLVED, SUMS, Student, at_a_prompt

import tinytorch.core
from tinytorch.course import overlay

WRONG = ("helper(x) + x", "3 * helper(x)")


@pytest.fixture
def student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    return at_a_prompt(tmp_path, monkeypatch, capsys)


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
    assert re.search(r"1 of \d+ modules are yours", done.out)  # whatever tiers there are
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
    from tinytorch.tito.building import _ratio

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
    said = " ".join(student("complete", "21").out.split())
    assert "double a number" in said
    assert re.search(r"double a number \S+ +\S+ +\d+\.\d\d ", said)
    told = [_ratio(ratio) for ratio in (0.79, 0.8, 0.85, 1.0, 1.25, 1.26)]
    assert told == ["0.79", *4 * ["about 1"], "1.26"]
    student.write(("return helper(x) + x", "raise ValueError"))
    assert pace.measure(about, student.root) == []


def test_list_says_what_is_yours_being_built_and_borrowed(student: Student) -> None:
    student.write()
    student("complete", "21")
    said = " ".join(student("list").out.split())
    listed = re.search(r"1 of (\d+) modules are yours", said)
    assert listed
    further = re.search(r"; .* (\d+) more of the course comes? with", said)
    assert int(listed[1]) + (int(further[1]) if further else 0) >= 20  # whatever tiers there are
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
    assert re.search(r"1 of \d+ modules are yours", out)  # whatever tiers there are
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


def test_a_file_that_cannot_be_imported_says_so_and_keeps_the_points_it_had(
    student: Student,
) -> None:
    student.write(WRONG)
    student("status")
    for broken in ("return self.count +", "return self.count * ("):  # twice: still those of before
        student.write(WRONG, ("return self.count", broken))
        done = student("status")
        plain = " ".join(done.out.split())
        assert "1/6 before" in plain
        assert re.search(r"made/numbers.py cannot be used as it is, line \d+: SyntaxError: ", plain)
        assert "broken" not in plain
    [module] = [
        m for m in json.loads(student("status", "--json").out)["modules"] if m["number"] == "21"
    ]
    assert (module["points"], module["points_before"]) == (0, 1)
    assert module["error"].startswith("SyntaxError")
    student.write()
    assert "6/6" in student("status").out


def test_points_of_single_exercises_count_among_those_of_before(student: Student) -> None:
    student.write(WRONG)
    student("test", "21")
    student.write()
    assert student("test", "21", "double").status == 0
    student.write(("return self.count", "return self.count +"))
    assert "3/6 before" in " ".join(student("status").out.split())
    student.write(WRONG)  # all checked again: what was found in between is not true any more
    student("test", "21")
    student.write(("return self.count", "return self.count +"))
    assert "1/6 before" in " ".join(student("status").out.split())


def test_a_file_that_imports_a_broken_one_names_that_one(student: Student) -> None:
    student.write()
    student("complete", "21")
    (student.root / "made" / "sums.py").write_text(SUMS, "utf-8")
    student.write(("return self.count", "return self.count +"))
    plain = " ".join(student("status").out.split())
    assert "made/sums.py cannot be used as it is, because of numbers.py, line 26: " in plain
    assert "made/numbers.py cannot be used as it is, line 26: " in plain


def test_a_result_found_with_an_older_joined_module_is_said_and_found_anew(
    student: Student,
) -> None:
    student.write()
    student("complete", "21")
    sums = student.root / "made" / "sums.py"
    sums.write_text(SUMS, "utf-8")
    assert student("complete", "22").status == 0
    student.write(("LIMIT = 100", "LIMIT = 99"))
    student("test", "21")
    said = "made/sums.py was checked with an older made/numbers.py."
    for command in ((), ("list",)):
        out = " ".join(student(*command).out.split())
        assert said in out
        assert "tito test 22" in out
    assert "1/1" in student("list").out
    assert said not in student("status").out  # it checks again
    student.write()
    student("test", "21")
    assert said in " ".join(student("list").out.split())
    student("test", "22")
    assert said not in student("list").out


def test_modules_without_a_lesson_are_passed_over_with_a_word(student: Student) -> None:
    from tinytorch.course.progress import spanned

    student("start", "01")
    text = (Path(tinytorch.core.__path__[0]) / "tensor.py").read_text("utf-8")
    (student.root / "core" / "tensor.py").write_text(text, "utf-8")
    out = " ".join(student("complete", "01").out.split())
    assert "Next: tito start 06" in out
    assert "02 to 05 have no lesson yet: the reference serves." in out
    assert spanned(["02"]) == "02 has"
    assert spanned(["02", "04"]) == "02 and 04 have"


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
