"""A definition that is exchanged while a notebook runs changes in place."""

from types import ModuleType, SimpleNamespace

import pytest

from tinytorch import Tensor
from tinytorch.core import primitive as door
from tinytorch.core.primitive import primitive
from tinytorch.course.notebook_live import Running, become


def test_a_function_that_others_imported_does_what_the_new_one_does() -> None:
    def old(x: int, y: int = 1) -> int:
        """Old."""
        return x + y

    def new(x: int, y: int = 10, *, z: int = 100) -> int:
        """New."""
        return x + y + z

    new.mark = 1  # type: ignore[attr-defined]
    assert become(old, new) is old
    assert (old(1), old(1, z=0), old.__doc__, vars(old)) == (111, 11, "New.", {"mark": 1})


def test_a_function_made_by_a_decorator_hands_over_what_it_closes_over() -> None:
    def twice(function):
        return lambda x: 2 * function(x)

    old, new = twice(lambda x: x), twice(lambda x: x + 1)
    assert become(old, new) is old
    assert old(1) == 4


def test_a_primitive_that_others_imported_runs_the_new_definition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "_PRIMITIVES", dict(door._PRIMITIVES))  # other tests count them

    def made(text: str):
        space: dict = {"primitive": primitive, "__name__": __name__}
        exec(f"@primitive\ndef notebook_test(x):\n    return {text}", space)
        return space["notebook_test"]

    old, new = made("x"), made("x * 3")
    assert become(old, new) is old
    assert old(Tensor([2])).tolist() == [6]


def test_what_cannot_change_in_place_is_replaced() -> None:
    def new(x: int) -> int:
        return x

    assert become(None, new) is new
    assert become(3, new) is new
    assert become(int, str) is str


def test_super_in_a_method_that_is_exchanged_means_its_real_class() -> None:
    module = ModuleType("made_up")
    exec(
        "class Base:\n    def name(self): return 'base'\n"
        "class Child(Base):\n    def name(self): return ''\n"
        "    @property\n    def size(self): return 0\n",
        vars(module),
    )
    running = Running.__new__(Running)
    running.module = module
    running.in_force, running.lent = {}, set()
    running.about = SimpleNamespace(lesson=SimpleNamespace(number="00", exercises=()))  # type: ignore[assignment]
    child = vars(module)["Child"]()
    running.put("Child.name", "def name(self): return super().name() + '!'", "cell", 1)
    running.put("Child.size", "@property\ndef size(self): return super().name()", "cell", 1)
    assert (child.name(), child.size) == ("base!", "base")
    assert type(child) is vars(module)["Child"]
