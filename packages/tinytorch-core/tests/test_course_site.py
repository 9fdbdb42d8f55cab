"""Lessons as pages of the site: every part is there, and what gives an answer away is folded."""

import re
from pathlib import Path

import pytest
from made_course import Student, at_a_prompt

from tinytorch.course import site
from tinytorch.course.catalogue import Subject, lesson_path, modules, subject
from tinytorch.course.demonstrations import Shown, shown
from tinytorch.course.figures import inline
from tinytorch.course.lesson import read
from tinytorch.course.tiers import CourseModule, Tier, tiers

pytestmark = pytest.mark.once

FRONT = """\
+++
number = "21"
title = "Numbers"
module = "tinytorch.made.numbers"
reading_minutes = 1
coding_minutes = 1
prerequisites = []
capability = "-"
chapter = "-"
+++
"""


@pytest.fixture(autouse=True)
def student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    return at_a_prompt(tmp_path, monkeypatch, capsys)


def numbers() -> Subject:
    return subject("tinytorch.made.numbers")


def with_text(text: str) -> Subject:
    """The made lesson's module with another lesson in its file."""
    known = numbers()
    known.lesson.path.write_text(FRONT + text, "utf-8")
    return Subject(read(known.lesson.path), known.checks)


def made_page(about: Subject) -> str:
    return site.page(about, shown(about.lesson))


def unfolded(page: str) -> str:
    """What a reader sees of a page without opening a folded block."""
    seen: list[str] = []
    folded = -1  # the indentation of the block that is being skipped
    for line in page.splitlines():
        depth = len(line) - len(line.lstrip())
        if line.strip() and depth <= folded:
            folded = -1
        if line.lstrip().startswith("??? "):
            folded = depth
        if folded < 0:
            seen.append(line)
    return "\n".join(seen)


def test_a_page_holds_every_part_of_its_lesson() -> None:
    page = made_page(numbers())
    for part in (
        "# 21 Numbers",
        "*Can I compute with Numbers?*",
        "2 minutes to read, 3 to code; 3 exercises, 6 points",
        "Numbers **matter**. See [the page](https://example.org/numbers).",
        '??? abstract "Given: `helper`"',
        "### Exercise: `double` { #exercise-double }",
        '!!! exercise "2 points"',
        "Check it: `tito test 21 double`",
        'raise NotImplementedError("21 · double")',
        '    ??? tip "Hint 2 of 2"\n\n        `x + x`',
        "It builds on `double`.",
        "``` { .text .output }\n42\n```",
        '```python title="double, with a bug"\ndef double(x):\n    return 3 * x\n```',
        '    ??? note "What a good answer holds"\n\n        - names addition',
        "    1. 3\n    1. 4\n",
        '    ??? success "Answer"\n\n        b. 2 + 2',
        "## Next",
    ):
        assert part in page, part


def test_solutions_hints_and_answers_are_folded() -> None:
    page = made_page(numbers())
    seen = unfolded(page)
    for hidden in (
        "    # the way of the reference\n",
        "return double(double(x))",
        "self.count += 1",
        "Think of addition.",
        "names addition",
        "b. 2 + 2",
    ):
        assert hidden in page, hidden
        assert hidden not in seen, hidden
    assert page.count('??? success "Solution"') == 3


def test_a_figure_stands_inline_with_its_description_and_a_missing_one_is_an_error() -> None:
    page = made_page(numbers())
    assert '<figure role="img" aria-label="A circle around a dot"><svg width="9"' in page
    assert "figures/" not in page
    with pytest.raises(site.SiteError, match=r"21_numbers\.md: there is no figure figures/no\.svg"):
        site.page(with_text("## Why\n\n![A square](figures/no.svg)\n"), {})


def test_figures_on_one_page_keep_their_ids_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text('<svg width="5" viewBox="0 0 9 9"><g id="x"/><path fill="url(#x)"/></svg>')
    first, second = inline(path, "A", 1), inline(path, "B", 2)
    assert first is not None
    assert second is not None
    assert 'id="figure-1-x"' in first
    assert 'url(#figure-1-x)"' in first
    assert 'id="figure-2-x"' in second
    assert first.count("width=") == 1


@pytest.mark.parametrize("found", [None, Shown(error="NameError: no")])
def test_a_demonstration_without_a_result_is_an_error(found: Shown | None) -> None:
    about = with_text("## Use\n\n```python\nno\n```\n")
    [line] = [part.line for part in about.lesson.parts if part.kind == "python"]
    said = found.error if found else "it never ran"
    with pytest.raises(site.SiteError, match=rf"21_numbers\.md:{line}: {said}"):
        site.page(about, {line: found} if found else {})


def test_a_plot_is_drawn_from_its_points_and_one_without_points_is_an_error() -> None:
    about = with_text("## Measure\n\n```{plot} Growth\nx_label: n\n{'a': [(1, 2), (2, 4)]}\n```\n")
    page = made_page(about)
    assert "<figcaption>Growth</figcaption>" in page
    assert page.count("<circle") == 2
    assert "{'a': [(1, 2), (2, 4)]}" not in unfolded(page)
    with pytest.raises(site.SiteError, match="no points"):
        made_page(with_text("## Measure\n\n```{plot} Growth\n{}\n```\n"))


def test_the_list_names_every_module_once_and_leads_to_the_lessons_there_are() -> None:
    text = site.modules_list(tiers())
    for module in modules():
        assert len(re.findall(rf"^\| \[?{module.number} {module.title}\b", text, re.M)) == 1
    assert "| [21 Numbers](21_numbers.md) | 2 minutes to read, 3 to code |" in text
    assert "| 23 Unwritten | not written yet |" in text
    assert "## tinytorch-made\n\nMade up.\n" in text


def test_a_module_that_is_only_planned_is_listed() -> None:
    planned = Tier("t", "t", "later", (CourseModule("99", "Later", "tinytorch.core.later"),))
    assert "| 99 Later | not written yet |" in site.modules_list([planned])


def test_every_lesson_of_the_installed_tiers_gets_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [module for module in modules() if module.number > "20"]
    monkeypatch.setattr(site, "modules", lambda: made)
    site.main(str(tmp_path / "pages"))
    written = {path.name for path in (tmp_path / "pages").iterdir()}
    assert written == {path.name for m in made if (path := lesson_path(m.module))}
    assert written == {"21_numbers.md", "22_sums.md"}
