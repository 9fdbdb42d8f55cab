"""A lesson: one Markdown file beside its module, parsed into parts that everything else is made of.

Front matter in TOML between two lines `+++`; then Markdown, in which fences named in braces say
what to do: ```` ```{exercise} unbroadcast ````. A fence may hold `key: value` lines (which go on in
indented ones); what is left is its body. From this one parse come the skeleton, the notebook,
the page and the checks' order. Left out: what they are made into.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DIRECTIVES = {"given", "exercise", "plot", "torch", "output", "bug", "reflect", "quiz"}
SECTIONS = (
    "Why",
    "Concept",
    "Build",
    "Use",
    "Measure",
    "Find the bug",
    "Compare with PyTorch",
    "Reflect",
    "Quiz",
    "Next",
)
REQUIRED = {
    "number": str,
    "title": str,
    "module": str,
    "reading_minutes": int,
    "coding_minutes": int,
    "prerequisites": list,
    "capability": str,
    "chapter": str,
}


class LessonError(ValueError):
    """A lesson that cannot be read, with file, line and what is wrong."""


@dataclass(frozen=True)
class Part:
    """A piece of a lesson, in order: prose, a demonstration, or a directive."""

    kind: str  # "prose", "python", or one of DIRECTIVES
    line: int  # where it begins in the file, from 1
    body: str
    names: tuple[str, ...] = ()
    options: dict[str, list[str]] = field(default_factory=dict)  # each key with all its values

    def option(self, key: str, default: str = "") -> str:
        """The value of a key that may stand once."""
        return self.options.get(key, [default])[0]


@dataclass(frozen=True)
class Exercise:
    """Something to write: one or more definitions, points, what must work first, and hints."""

    id: str
    names: tuple[str, ...]
    points: int
    needs: tuple[str, ...]
    hints: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Lesson:
    """A parsed lesson."""

    path: Path
    meta: dict[str, Any]
    parts: tuple[Part, ...]

    @property
    def number(self) -> str:
        return str(self.meta["number"])

    @property
    def title(self) -> str:
        return str(self.meta["title"])

    @property
    def module(self) -> str:
        return str(self.meta["module"])

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """The exercises, in the order of the lesson."""
        return tuple(
            Exercise(
                id=part.names[0],
                names=part.names,
                points=int(part.option("points", "1")),
                needs=tuple(part.option("needs").replace(",", " ").split()),
                hints=tuple(part.options.get("hint", ())),
                line=part.line,
            )
            for part in self.parts
            if part.kind == "exercise"
        )

    def exercise(self, name: str) -> Exercise:
        """Return an exercise by id or by the name of a definition in it. Raises LessonError."""
        for exercise in self.exercises:
            if name == exercise.id or name in exercise.names:
                return exercise
        known = ", ".join(e.id for e in self.exercises)
        raise LessonError(f"lesson {self.number} has no exercise {name!r}; it has {known}")

    @property
    def definitions(self) -> tuple[str, ...]:
        """The definitions that the lesson names, given and exercised, in its order."""
        return tuple(n for p in self.parts if p.kind in ("given", "exercise") for n in p.names)


def read(path: Path) -> Lesson:
    """Parse a lesson file. Raises LessonError, with the line, for what cannot be understood."""
    return parse(path.read_text("utf-8"), path)


def parse(text: str, path: Path) -> Lesson:
    """Parse the text of a lesson; `path` is for messages and for what lies beside it."""
    lines = text.splitlines()
    meta, start = _front_matter(lines, path)
    lesson = Lesson(path, meta, tuple(_parts(lines, start, path)))
    _check_order(lesson)
    _check_exercises(lesson)
    return lesson


def _front_matter(lines: list[str], path: Path) -> tuple[dict[str, Any], int]:
    if not lines or lines[0] != "+++" or "+++" not in lines[1:]:
        raise LessonError(f"{path}:1: a lesson begins with TOML between two lines +++")
    end = lines.index("+++", 1)
    try:
        meta = tomllib.loads("\n".join(lines[1:end]))
    except tomllib.TOMLDecodeError as error:
        raise LessonError(f"{path}:1: front matter: {error}") from None
    for key, kind in REQUIRED.items():
        if not isinstance(meta.get(key), kind):
            found = "missing" if key not in meta else f"{meta[key]!r}"
            raise LessonError(f"{path}:1: front matter: {key} must be {kind.__name__}, is {found}")
    return meta, end + 1


def _parts(lines: list[str], start: int, path: Path) -> list[Part]:
    parts: list[Part] = []
    prose_from = i = start
    while i < len(lines):
        fence = re.match(r"(`{3,})(.*)$", lines[i])
        if not fence:
            i += 1
            continue
        end = next((j for j in range(i + 1, len(lines)) if lines[j].strip() == fence[1]), None)
        if end is None:
            raise LessonError(f"{path}:{i + 1}: this fence is never closed")
        part = _fence(fence[2].strip(), lines[i + 1 : end], i + 1, path)
        if part is not None:
            parts += _prose(lines, prose_from, i)
            parts.append(part)
            prose_from = end + 1
        i = end + 1
    return parts + _prose(lines, prose_from, len(lines))


def _prose(lines: list[str], start: int, end: int) -> list[Part]:
    body = "\n".join(lines[start:end]).strip("\n")
    return [Part("prose", start + 1, body)] if body.strip() else []


def _fence(info: str, body: list[str], line: int, path: Path) -> Part | None:
    """Return the part that a fence is, or None for one that is only shown (```text)."""
    if info == "python":
        return Part("python", line, "\n".join(body))
    named = re.match(r"\{(\w+)\}\s*(.*)$", info)
    if not named:
        return None
    kind, rest = named.groups()
    if kind not in DIRECTIVES:
        known = ", ".join(sorted(DIRECTIVES))
        raise LessonError(f"{path}:{line}: no directive is called {kind!r}; there are {known}")
    if kind in ("torch", "output"):
        return Part(kind, line, "\n".join(body))
    options, left = _options(body)
    names = (rest,) if kind == "plot" else tuple(rest.replace(",", " ").split())
    if kind in ("given", "exercise", "bug", "reflect") and not names:
        raise LessonError(f"{path}:{line}: {{{kind}}} needs a name")
    return Part(kind, line, "\n".join(left).strip("\n"), names, options)


def _options(body: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Take the `key: value` lines, which may repeat, out of a fence; return what is left too."""
    options: dict[str, list[str]] = {}
    left: list[str] = []
    last = ""
    for text in body:
        option = re.match(r"(points|needs|hint|rubric|why|exercise|x_label|y_label): ?(.*)$", text)
        if option:
            last = option[1]
            options.setdefault(last, []).append(option[2].strip())
        elif last and text.startswith("  "):
            options[last][-1] += "\n" + text.strip()
        else:
            last = ""
            left.append(text)
    return options, left


def _check_order(lesson: Lesson) -> None:
    """Level-2 headings come in the order of SECTIONS; Concept and Build may take turns."""
    at = 0
    for part in lesson.parts:
        if part.kind != "prose":
            continue
        for offset, text in enumerate(part.body.splitlines()):
            if not text.startswith("## "):
                continue
            name = text[3:].partition(":")[0].strip()
            place = f"{lesson.path}:{part.line + offset}"
            if name not in SECTIONS:
                raise LessonError(f"{place}: a section is one of {', '.join(SECTIONS)}, not {name}")
            here = SECTIONS.index("Build") if name == "Concept" else SECTIONS.index(name)
            if here < at:
                raise LessonError(f"{place}: {name} comes before {SECTIONS[at]}")
            at = here


def _check_exercises(lesson: Lesson) -> None:
    seen: set[str] = set()
    for exercise in lesson.exercises:
        place = f"{lesson.path}:{exercise.line}"
        unknown = [n for n in exercise.needs if n not in seen]
        if unknown:
            raise LessonError(f"{place}: {exercise.id} needs {unknown[0]!r}, not an exercise above")
        if not exercise.hints:
            raise LessonError(f"{place}: {exercise.id} has no hint")
        twice = [n for n in exercise.names if n in seen]
        if twice:
            raise LessonError(f"{place}: {twice[0]} stands in the lesson twice")
        seen.update(exercise.names)
