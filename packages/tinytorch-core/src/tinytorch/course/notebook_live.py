"""A module of the student's inside a notebook's kernel, whose definitions can be exchanged.

The module is imported from the student's file. What is not written in it yet is lent by the
reference, definition by definition, so that examples run. A definition that is exchanged changes
in place: whoever imported it, and every tensor that exists, goes on with the new one. Left out:
the file (`sync.py`) and the commands of a notebook (`notebook.py`).
"""

from __future__ import annotations
import __future__

import builtins
import importlib
import sys
import textwrap
from types import CellType, FunctionType, ModuleType
from typing import Any

from tinytorch.course import overlay
from tinytorch.course.catalogue import Subject
from tinytorch.course.explaining import own_line, sentence_of
from tinytorch.course.notebook_cells import CellError, fault
from tinytorch.course.source import definitions, text_of
from tinytorch.course.sync import digest
from tinytorch.course.workspace import Workspace


class Running:
    """The module that a notebook is about, in this process."""

    def __init__(self, workspace: Workspace, about: Subject) -> None:
        self.workspace = workspace
        self.about = about
        self.in_force: dict[str, str] = {}  # the text of each definition that counts
        self.lent: set[str] = set()  # those that are the reference's
        self.module = self._imported()

    def _imported(self) -> ModuleType:
        """Import the student's file in place of the installed module. Raises CellError."""
        name, file = self.about.lesson.module, self.workspace.path(self.about.file)
        overlay.install()
        finder = next((f for f in sys.meta_path if isinstance(f, overlay.Overlay)), None)
        if finder is None or finder.root != self.workspace.root:
            raise CellError(f"restart the kernel: it does not work in {self.workspace.root} yet")
        finder.files[name] = file
        loaded = sys.modules.get(name)
        if loaded is not None and loaded.__file__ != str(file):
            raise CellError(
                f"{name} was imported before this cell ran, so the installed one is at work. "
                "Restart the kernel, and run this cell before all others."
            )
        try:
            return importlib.import_module(name)
        except Exception as error:
            sys.modules.pop(name, None)
            raise _at_import(self.about.file, error) from None

    def load(self, text: str) -> None:
        """Let the definitions of the student's file count, as `text` has them now."""
        for name in self.about.lesson.definitions:
            self.take(name, text)

    def take(self, name: str, text: str) -> bool:
        """Let a definition count as the file has it; where it is not there, lend it."""
        found = definitions(text).get(name, [])
        if len(found) != 1:
            self.lend(name)
            return True
        code = textwrap.dedent(text_of(text, name))
        return self.put(name, code, str(self.workspace.path(self.about.file)), found[0].start + 1)

    def put(self, name: str, code: str, place: str, line: int) -> bool:
        """Let a definition count: `code`, whose first line is line `line` of `place`.

        Returns whether it counts now: a class that exists cannot be exchanged. Raises CellError.
        """
        if self.unwritten(name, code):
            self.lend(name)
            return True
        if self.in_force.get(name) == code and name not in self.lent:
            return True
        if isinstance(vars(self.module).get(name), type):
            before = self.in_force.setdefault(name, code)  # at first: as it was imported
            return digest(self.about, before, name) == digest(self.about, code, name)
        self._execute(name, code, place, line)
        self.in_force[name] = code
        self.lent.discard(name)
        return True

    def unwritten(self, name: str, code: str) -> bool:
        """Whether a definition still raises the error of the skeleton."""
        label = f"{self.about.lesson.number} · {name}"
        return f'NotImplementedError("{label}")' in code and name in self._exercised()

    def lend(self, name: str) -> None:
        """Let the reference's definition count for one that the student has not written."""
        reference = self.about.reference
        code = textwrap.dedent(text_of(reference, name))
        if self.in_force.get(name) == code or isinstance(vars(self.module).get(name), type):
            return
        path = self.about.checks.parents[1] / f"{self.about.lesson.module.rpartition('.')[2]}.py"
        self._execute(name, code, str(path), definitions(reference)[name][0].start + 1)
        self.in_force[name] = code
        self.lent.add(name)

    def add(self, name: str, code: str, place: str) -> None:
        """Let a helper or an import of the student's count."""
        self._run(code, place, 1, vars(self.module))

    def _exercised(self) -> set[str]:
        return {name for e in self.about.lesson.exercises for name in e.names}

    def _execute(self, name: str, code: str, place: str, line: int) -> None:
        parent, _, own = name.rpartition(".")
        space = vars(self.module)
        if not parent:
            before = space.get(own)
            self._run(code, place, line, space)
            space[own] = become(before, space[own])
            return
        owner = space[parent]
        scratch = dict(space)  # the class statement must not bind its name in the module
        body = f"class {parent}:\n{textwrap.indent(code, '    ')}"
        self._run(body, place, line - 1, scratch)
        member = vars(scratch[parent])[own]
        _rebind_class(member, scratch[parent], owner)
        setattr(owner, own, member)

    def _run(self, code: str, place: str, line: int, space: dict[str, Any]) -> None:
        flags = 0
        for feature in __future__.all_feature_names:
            known = getattr(self.module, feature, None)
            if isinstance(known, __future__._Feature):
                flags |= known.compiler_flag
        before = "\n" * (line - 1)  # so that errors name the line of the cell or file
        try:
            exec(compile(before + code, place, "exec", flags, dont_inherit=True), space)
        except Exception as error:
            raise fault(place, error) from None


def become(old: Any, new: Any) -> Any:
    """Make `old` do what `new` does, where both are of one kind; return what is to be used."""
    if old is None or type(old) is not type(new):
        return new
    if isinstance(old, FunctionType):
        cells, others = old.__closure__ or (), new.__closure__ or ()
        if len(cells) != len(others):
            return new
        for cell, other in zip(cells, others, strict=True):
            cell.cell_contents = other.cell_contents
        old.__code__ = new.__code__
        old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
        old.__doc__, old.__annotations__ = new.__doc__, new.__annotations__
    if hasattr(old, "__dict__") and not isinstance(old, type):
        vars(old).clear()
        vars(old).update(vars(new))
        return old
    return new


def is_builtin(name: str) -> bool:
    """Whether a name is Python's own: a notebook that took it over would break."""
    return hasattr(builtins, name)


def _rebind_class(member: Any, scratch: type, owner: type) -> None:
    """Let `super()` in a method that was compiled elsewhere mean its real class."""
    functions = [member, *(getattr(member, name, None) for name in ("fget", "fset", "__func__"))]
    for function in functions:
        cells: tuple[CellType, ...] = getattr(function, "__closure__", None) or ()
        for cell in cells:
            if cell.cell_contents is scratch:
                cell.cell_contents = owner


def _at_import(file: str, error: BaseException) -> CellError:
    found = own_line(error)
    where = f", line {found['line']}" if found else ""
    code = f"\n    {found['code']}" if found and found["code"] else ""
    return CellError(f"{file} cannot be used yet{where}: {sentence_of(error)}{code}")
