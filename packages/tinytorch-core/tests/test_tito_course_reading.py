"""`tito read`: the lesson as text and as a page, with what it shows really run, and no solution."""

import html.parser
import re
import sys
import time
from pathlib import Path

import pytest
from made_course import NUMBERS_LESSON, Student, at_a_prompt

from tinytorch.course.catalogue import Subject, subject
from tinytorch.course.changes import Changes
from tinytorch.course.demonstrations import Shown, shown
from tinytorch.course.lesson import Lesson, parse
from tinytorch.course.page import page
from tinytorch.course.plotting import Axis, as_svg, as_text
from tinytorch.course.reading import markdown


@pytest.fixture
def student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    return at_a_prompt(tmp_path, monkeypatch, capsys)


def lesson(folder: Path, body: str) -> Lesson:
    """A lesson file with the front matter of module 21 and another body."""
    front = NUMBERS_LESSON[: NUMBERS_LESSON.index("## Why")]
    path = folder / "21_numbers.md"
    path.write_text(front + body, "utf-8")
    return parse(front + body, path)


class Shape(html.parser.HTMLParser):
    """What a page refers to, and whether its elements are closed."""

    VOID = ("meta", "br", "hr", "img", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag


def test_a_lesson_is_read_as_text_with_what_it_prints_and_without_a_solution(
    student: Student,
) -> None:
    text = student("read", "21").out
    for part in (
        "# 21 Numbers",
        "Can I compute with Numbers?",
        "*Figure: A circle around a dot*",
        "### Exercise: quadruple, 3 points",
        "`tito hint 21 quadruple`",
        'raise NotImplementedError("21 · double")',
        "```text\n42\n```",
        "return 3 * x",  # the bug to be found
        "makes `answers/21_bug.py`",
        "- b) 4",
    ):
        assert part in text
    assert "the way of the reference" not in text
    assert "double(double(x))" not in text


def test_reading_needs_no_workspace_and_names_what_it_does_not_know(
    student: Student, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TINYTORCH_WORKSPACE")
    monkeypatch.chdir(tmp_path)
    assert "# 21 Numbers" in student("read", "numbers", "--no-run").out
    assert student("read").status == 2
    assert student("read", "99").status == 2
    assert student("read", "23").status == 1


def test_a_lesson_shows_the_reference_whatever_the_workspace_holds(student: Student) -> None:
    student.write(("helper(x) + x", "-1"))
    student.workspace.join("made/numbers.py")
    assert "```text\n42\n```" in student("read", "21").out


def test_the_page_is_one_file_that_needs_no_other(student: Student) -> None:
    assert student("read", "21", "--html", "page.html").status == 0
    text = (student.root / "page.html").read_text("utf-8")
    shape = Shape(text)
    assert shape.open == []
    outside = [link for link in shape.links if not link.startswith("#")]
    assert outside == ["https://example.org/numbers"]  # a link to follow, nothing to load
    for never in ("<script", "<link", "<img", "@import", "url(http"):
        assert never not in text
    assert "prefers-color-scheme: dark" in text
    assert all(link[1:] in shape.ids for link in shape.links if link.startswith("#"))


def test_the_page_folds_hints_and_answers_and_holds_no_solution(student: Student) -> None:
    student("read", "21", "--html", "page.html")
    text = (student.root / "page.html").read_text("utf-8")
    for folded in ("Hint 2 of 2", "Answer", "What a good answer holds"):
        assert f"<details><summary>{folded}</summary>" in text
    plain = re.sub(r"<[^>]*>", "", text)
    assert "21 · double" in plain
    assert "the way of the reference" not in plain
    assert "self.count += 1" not in plain
    assert '<pre class="output">42</pre>' in text
    assert '<figure role="img" aria-label="A circle around a dot"><svg' in text


def test_what_a_lesson_says_is_escaped_and_ids_of_figures_do_not_collide(
    student: Student, tmp_path: Path
) -> None:
    (tmp_path / "a.svg").write_text('<svg><g id="x"/><use href="#x"/><path fill="url(#x)"/></svg>')
    about = Subject(
        lesson(
            tmp_path,
            "## Why\n\n<b>1 < 2</b> & `a<b`\n\n![A](a.svg)\n\n![B](a.svg)\n\n![C](no.svg)\n",
        ),
        subject("tinytorch.made.numbers").checks,
    )
    text = page(about, {})
    assert "&lt;b&gt;1 &lt; 2" in text
    assert "<code>a&lt;b</code>" in text
    assert Shape(text).ids == ["section-1", "figure-1-x", "figure-2-x"]
    assert 'href="#figure-2-x"' in text
    assert "url(#figure-1-x)" in text
    assert "<em>Figure: C</em>" in text


def test_demonstrations_share_a_namespace_and_show_their_last_expression(tmp_path: Path) -> None:
    made = lesson(
        tmp_path,
        "```python\nx = 2\nprint(x)\nx + 1\n```\n```python\ny = x\n```\n"
        "```{plot} A title\nx_label: n\n\n{'line': [(1, x), (2, 4)]}\n```\n"
        "```python\nraise ValueError('no')\n```\n```python\n3\n```\n",
    )
    found = list(shown(made).values())
    assert found == [
        Shown("2\n3\n"),
        Shown(""),
        Shown("", {"line": [[1.0, 2.0], [2.0, 4.0]]}),
        Shown("", error="ValueError: no"),  # and nothing after it
    ]


def test_a_demonstration_that_takes_too_long_leaves_the_others(tmp_path: Path) -> None:
    made = lesson(tmp_path, "```python\n1\n```\n```python\nwhile True: pass\n```\n")
    assert [s.output for s in shown(made, seconds=5).values()] == ["1\n"]


def test_a_plot_is_text_in_the_terminal_and_svg_on_the_page(
    student: Student, tmp_path: Path
) -> None:
    code = "{'one': [(1, 1), (2, 4)], 'two': [(1, 2)]}"
    body = f"```{{plot}} Growth\nx_label: n\ny_label: s\n\n{code}\n```\n"
    about = Subject(lesson(tmp_path, body), subject("tinytorch.made.numbers").checks)
    found = shown(about.lesson)
    text = markdown(about, found, 60)
    assert "**Growth**, measured on this machine" in text
    assert "* one   o two" in text
    svg = page(about, found)
    assert '<svg viewBox="0 0 640 310" role="img" aria-label="Growth"' in svg
    assert svg.count("<polyline") == 2
    assert Shape(svg).open == []
    assert "[(1, 1), (2, 4)]" in markdown(about, {}, 60)  # not run: the code instead


def test_a_text_plot_has_its_points_where_their_numbers_say() -> None:
    rows = as_text({"a": [(0, 0), (10, 5), (20, 10)]}, "x", "y", 50, height=11)
    marks = [(i, row.index("*")) for i, row in enumerate(rows) if "*" in row]
    assert [i for i, _ in marks] == [1, 6, 11]  # the first row is the label
    right, middle, left = (column for _, column in marks)  # the highest row holds the last point
    assert left < middle < right
    assert (left + right) / 2 == pytest.approx(middle, abs=0.5)
    assert all(len(row) <= 50 for row in rows)


def test_the_label_of_an_axis_never_runs_into_its_numbers() -> None:
    curves = {"a": [(1, 1), (256, 2)]}
    for label in ("n", "layers, of 256 to 256 each, then ReLU; a batch of 256", "x" * 36):
        for width in (40, 52, 60, 100):
            rows = as_text(curves, label, "s", width)
            [axis] = [row for row in rows if row.rstrip().endswith("256") and "┤" not in row][:1]
            assert re.fullmatch(r" +1(  .*  | +)256", axis)
            assert "".join(label.split()) in "".join("".join(rows).split())
            assert all(len(row) <= width for row in rows)


@pytest.mark.parametrize(
    ("values", "logarithmic", "low"),
    [([1, 1000], True, 1), ([1, 50], False, 0), ([-1, 1000], False, -1), ([90, 100], False, 90)],
)
def test_an_axis_is_logarithmic_over_two_orders_and_starts_at_0_where_that_is_near(
    values: list[float], logarithmic: bool, low: float
) -> None:
    axis = Axis.over(values)
    assert (axis.logarithmic, axis.low) == (logarithmic, low)
    assert axis.place(axis.low) == 0
    assert axis.place(axis.high) == pytest.approx(1)
    assert 1 <= len(axis.ticks()) <= 8
    assert all(axis.low - 1e-9 <= tick <= axis.high * (1 + 1e-9) for tick in axis.ticks())


def test_one_point_alone_can_be_plotted() -> None:
    assert "*" in "\n".join(as_text({"a": [(1, 1)]}, "", "", 40))
    assert "<circle" in as_svg({"a": [(0, 0)]}, "", "", "")


def test_a_save_is_noticed_once_and_only_if_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)  # as if it were not installed
    file = tmp_path / "file.py"
    file.write_text("1")
    changes = Changes(file)
    assert not changes.changed()
    file.write_text("22")
    assert changes.changed()
    assert not changes.changed()
    file.write_text("22")  # saved as it was
    assert not changes.changed()
    file.unlink()
    assert not changes.changed()
    file.write_text("333")
    assert changes.changed()


def test_watchfiles_tells_of_a_save_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    file = tmp_path / "file.py"
    file.write_text("1")
    changes = Changes(file)
    time.sleep(0.5)  # it listens from another thread
    file.write_text("22")
    end = time.monotonic() + 20
    while not (noticed := changes.changed()) and time.monotonic() < end:
        time.sleep(0.05)
    assert noticed
    assert not changes.changed()
