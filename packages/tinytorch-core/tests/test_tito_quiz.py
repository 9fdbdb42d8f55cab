"""tito quiz, and what tito names as still open: letters are marked, and nothing is given away."""

from pathlib import Path

import pytest
from made_course import Student, at_a_prompt

from tinytorch.course.answers import template
from tinytorch.course.catalogue import subject
from tinytorch.course.lesson import parse
from tinytorch.course.marking import marks, unanswered


@pytest.fixture
def student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    return at_a_prompt(tmp_path, monkeypatch, capsys)


def answered(student: Student, letters: str = "", words: str = "") -> None:
    """Save answers/21.md with this answer to the quiz and these words on the question."""
    file = student.root / "answers" / "21.md"
    before, room, after = template(subject("tinytorch.made.numbers").lesson).rpartition(
        "My answer:"
    )
    file.write_text(before.replace(room, f"{room} {words}") + f"{room} {letters}{after}", "utf-8")


def test_letters_are_marked_and_the_right_one_is_not_given_away(student: Student) -> None:
    student("start", "21")
    done = student("quiz", "21")
    assert done.status == 1
    assert "open   1 Which is twice 2?" in done.out
    assert "0 of 1 right, 0 wrong, 1 open" in done.out
    answered(student, "a")
    done = student("quiz", "21")
    assert done.status == 1
    assert "wrong  1 Which is twice 2?" in done.out
    assert "b" not in done.out.partition("twice 2?")[2].partition("Write letters")[0]
    assert "2 + 2" not in done.out
    answered(student, "b) because 2 + 2")
    done = student("quiz")
    assert done.status == 0
    assert "1 of 1 right" in done.out
    assert "tito read 21 --answers" in done.out


def test_a_lesson_without_a_quiz_or_a_file_says_so(student: Student) -> None:
    assert "has no quiz" in student("quiz", "22").err
    assert "tito start 21" in student("quiz", "21").err


TWO = """\
+++
number = "30"
title = "Two"
module = "m"
reading_minutes = 1
coding_minutes = 1
prerequisites = []
capability = "c"
chapter = "c"
+++
## Reflect

```{reflect} one
One?
```

```{reflect} two-words
Two?
```

## Quiz

```{quiz}
Which?

- [x] p
- [ ] q
- [x] r
why: so
```

```{quiz}
And this?

- [ ] p
- [x] q
why: so
```
"""


@pytest.mark.parametrize(
    ("said", "mark"),
    [
        ("a, c", "right"),
        ("C and A.", "right"),
        ("a c", "right"),
        ("a) and c), for reasons", "right"),
        ("a, b, c", "wrong"),
        ("a", "wrong"),
        ("c, a stride is a number", "wrong"),
        ("perhaps", "open"),
        ("", "open"),
    ],
)
def test_only_letters_that_begin_an_answer_count(said: str, mark: str) -> None:
    lesson = parse(TWO, Path("30_two.md"))
    first, _, second = template(lesson).partition("**2.**")
    text = first.rstrip() + f" {said}\n\n**2.**" + second
    assert marks(lesson, text) == [mark, "open"]
    assert marks(lesson, "") == ["open", "open"]


def test_a_reflection_is_open_until_something_is_written() -> None:
    lesson = parse(TWO, Path("30_two.md"))
    assert unanswered(lesson, "") == ["one", "two-words"]
    text = template(lesson)
    assert unanswered(lesson, text) == ["one", "two-words"]
    written = text.replace("One?\n\nMy answer:", "One?\n\nMy answer: yes")
    assert unanswered(lesson, written) == ["two-words"]


def test_complete_and_status_name_what_is_still_open(student: Student) -> None:
    student("start", "21")
    student.write()
    everything = "Still open in 21: the bug (tito bug 21); quiz 1 (tito quiz 21); reflections why"
    assert everything in " ".join(student("complete", "21").out.split())
    answered(student, "b", "because")
    assert "Still open in 21: the bug (tito bug 21).\n" in student("status").out
    student("bug", "21")
    operands = student.root / "answers" / "21_bug.py"
    operands.write_text("def inputs():\n    return (2,)\n", "utf-8")
    assert student("bug", "21").status == 0
    assert "Still open" not in student("status").out
    operands.write_text("def inputs():\n    return (0,)\n", "utf-8")
    assert "the bug (tito bug 21)" in student("status").out
