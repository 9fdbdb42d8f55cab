"""`tito read`: a lesson in the terminal, page by page, or as one HTML file.

Left out: what stands in it (`course/reading.py`, `course/page.py`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinytorch.course.catalogue import Subject, find_module, lesson_path, subject, unknown_module
from tinytorch.course.overlay import find
from tinytorch.tito.choosing import choose

if TYPE_CHECKING:
    from tinytorch.course.demonstrations import Shown
    from tinytorch.tito.screen import Screen

CODE = "ansi_dark"  # the terminal's own colours, on its own background


@click.command()
@click.argument("module", required=False)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one self-contained page instead.",
)
@click.option("--pager/--no-pager", default=True, help="Page by page, or all at once.")
@click.option("--run/--no-run", default=True, help="Run what the lesson shows, for its output.")
@click.option("--answers", is_flag=True, help="What good answers to its questions hold, instead.")
def read(module: str | None, html: Path | None, pager: bool, run: bool, answers: bool) -> None:
    """Read the lesson of a module. Without one: of the module last worked at."""
    from tinytorch.tito.screen import Screen

    about = _about(module)
    screen = Screen()
    if answers:
        _show_answers(screen, about, pager)
        return
    found = _demonstrations(screen, about) if run else {}
    if html is not None:
        from tinytorch.course.page import page
        from tinytorch.course.workspace import write

        write(html.absolute(), page(about, found))
        screen.say(f"Written: {html}", "good")
        return
    _show(screen, about, found, pager)


def _about(module: str | None) -> Subject:
    """The module named, in a workspace or not; without a name, the one last worked at."""
    if module is None and find() is not None:
        return choose(()).about
    if module is None:
        raise click.UsageError("Which lesson? As in: tito read 01")
    known = find_module(module)
    if known is None:
        raise click.UsageError(unknown_module(module))
    if lesson_path(known.module) is None:
        raise click.ClickException(f"module {known.number}, {known.title}, has no lesson yet")
    return subject(known.module)


def _demonstrations(screen: Screen, about: Subject) -> dict[int, Shown]:
    from tinytorch.course.demonstrations import shown
    from tinytorch.tito.live import passing

    with passing(screen) as show:
        show("running what the lesson shows ...")
        return shown(about.lesson)


def _show_answers(screen: Screen, about: Subject, paged: bool) -> None:
    from tinytorch.course.answers import key

    lesson = about.lesson
    text = key(lesson)
    if not text:
        raise click.ClickException(f"lesson {lesson.number} asks no questions")
    _print(screen, f"## {lesson.number} {lesson.title}: answers\n\n{text}", paged)


def _show(screen: Screen, about: Subject, found: dict[int, Shown], paged: bool) -> None:
    from tinytorch.course.reading import markdown

    lesson = about.lesson
    text = (
        f"## {lesson.number} {lesson.title}\n\n*{lesson.meta['capability']}*\n\n"
        f"{lesson.meta['reading_minutes']} minutes to read, {lesson.meta['coding_minutes']} to "
        f"code. Beside it: {lesson.meta['chapter']}.\n\n"
        + markdown(about, found, min(screen.width - 4, 72))
    )
    _print(screen, text, paged)


def _print(screen: Screen, text: str, paged: bool) -> None:
    """Markdown, drawn in a terminal, page by page where that is wanted; as it is elsewhere."""
    if not screen.is_terminal:  # Markdown is what plain text looks like
        screen.line(text.rstrip("\n"))
        return
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.theme import Theme

    theme = Theme(
        {
            "markdown.code": "bold",
            "markdown.h1": "bold underline",
            "markdown.h2": "bold underline",
            "markdown.h3": "bold",
            "markdown.block_quote": "italic",
        }
    )
    console = Console(
        width=min(screen.columns, 100),
        theme=theme,
        no_color=True if os.environ.get("NO_COLOR") else None,
        highlight=False,
    )
    body = Markdown(text, code_theme=CODE, justify="left", hyperlinks=False)
    if not paged:
        console.print(body)
        return
    os.environ.setdefault("LESS", "-R -F -X")  # colours; and a short lesson needs no key
    with console.pager(styles=not os.environ.get("NO_COLOR")):
        console.print(body)
