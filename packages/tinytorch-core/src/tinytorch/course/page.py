"""A lesson as one HTML page that needs nothing else: no network, no further file, both themes.

Figures and plots are inline SVG; hints, rubrics and answers are folded; no solution stands in it.
Left out: the site, which draws the same lessons among its other pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.python import PythonLexer

from tinytorch.course.answers import OPTION, answer
from tinytorch.course.catalogue import Subject
from tinytorch.course.demonstrations import Shown
from tinytorch.course.figures import FIGURE, inline
from tinytorch.course.lesson import Exercise, Part
from tinytorch.course.plotting import as_svg
from tinytorch.course.reading import bug_text, check_line, points, what_follows
from tinytorch.course.skeleton import skeleton
from tinytorch.course.source import text_of

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --page: #fff; --box: #f4f6f8;
  --line: #d8dde3; --accent: #2a6db0 }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe4ea; --soft: #9aa5b3; --page: #15191f;
  --box: #1e242c; --line: #343c47; --accent: #7ab3ea } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 51rem; color: var(--ink);
  background: var(--page); font: 1.05rem/1.6 system-ui, sans-serif; overflow-wrap: break-word }
h1, h2, h3 { line-height: 1.25; margin: 2.2em 0 .6em }
h1 { margin-top: 0 } h2 { border-bottom: 1px solid var(--line); padding-bottom: .25em }
a { color: var(--accent) }
nav ul { padding-left: 1.2em; color: var(--soft) }
pre { overflow-x: auto; padding: .8em 1em; border-radius: 6px; background: var(--box);
  font: .8rem/1.55 ui-monospace, monospace; margin: .8em 0 }
code { font-family: ui-monospace, monospace; font-size: .92em }
:not(pre) > code { background: var(--box); padding: .1em .3em; border-radius: 4px }
pre span { text-decoration: none !important }
pre.output { background: none; border: 1px solid var(--line) }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid var(--line); padding: .35em .8em; text-align: left }
figure { margin: 1.5em 0; text-align: center; overflow-x: auto }
figcaption { color: var(--soft); font-size: .9em }
svg { max-width: 100%; height: auto } svg.plot { width: 100% }
@media (max-width: 40rem) { svg:not(.plot) { max-width: none; min-width: 31rem } }
.box { border: 1px solid var(--line); border-left: 4px solid var(--accent); border-radius: 6px;
  padding: .2em 1.1em 1em; margin: 1.5em 0 }
.box h3 { margin: .8em 0 .4em } .soft, summary { color: var(--soft) } summary { cursor: pointer }
details { margin: .4em 0 }
blockquote { margin-left: 0; padding-left: 1em; border-left: 3px solid var(--line) }
"""
LIGHT, DARK = HtmlFormatter(style="default"), HtmlFormatter(style="native")


def page(about: Subject, shown: Mapping[int, Shown]) -> str:
    """Return the page, with what the demonstrations came to where that is known."""
    lesson = about.lesson
    return _Page(about, shown).whole(
        f"{lesson.number} {lesson.title}",
        f"<p><em>{escape(str(lesson.meta['capability']))}</em></p>"
        f"<p class='soft'>{lesson.meta['reading_minutes']} minutes to read, "
        f"{lesson.meta['coding_minutes']} to code. Beside it: "
        f"{escape(str(lesson.meta['chapter']))}.</p>",
    )


class _Page:
    def __init__(self, about: Subject, shown: Mapping[int, Shown]) -> None:
        self.about = about
        self.shown = shown
        self.start = skeleton(about)
        self.markdown = MarkdownIt("commonmark", {"html": False, "highlight": _code})
        self.markdown.enable("table")
        self.sections: list[tuple[str, str]] = []  # anchor and title
        self.figures = 0

    def whole(self, title: str, head: str) -> str:
        body = "\n".join(self.part(part) for part in self.about.lesson.parts)
        body += self.prose(what_follows(self.about.lesson))
        listed = "".join(f'<li><a href="#{a}">{escape(t)}</a></li>' for a, t in self.sections)
        colours = (
            f"{LIGHT.get_style_defs('pre')}\n@media (prefers-color-scheme: dark) {{\n"
            f"{DARK.get_style_defs('pre')}\n}}\npre {{ background: var(--box) }}"
        )
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title)} · TinyTorch</title>\n<style>{STYLE}{colours}</style>\n"
            f"</head>\n<body>\n<header><h1>{escape(title)}</h1>{head}</header>\n"
            f"<nav><ul>{listed}</ul></nav>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
        )

    def part(self, part: Part) -> str:
        found = self.shown.get(part.line)
        if part.kind == "prose":
            return self.prose(part.body)
        if part.kind == "python":
            return _pre(part.body) + _output(found.output if found else "")
        if part.kind == "torch":
            return "<p>With PyTorch:</p>" + _pre(part.body)
        if part.kind == "output":
            return _output(part.body)
        if part.kind == "plot":
            return self.plot(part, found)
        if part.kind == "given":
            code = "\n\n\n".join(text_of(self.start, name) for name in part.names)
            names = ", ".join(f"<code>{escape(name)}</code>" for name in part.names)
            return f"<details><summary>Given: {names}</summary>{_pre(code)}</details>"
        if part.kind == "exercise":
            return self.exercise(self.about.lesson.exercise(part.names[0]))
        if part.kind == "bug":
            return self.prose(bug_text(part, self.about.lesson)) + _pre(part.body)
        if part.kind == "reflect":
            rubric = "".join(f"<li>{self.line(r)}</li>" for r in part.options.get("rubric", []))
            return self.prose(part.body) + _folded("What a good answer holds", f"<ul>{rubric}</ul>")
        return self.quiz(part)

    def prose(self, text: str) -> str:
        """Markdown as HTML, with figures in place and sections that the contents can link to."""
        pieces = []
        for paragraph in re.split(r"\n{2,}", text) if FIGURE.search(text) else [text]:
            figure = FIGURE.fullmatch(paragraph.strip())
            body = self.figure(figure[1], figure[2]) if figure else self.markdown.render(paragraph)
            pieces.append(body)
        return re.sub(r"<h2>(.*?)</h2>", self.section, "\n".join(pieces))

    def line(self, text: str) -> str:
        return str(self.markdown.renderInline(text))

    def section(self, heading: re.Match[str]) -> str:
        anchor = f"section-{len(self.sections) + 1}"
        self.sections.append((anchor, re.sub(r"<[^>]*>", "", heading[1])))
        return f'<h2 id="{anchor}">{heading[1]}</h2>'

    def figure(self, description: str, file: str) -> str:
        """A figure in its place, or what it would show where its file is missing."""
        self.figures += 1
        path = self.about.lesson.path.parent / file
        found = inline(path, description, self.figures)
        return found or f"<p><em>Figure: {escape(description)}</em></p>"

    def plot(self, part: Part, found: Shown | None) -> str:
        title = escape(part.names[0])
        code = _folded("How it was measured", _pre(part.body))
        if found is None or not found.curves:
            return f"<p>{title}</p>{_pre(part.body)}"
        svg = as_svg(found.curves, part.names[0], part.option("x_label"), part.option("y_label"))
        return f"<figure>{svg}<figcaption>{title}</figcaption></figure>{code}"

    def exercise(self, exercise: Exercise) -> str:
        needs = ", ".join(f"<code>{escape(need)}</code>" for need in exercise.needs)
        names = ", ".join(f"<code>{escape(name)}</code>" for name in exercise.names)
        code = "\n\n\n".join(text_of(self.start, name) for name in exercise.names)
        hints = "".join(
            _folded(f"Hint {i} of {len(exercise.hints)}", self.prose(hint))
            for i, hint in enumerate(exercise.hints, 1)
        )
        return (
            f'<section class="box"><h3>Exercise: {names}</h3>'
            f'<p class="soft">{points(exercise)}{f", builds on {needs}" if needs else ""}. Check: '
            f"{self.line(check_line(self.about.lesson, exercise))}</p>"
            f"{_pre(code)}{hints}</section>"
        )

    def quiz(self, part: Part) -> str:
        question: list[str] = []
        options: list[str] = []
        for line in part.body.splitlines():
            option = OPTION.match(line)
            if option:
                options.append(option[2])
            else:
                question.append(line)
        listed = "".join(f"<li>{self.line(text)}</li>" for text in options)
        return (
            f'<section class="box">{self.prose(chr(10).join(question))}'
            f'<ol type="a">{listed}</ol>{_folded("Answer", self.prose(answer(part)))}</section>'
        )


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def _code(code: str, language: str, _: str) -> str:
    """For markdown-it: the inside of a block of code."""
    if language not in ("python", "py"):
        return ""
    return highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))


def _pre(code: str) -> str:
    return f"<pre><code>{_code(code, 'python', '')}</code></pre>"


def _output(text: str) -> str:
    return f'<pre class="output">{escape(text.rstrip())}</pre>' if text.strip() else ""
