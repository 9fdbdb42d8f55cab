"""tito try and the answers' file: Python in which an unfinished file counts, and room for words."""

import builtins
import sys
from pathlib import Path

import pytest
from made_course import NUMBERS, Student, at_a_prompt

from tinytorch.course.catalogue import subject
from tinytorch.tito.trying import _import_of

if sys.platform != "win32":
    from terminal import Terminal


@pytest.fixture
def student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    return at_a_prompt(tmp_path, monkeypatch, capsys)


PLAY = """\
import sys
from tinytorch.made.numbers import LIMIT
open("said.txt", "w").write(f"{LIMIT} {sys.argv[1:]}")
"""


@pytest.mark.parametrize("named", [("21",), ("numbers",), ()])
def test_a_script_runs_with_the_unfinished_file_and_its_exit_status_is_kept(
    named: tuple[str, ...], student: Student
) -> None:
    student.write(text=NUMBERS.replace("LIMIT = 100", "LIMIT = 7"))
    (student.root / "play.py").write_text(PLAY)
    assert student("try", *named, "play.py", "--flag", "x").status == 0
    assert (student.root / "said.txt").read_text() == "7 ['--flag', 'x']"
    (student.root / "play.py").write_text("raise SystemExit(3)")
    assert student("try", *named, "play.py").status == 3


def test_what_is_neither_a_module_nor_a_script_is_said(student: Student) -> None:
    student.write()
    done = student("try", "21", "paly.py")
    assert done.status == 2
    assert "There is no script 'paly.py'" in done.err
    assert student("try", "01").status == 1  # not begun


def test_what_is_recommended_takes_no_name_from_python() -> None:
    assert _import_of(subject("tinytorch.core.tensor").lesson) == "from tinytorch import Tensor"
    lesson = subject("tinytorch.core.autograd").lesson
    name = _import_of(lesson).rpartition(" ")[2]
    assert name in lesson.definitions
    assert name not in dir(builtins)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal")
def test_the_prompt_has_the_unfinished_file_and_survives_ctrl_c(tmp_path: Path) -> None:
    from made_course import install, student_environment, write_workspace

    pack = install(tmp_path)
    text = NUMBERS.replace("LIMIT = 100", "LIMIT = 7")
    root = write_workspace(tmp_path / "my", numbers=text)
    with Terminal(root, student_environment(pack)) as terminal:
        terminal.type("tito try 21\r")
        terminal.until(">>> ")
        terminal.type("\x03")
        terminal.type("\r")  # if it came before readline waited for a key, it is heard at the next
        terminal.until(r"KeyboardInterrupt[\s\S]*>>> ")
        terminal.type("from tinytorch.made.numbers import LIMIT; print('limit', LIMIT)\r")
        terminal.until(r"limit 7\s")
        terminal.type("exit()\r")
        assert "<0>> " in terminal.until(r"<\d+>> ")


def test_start_makes_room_for_answers_once_and_gives_none_of_them_away(student: Student) -> None:
    done = student("start", "21")
    place = student.root / "answers" / "21.md"
    assert f"Made {Path('answers', '21.md')}" in done.out
    text = place.read_text("utf-8")
    for part in ("### Why\n\nWhy double?", "Which is twice 2?", "- b) 4", "My answer:"):
        assert part in text
    for never in ("names addition", "[x]", "2 + 2"):
        assert never not in text
    place.write_text("mine", "utf-8")
    assert "answers" not in student("start", "21").out
    assert place.read_text("utf-8") == "mine"
    assert "answers" not in student("start", "22").out  # which asks nothing


def test_answers_are_shown_when_they_are_asked_for(student: Student) -> None:
    lesson = student("read", "21", "--no-run").out
    assert "tito read 21 --answers" in lesson
    assert "answers/21.md" in lesson
    for later in ("names addition", "2 + 2"):
        assert later not in lesson
    answers = student("read", "21", "--answers").out
    assert "- names addition" in answers
    assert "1. b. 2 + 2" in answers
    assert "Numbers **matter**" not in answers
    assert student("read", "22", "--answers").status == 1


def test_a_lesson_whose_next_one_is_missing_says_where_to_go_on(student: Student) -> None:
    plain = " ".join(student("read", "01", "--no-run").out.split())
    assert "02 to 05 have no lesson yet. Go on with 06, Autograd, on the reference" in plain
    assert "`tito start 06`" in plain
    assert "no lesson yet" not in student("read", "21", "--no-run").out  # 22 is written
    assert "No later lesson is written yet" in student("read", "22", "--no-run").out
    student("read", "01", "--no-run", "--html", "page.html")
    assert "02 to 05 have no lesson yet" in (student.root / "page.html").read_text("utf-8")


def test_an_exercise_of_several_definitions_says_that_any_name_will_do(student: Student) -> None:
    text = student("read", "01", "--no-run").out
    assert "`tito test 01 sub` (any of its names will do)" in text
    assert "`tito test 01 add`. " in text
    student("start", "01")
    assert "not written  sub" in student("test", "01", "pow").out
