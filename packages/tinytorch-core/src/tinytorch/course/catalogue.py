"""The modules of the course, by whatever a student calls them, and the files that belong to each.

It imports neither NumPy nor the modules themselves, because `tito list` is typed often. Left out:
what a student has made of them (`progress.py`).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tinytorch.course.lesson import Lesson, read
from tinytorch.course.tiers import CourseModule, tiers


@dataclass(frozen=True)
class Subject:
    """A module of the course: its lesson, and its file of checks."""

    lesson: Lesson
    checks: Path

    @property
    def file(self) -> str:
        """The student's file, as a workspace names it: "core/tensor.py"."""
        return file_of(self.lesson.module)

    @property
    def reference(self) -> str:
        """The source of the installed module, whatever a workspace puts in its place."""
        name = self.lesson.module.rpartition(".")[2]
        return (self.checks.parents[1] / f"{name}.py").read_text("utf-8")

    @property
    def checks_module(self) -> str:
        """The file of checks as Python imports it."""
        return f"{self.lesson.module.rpartition('.')[0]}.checks.{self.checks.stem}"


def file_of(module: str) -> str:
    """Return "core/tensor.py" for "tinytorch.core.tensor"."""
    return module.removeprefix("tinytorch.").replace(".", "/") + ".py"


def modules() -> list[CourseModule]:
    """All modules of the installed tiers, in the order of their numbers."""
    found = [module for tier in tiers() for module in tier.modules]
    return sorted(found, key=lambda module: module.number)


def find_module(word: str) -> CourseModule | None:
    """Return the module called "06", "6", "autograd", "Autograd" or "tinytorch.core.autograd"."""
    wanted = word.lower().removesuffix(".py").replace("/", ".")
    for module in modules():
        name = module.module.lower()
        names = {module.number, module.number.lstrip("0"), module.title.lower(), name}
        if wanted in names or wanted in (name.rpartition(".")[2], name.partition(".")[2]):
            return module
    return None


def unknown_module(word: str) -> str:
    """Say that there is no such module, and which there are."""
    known = modules()
    names = [name for m in known for name in (m.module.rpartition(".")[2], m.title.lower())]
    close = difflib.get_close_matches(word.lower(), names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    listed = ", ".join(f"{m.number} {m.module.rpartition('.')[2]}" for m in known)
    return f"No module is called {word!r}.{hint} There are {listed}."


def lesson_path(module: str) -> Path | None:
    """Return the lesson of "tinytorch.core.tensor", or None where none is written yet."""
    package, _, name = module.rpartition(".")
    for folder in import_module(package).__path__:
        lessons = sorted(Path(folder, "lessons").glob(f"[0-9]*_{name}.md"))
        if lessons:
            return lessons[0]
    return None


def subject(module: str) -> Subject:
    """Return the lesson and the checks of "tinytorch.core.tensor". Raises LookupError."""
    path = lesson_path(module)
    if path is None:
        raise LookupError(f"{module} has no lesson")
    return Subject(read(path), path.parents[1] / "checks" / f"check_{path.stem}.py")
