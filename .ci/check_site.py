"""Check lessons and records on a built site: `python .ci/check_site.py SITE`.

Every lesson of the installed tiers has a page, which the menu leads to; its figures and plots stand
on it, each with a size and ids of its own; its Markdown was read as CommonMark reads it; solutions,
hints and answers are inside folded blocks only, and no search shows a solution there (the API pages
hold the whole source); every module has its row in the list of lessons. Every record of a milestone
has its command, its gates as measured, and its figures on the page of milestones.
Left out: links (mkdocs), resources (`offline_site.py`), and what demonstrations print, without
which `tinytorch.course.site` makes no page.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter
from html import escape
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt

from tinytorch.core.milestones.result import Gate
from tinytorch.course.catalogue import Subject, lesson_path, modules, subject
from tinytorch.course.figures import FIGURE
from tinytorch.course.skeleton import solution

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"}
RECORDS = sorted((Path(__file__).resolve().parents[1] / "docs" / "records").glob("*.json"))
SHORTEST = 60  # characters: a solution shorter than that may also be somebody's example


class Page(HTMLParser):
    """The article of a page: its text outside and inside of folded blocks, figures and ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside, self.folded = "", ""
        self.figures: list[bool] = []  # whether each has a size of its own
        self.ids: list[str] = []
        self.references: list[str] = []
        self.feed(html[html.index("<article") : html.index("</article>")])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [values["id"]] if "id" in values else []
        for value in values.values():
            self.references += re.findall(r"url\(#([^)]+)\)", value)
        if tag == "svg" and "figure" in self.open:
            self.figures.append("width" in values or values.get("class") == "plot")

    def handle_endtag(self, tag: str) -> None:
        while tag in self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "details" in self.open:
            self.folded += data
        else:
            self.outside += data


def faults(about: Subject, html: str) -> list[str]:
    """Say what is wrong with the page of a lesson."""
    page = Page(html)
    outside, folded = _flat(page.outside), _flat(page.folded)
    found = [f"the id {name} stands twice" for name, n in Counter(page.ids).items() if n > 1]
    found += [f"nothing has the id {name}" for name in set(page.references) - set(page.ids)]
    lesson = about.lesson
    prose = "\n\n".join(part.body for part in lesson.parts if part.kind == "prose")
    wanted = len(FIGURE.findall(prose)) + sum(part.kind == "plot" for part in lesson.parts)
    if len(page.figures) != wanted:
        found.append(f"{len(page.figures)} figures and plots stand on it, and not {wanted}")
    if not all(page.figures):
        found.append("a figure has no width")
    for exercise in lesson.exercises:
        if _flat(f"tito test {lesson.number} {exercise.id}") not in outside:
            found.append(f"the exercise {exercise.id} is missing")
        for body in bodies(solution(about, exercise)):
            if _flat(body) not in folded:
                found.append(f"the solution of {exercise.id} is missing")
            if len(_flat(body)) >= SHORTEST and _flat(body) in outside:
                found.append(f"the solution of {exercise.id} can be seen")
        for hint in exercise.hints:
            if _words(hint) not in _words(folded) or _words(hint) in _words(outside):
                found.append(f"a hint of {exercise.id} is missing, or can be seen: {hint[:40]}")
    for part in lesson.parts:
        for hidden in [*part.options.get("rubric", []), *part.options.get("why", [])]:
            if _words(hidden) not in _words(folded) or _words(hidden) in _words(outside):
                found.append(f"an answer is missing, or can be seen: {hidden[:40]}")
    expected = Page(f"<article>{MarkdownIt().enable('table').render(prose)}</article>")
    missing = [w for w in _paragraphs(expected) if w not in _words(outside)]
    found += [
        f"this is not on it, or Markdown read it otherwise: {words[:60]}" for words in missing
    ]
    return found


def searched(about: Subject, index: str) -> list[str]:
    """Say which solutions a search would show of the lesson's page."""
    page = f"lessons/{about.lesson.path.stem}/"
    entries = [e["text"] for e in json.loads(index)["docs"] if e["location"].startswith(page)]
    text = _flat(" ".join(entries))
    return [
        f"a search shows the solution of {exercise.id}"
        for exercise in about.lesson.exercises
        for body in bodies(solution(about, exercise))
        if len(_flat(body)) >= SHORTEST and _flat(escape(body, quote=False)) in text
    ]


def unrecorded(html: str) -> list[str]:
    """Say what the page of milestones lacks of the records."""
    page = Page(html)
    outside = _flat(page.outside)
    found, figures = [], 0
    for path in RECORDS:
        record = json.loads(path.read_text("utf-8"))
        figures += len(record["curves"]) + sum("confusion" in name for name in record["numbers"])
        shown = [record["command"], f"Commit {record['commit']}"]
        for entry in (*record["gates"], *record["goals"]):
            gate = Gate(**{key: value for key, value in entry.items() if key != "passed"})
            shown.append(f"{gate.what} {gate.written(gate.value)} {gate.wanted} {gate.verdict}")
        found += [
            f"milestones: {path.stem}: this is not on it: {words}"
            for words in shown
            if _flat(words) not in outside
        ]
    if len(page.figures) != figures or not all(page.figures):
        found.append(f"milestones: not {figures} figures stand on it, each with a width")
    return found


def bodies(source: str) -> list[str]:
    """The code of each definition without signature and docstring."""
    found = []
    for node in ast.parse(source).body:
        assert isinstance(node, ast.FunctionDef)
        first = node.body[1] if ast.get_docstring(node) else node.body[0]
        found.append("\n".join(source.splitlines()[first.lineno - 1 : node.end_lineno]))
    return found


def _flat(text: str) -> str:
    return "".join(text.split())


def _words(text: str) -> str:
    return "".join(re.findall(r"\w", text))


def _paragraphs(page: Page) -> list[str]:
    return [_words(line) for line in page.outside.splitlines() if _words(line)]


def main(site: Path) -> None:
    wrong: list[str] = []
    menu = (site / "index.html").read_text("utf-8")
    count = 0
    known = modules()
    index = (site / "search" / "search_index.json").read_text("utf-8")
    for module in known:
        path = lesson_path(module.module)
        if path is None:
            continue
        count += 1
        page = site / "lessons" / path.stem / "index.html"
        if f'href="lessons/{path.stem}/"' not in menu:
            wrong.append(f"the menu does not lead to {path.stem}")
        if not page.is_file():
            wrong.append(f"{path.stem} has no page")
            continue
        about = subject(module.module)
        found = faults(about, page.read_text("utf-8")) + searched(about, index)
        wrong += [f"{path.stem}: {fault}" for fault in found]
    listed = Page((site / "lessons" / "index.html").read_text("utf-8")).outside
    names = [f"{module.number} {module.title}" for module in known]
    wrong += [f"the list of lessons lacks {name}" for name in names if name not in listed]
    wrong += unrecorded((site / "milestones" / "index.html").read_text("utf-8"))
    if wrong:
        sys.exit("the lessons and records on the site:\n  " + "\n  ".join(wrong))
    print(f"{count} lessons and {len(RECORDS)} records stand on the site with all their parts")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
