"""A course pack made up for tests: module 21 with three exercises, and 22 that builds on it.

It is announced as others would announce theirs, by an entry point: all is found as usual.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tito_shell import environment, pretend_installed

import tinytorch
from tinytorch.course.workspace import Workspace
from tinytorch.tito import main

TIER = """\
from tinytorch.course.tiers import CourseModule, Milestone, Tier

TIER = Tier(
    name="made",
    distribution="tinytorch-made",
    title="made up",
    modules=(
        CourseModule("21", "Numbers", "tinytorch.made.numbers"),
        CourseModule("22", "Sums", "tinytorch.made.sums"),
        CourseModule("23", "Unwritten", "tinytorch.made.unwritten"),
    ),
    milestones=(
        Milestone("2030", "made", "Numbers are added", "-", "tinytorch.made.m2030", ("21", "22")),
    ),
)
"""

NUMBERS = '''\
"""Module 21: numbers."""

LIMIT = 100


def helper(x):
    """Given."""
    return x


def double(x):
    """Return twice x."""
    # the way of the reference
    return helper(x) + x


class Counter:
    """Counts."""

    def __init__(self):
        self.count = 0

    def step(self):
        """Count one more."""
        self.count += 1
        return self.count

    def name(self):
        return "counter"


def quadruple(x):
    """Return four times x."""
    return double(double(x))
'''

SUMS = '''\
"""Module 22: sums."""

from tinytorch.made.numbers import double


def total(numbers):
    """Return the sum of numbers."""
    answer = 0
    for number in numbers:
        answer += number
    return answer
'''

FRONT = """\
+++
number = "{number}"
title = "{title}"
module = "tinytorch.made.{module}"
reading_minutes = 2
coding_minutes = 3
prerequisites = {needs}
capability = "Can I compute with {title}?"
chapter = "none"
+++
"""

NUMBERS_LESSON = (
    FRONT.format(number="21", title="Numbers", module="numbers", needs="[]")
    + """\
## Why

Numbers **matter**. See [the page](https://example.org/numbers).

![A circle around a dot](figures/circle.svg)

## Concept

```{given} helper
```

## Build: doubling

```{exercise} double
points: 2
hint: Think of addition.
hint: `x + x`
```

```{given} Counter
```

```{exercise} Counter.step
hint: One more.
```

```{exercise} quadruple
points: 3
needs: double
hint: Use what you have.
```

## Use

```python
from tinytorch.made.numbers import double
print(double(21))
```

## Find the bug

```{bug} tripled
exercise: double

def double(x):
    return 3 * x
```

## Reflect

```{reflect} why
Why double?
rubric: names addition
```

## Quiz

```{quiz}
Which is twice 2?

- [ ] 3
- [x] 4
why: 2 + 2
```

## Next

Sums.
"""
)

SUMS_LESSON = (
    FRONT.format(number="22", title="Sums", module="sums", needs='["21"]')
    + """\
## Build

```{exercise} total
hint: Add them up.
```
"""
)

NUMBERS_CHECKS = """\
import numpy as np
from tinytorch.course.checking import exercise, same
from tinytorch.made.numbers import Counter, double, quadruple


@exercise("double")
def check_two_becomes_four():
    same(double(2), 4, call="double(2)", why="2 + 2 is 4")


@exercise("double")
def check_arrays_are_doubled_element_by_element():
    same(double(np.array([1.0, 3.0])), np.array([2.0, 6.0]), call="double([1, 3])")


@exercise("Counter.step")
def check_a_counter_counts():
    counter = Counter()
    counter.step()
    same(counter.step(), 2, call="the second step()", why="it was stepped twice")


@exercise("quadruple")
def check_three_becomes_twelve():
    same(quadruple(3), 12, call="quadruple(3)")
"""

SUMS_CHECKS = """\
from tinytorch.course.checking import exercise, same
from tinytorch.made.sums import double, total


@exercise("total")
def check_a_sum_is_taken():
    same(total([1, 2, double(2)]), 7, call="total([1, 2, 4])")
"""

FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="4"/></svg>\n'


def install(folder: Path) -> Path:
    """Write the pack into a folder that is to be put on PYTHONPATH, and return that."""
    import tinytorch.core

    made = folder / "pack" / "tinytorch" / "made"
    ini = Path(tinytorch.core.__path__[0], "checks", "pytest.ini").read_text("utf-8")
    files = {
        "__init__.py": "",
        "tier.py": TIER,
        "numbers.py": NUMBERS,
        "sums.py": SUMS,
        "lessons/21_numbers.md": NUMBERS_LESSON,
        "lessons/22_sums.md": SUMS_LESSON,
        "lessons/figures/circle.svg": FIGURE,
        "checks/__init__.py": "",
        "checks/pytest.ini": ini,
        "checks/check_21_numbers.py": NUMBERS_CHECKS,
        "checks/check_22_sums.py": SUMS_CHECKS,
    }
    for name, text in files.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text, "utf-8")
    pretend_installed(
        folder / "pack",
        "tinytorch-made",
        "1.0",
        entry_points_txt="[tinytorch.tiers]\nmade = tinytorch.made.tier:TIER\n",
    )
    return folder / "pack"


def student_environment(pack: Path, **variables: str) -> dict[str, str]:
    """The environment of somebody who has installed the pack, and of no test run."""
    kept = environment(pack, PYTHONPATH=str(pack), **variables)
    for name in ("TINYTORCH_WORKSPACE", "PYTHONSAFEPATH", "PYTEST_ADDOPTS", "PYTHONUTF8"):
        if name not in variables:
            kept.pop(name, None)
    return {**kept, "XDG_CONFIG_HOME": str(pack / "config"), "OMP_NUM_THREADS": "1"}


SOLVED = NUMBERS.replace("the way of the reference", "my way")
LOOPING = ("return helper(x) + x", "while True:\n        x = x + 0")


def write_workspace(root: Path, **files: str) -> Path:
    """Make a workspace with files in it: numbers="..." becomes made/numbers.py."""
    workspace = Workspace.create(root)
    for name, text in files.items():
        workspace.put(f"made/{name}.py", text)
    return workspace.root


@dataclass
class Done:
    """What one command came to."""

    status: int
    out: str
    err: str


class Student:
    """Somebody at a prompt inside their workspace: `student("test", "21")` runs `tito test 21`.

    It runs in this process, so it is quick; checks run in processes of their own, as always.
    """

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Done:
        self._capsys.readouterr()
        status = main(list(arguments))
        captured = self._capsys.readouterr()
        return Done(status, captured.out, captured.err)

    @property
    def numbers(self) -> Path:
        return self.root / "made" / "numbers.py"

    def write(self, *changes: tuple[str, str], text: str = SOLVED) -> None:
        """Save made/numbers.py: the right answers, with these replacements."""
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        self.numbers.parent.mkdir(exist_ok=True)
        self.numbers.write_text(text, "utf-8")

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)


def at_a_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    """A student in a new workspace, with the pack installed."""
    pack = install(tmp_path)
    for name, value in student_environment(pack).items():
        if name in ("PYTHONPATH", "XDG_CONFIG_HOME", "OMP_NUM_THREADS", "TINYTORCH_CACHE"):
            monkeypatch.setenv(name, value)
    for name in ("TINYTORCH_DATA", "PYTHONSAFEPATH", "PYTEST_ADDOPTS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(str(pack))
    monkeypatch.setattr(tinytorch, "__path__", [*tinytorch.__path__, str(pack / "tinytorch")])
    for name in [name for name in sys.modules if name.startswith("tinytorch.made")]:
        monkeypatch.delitem(sys.modules, name)
    root = Workspace.create(tmp_path / "my").root
    monkeypatch.setenv("TINYTORCH_WORKSPACE", str(root))
    monkeypatch.chdir(root)
    return Student(root, capsys)
