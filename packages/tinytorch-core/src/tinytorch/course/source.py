"""The source of a module, cut at its definitions: what skeletons, notebooks and diffs need.

A definition is a function or class of the module, or a method ("Tensor.reshape"), with its
decorators. Left out: what the lesson says of them (`lesson.py`).
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef


class DriftError(ValueError):
    """A lesson and its module that no longer fit together."""


@dataclass(frozen=True)
class Definition:
    """A definition's place in the source, in lines from 0, the end not included.

    start      its first decorator, or its own first line
    body       the first line after the docstring (or after the signature)
    end        the line after its last one
    following  the first line of what comes next at its level, or the end of what it is inside
    """

    name: str
    start: int
    body: int
    end: int
    following: int
    indent: int
    is_function: bool


@functools.lru_cache(maxsize=16)  # one text is asked about many times: to parse it takes 7 ms
def definitions(source: str) -> Mapping[str, list[Definition]]:
    """Return all definitions by qualified name, in order; a property and its setter share one."""
    found: dict[str, list[Definition]] = {}
    tree = ast.parse(source)
    for definition in _walk(tree.body, "", len(source.splitlines())):
        found.setdefault(definition.name, []).append(definition)
    return found


def _walk(body: list[ast.stmt], prefix: str, end: int) -> Iterator[Definition]:
    for i, node in enumerate(body):
        if not isinstance(node, Function | ast.ClassDef):
            continue
        following = _first_line(body[i + 1]) if i + 1 < len(body) else end
        name = f"{prefix}{node.name}"
        yield Definition(
            name=name,
            start=_first_line(node),
            body=_body_line(node),
            end=node.end_lineno or following,
            following=following,
            indent=node.col_offset,
            is_function=isinstance(node, Function),
        )
        if isinstance(node, ast.ClassDef):
            yield from _walk(node.body, f"{name}.", following)


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)]) - 1


def _body_line(node: Function | ast.ClassDef) -> int:
    first = node.body[0]
    text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if text and isinstance(first.value.value, str):  # type: ignore[attr-defined]
        return first.end_lineno or first.lineno
    return first.lineno - 1


def top_level(source: str) -> list[str]:
    """Return the names of a module's functions and classes, in order."""
    return [name for name in definitions(source) if "." not in name]


def text_of(source: str, name: str) -> str:
    """Return the source of one definition, decorators included, without what follows it."""
    definition = _find(source, name)
    return "\n".join(source.splitlines()[definition.start : definition.end])


def replace(source: str, name: str, text: str) -> str:
    """Return the source with the definition `name` replaced by `text`."""
    definition = _find(source, name)
    lines = source.splitlines()
    lines[definition.start : definition.end] = text.strip("\n").splitlines()
    return "\n".join(lines) + "\n"


def without_bodies(source: str, names: tuple[str, ...], label: str) -> str:
    """Return the source with the bodies of `names` replaced by a NotImplementedError.

    Cut is from the end of the docstring to whatever comes next, comments included, so that no
    word of the solution stays. The error says `label` and the name: "06 · unbroadcast".
    """
    lines = source.splitlines()
    for name in sorted(names, key=lambda n: _find(source, n).start, reverse=True):
        definition = _find(source, name)
        if not definition.is_function:
            raise DriftError(f"{name} is a class; an exercise is a function or a method")
        if definition.body < definition.start + 1:
            raise DriftError(f"{name} has its body on the line of its signature")
        inside = " " * (definition.indent + 4)
        gap = [""] * (2 if definition.indent == 0 else 1)
        if definition.following == len(lines):
            gap = []
        stub = [f'{inside}raise NotImplementedError("{label} · {name}")', *gap]
        kept = _comments_before(lines, definition)
        lines[definition.body : definition.following] = [*stub, *kept]
    return "\n".join(lines).rstrip("\n") + "\n"


def _comments_before(lines: list[str], definition: Definition) -> list[str]:
    """Return the comment that heads what follows a definition: at its level, after a blank line."""
    kept: list[str] = []
    line = definition.following - 1
    heading = " " * definition.indent + "#"
    while line > definition.end and lines[line].startswith(heading):
        kept.insert(0, lines[line])
        line -= 1
    return kept if kept and line >= definition.end and not lines[line].strip() else []


def _find(source: str, name: str) -> Definition:
    found = definitions(source).get(name, [])
    if len(found) != 1:
        times = "twice or more" if found else "nowhere"
        raise DriftError(f"{name} must be defined once in the module; it is defined {times}")
    return found[0]
