"""Puts the definitions of a cell into the text of a student's file, and leaves all else as it is.

Left out: whether they belong there (`sync.py`).
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence

from tinytorch.course.catalogue import Subject
from tinytorch.course.lesson import Exercise
from tinytorch.course.notebook_cells import Cut
from tinytorch.course.skeleton import restored
from tinytorch.course.source import definitions, replace, text_of


def with_cell(about: Subject, text: str, cell: Cut, names: Sequence[str]) -> str:
    """Return `text` with the definitions and helpers `names` of a cell, and with its imports.

    A definition that is missing comes where the skeleton has it. Of a class, the methods that are
    exercises of their own stay as they are in `text`.
    """
    for name in names:
        if name in cell.helpers:
            continue
        if name not in definitions(text):
            text = restored(about, Exercise(name, (name,), 0, (), (), 0), text)
        code = cell.texts[name]
        for method in about.lesson.definitions:
            if method.startswith(f"{name}.") and method in definitions(code):
                code = replace(code, method, text_of(text, method))
        indent = " " * definitions(text)[name][0].indent
        text = replace(text, name, textwrap.indent(code, indent))
    for name in names:
        if name not in cell.helpers:
            continue
        code = cell.helpers[name]
        if name in definitions(text):
            text = replace(text, name, code)
        else:
            text = _before(text, next(iter(cell.texts)), code)
    for statement in cell.imports:
        text = _imported(text, statement)
    return text


def _before(text: str, name: str, code: str) -> str:
    """Put a helper above the definition that its cell is for."""
    at = definitions(text)[name.partition(".")[0]][0].start
    lines = text.splitlines()
    lines[at:at] = [*code.splitlines(), "", ""]
    return "\n".join(lines) + "\n"


def _imported(text: str, statement: str) -> str:
    """Put an import below those of the file, unless it stands there."""
    imports = [n for n in ast.parse(text).body if isinstance(n, ast.Import | ast.ImportFrom)]
    if any(ast.unparse(node) == statement for node in imports):
        return text
    lines = text.splitlines()
    at = imports[-1].end_lineno if imports else _after_docstring(text)
    lines[at:at] = [statement] if imports else ["", statement]
    return "\n".join(lines) + "\n"


def _after_docstring(text: str) -> int:
    body = ast.parse(text).body
    return (body[0].end_lineno or 0) if body and ast.get_docstring(ast.parse(text)) else 0
