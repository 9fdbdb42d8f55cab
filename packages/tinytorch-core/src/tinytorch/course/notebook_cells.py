"""Reads the cells of a notebook back: what a student wrote in them, cut into definitions.

A fault in a cell is reported with the cell, the line in it and a caret. Left out: what becomes of
the definitions (`sync.py`, `notebook.py`), and making a notebook (`notebook_made.py`).
"""

from __future__ import annotations

import ast
import json
import linecache
from dataclasses import dataclass
from pathlib import Path

from tinytorch.course.catalogue import Subject
from tinytorch.course.explaining import own_line, sentence_of
from tinytorch.course.overlay import WorkspaceError
from tinytorch.course.source import definitions

MAGIC = "%%build"


class CellError(WorkspaceError):
    """A cell that cannot be used, with its place and the way out. Jupyter shows no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Build:
    """A cell that begins with `%%build`.

    place   what to call it in messages: "notebooks/01_tensor.ipynb, cell 14 (add)"
    names   the definitions it is for
    code    what stands below its first line
    number  its place among the cells of a saved notebook, from 1
    """

    place: str
    names: tuple[str, ...]
    code: str
    number: int = 0


@dataclass(frozen=True)
class Cut:
    """What a cell holds.

    texts    the source of each definition by its name in the lesson, methods without indentation
    starts   the line of the cell, from 1, at which each begins
    helpers  further functions and classes of the student's, by name
    imports  import statements
    """

    place: str
    texts: dict[str, str]
    starts: dict[str, int]
    helpers: dict[str, str]
    imports: tuple[str, ...]

    @property
    def everything(self) -> dict[str, str]:
        """Definitions and helpers, by name."""
        return {**self.texts, **self.helpers}


def build_cells(path: Path, called: str) -> list[Build]:
    """Return the cells of a saved notebook that hold definitions, each once. Raises CellError.

    called  the notebook in messages
    """
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        sources = ["".join(cell["source"]) if cell["cell_type"] == "code" else "" for cell in cells]
    except (ValueError, KeyError, TypeError) as error:
        raise CellError(
            f"{called} is no notebook that can be read ({type(error).__name__}: {error}). Is it "
            "being saved, or did a merge leave its marks in it?"
        ) from None
    found: list[Build] = []
    for number, source in enumerate(sources, 1):
        first, _, code = source.lstrip().partition("\n")  # IPython skips blank lines, too
        if first.split()[:1] != [MAGIC]:
            continue
        names = tuple(first.split()[1:])
        place = f"{called}, cell {number} ({' '.join(names[:1])})"
        for other in found:
            if twice := set(names) & set(other.names):
                raise CellError(
                    f"{place}: cell {other.number} is for {sorted(twice)[0]}, too. Keep one of "
                    f"them, or take the line {MAGIC} out of the one that should not count"
                )
        found.append(Build(place, names, code, number))
    return found


def cut(about: Subject, build: Build) -> Cut:
    """Take a cell apart. Raises CellError where it is not what its first line says."""
    known = about.lesson.definitions
    strange = [name for name in build.names if name not in known]
    if strange or not build.names:
        what = f"{strange[0]!r}" if strange else "nothing"
        raise CellError(
            f"{build.place}: {MAGIC} names {what}, which lesson {about.lesson.number} does not "
            f"define; it defines {', '.join(known)}"
        )
    tree = _parsed(build)
    there = definitions(build.code)
    lines = build.code.splitlines()
    texts: dict[str, str] = {}
    starts: dict[str, int] = {}
    short = [name.rpartition(".")[2] for name in build.names]
    for i, (name, own) in enumerate(zip(build.names, short, strict=True)):
        count = len(there.get(own, ()))
        if count != short.count(own):  # two classes may each have a method of one name
            held = ", ".join(n for n in there if "." not in n) or "nothing"
            times = "does not define it" if not count else f"defines it {count} times"
            raise CellError(f"{build.place} is for {name}, but {times}; it defines {held}")
        found = there[own][short[:i].count(own)]
        texts[name] = "\n".join(lines[found.start : found.end])
        starts[name] = found.start + 2
    helpers: dict[str, str] = {}
    imports: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(ast.unparse(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name in short:
                continue
            if node.name in known:
                raise CellError(
                    f"{build.place}, line {node.lineno + 1}: {node.name} has a cell of its own: "
                    f"{MAGIC} {node.name}"
                )
            at = there[node.name][0]
            helpers[node.name] = "\n".join(lines[at.start : at.end])
        else:
            raise CellError(
                f"{build.place}, line {node.lineno + 1}: {lines[node.lineno - 1].strip()}\n"
                f"A {MAGIC} cell holds definitions and imports, which go into {about.file}. What "
                "you want to try goes into a cell of its own."
            )
    return Cut(build.place, texts, starts, helpers, tuple(imports))


def _parsed(build: Build) -> ast.Module:
    code = f"\n{build.code}"  # below the line of the magic, as Jupyter counts
    try:
        tree = ast.parse(code, build.place)
        compile(tree, build.place, "exec")
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        raise fault(build.place, error) from None
    return ast.parse(build.code)


def remember(build: Build) -> None:
    """Let tracebacks and `inspect.getsource` find the lines of a cell."""
    text = f"{MAGIC} {' '.join(build.names)}\n{build.code}\n"
    lines = text.splitlines(keepends=True)
    linecache.cache[build.place] = (len(text), None, lines, build.place)


def fault(place: str, error: BaseException) -> CellError:
    """What went wrong, with the line of the cell where it did."""
    found = own_line(error, place)
    if found is None:
        return CellError(f"{place}: {sentence_of(error)}")
    where = place if found["file"] == place else found["file"]
    lines = [f"{where}, line {found['line']}: {sentence_of(error)}"]
    if found["code"]:
        lines.append(f"    {found['code']}")
    if found["column"]:
        length = max((found["end_column"] or 0) - found["column"], 1)
        lines.append(" " * (3 + found["column"]) + "^" * length)
    return CellError("\n".join(lines))
