"""Recipes: a milestone's settings as a frozen dataclass, and how a command line changes them.

A setting inside another dataclass has a dotted name: `optimizer.lr`. Left out: TOML files, which
are for runs of your own (module 08).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

Recipe = TypeVar("Recipe")


class SettingError(ValueError):
    """A recipe, data set or setting that a milestone does not have: wrong usage, not a failure."""


def settings(recipe: Any, prefix: str = "") -> dict[str, Any]:
    """All settings of a recipe by dotted name."""
    found: dict[str, Any] = {}
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        if is_dataclass(value):
            found.update(settings(value, f"{prefix}{field.name}."))
        else:
            found[prefix + field.name] = value
    return found


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other values, given as they are or as text. Raises SettingError."""
    known = settings(recipe)
    for name, value in changes.items():
        if name not in known:
            near = [each for each in known if each.endswith(f".{name}")]
            hint = f". Is it {' or '.join(near)}?" if near else ""
            raise SettingError(f"no setting is called {name!r}; there are {', '.join(known)}{hint}")
        recipe = _with(recipe, name.split("."), _converted(name, value, known[name]))
    return recipe


def _with(recipe: Any, path: list[str], value: Any) -> Any:
    if len(path) > 1:
        value = _with(getattr(recipe, path[0]), path[1:], value)
    return replace(recipe, **{path[0]: value})


def _converted(name: str, value: Any, like: Any) -> Any:
    """`value` in the type of the default: a text, or numbers above zero, one or several."""
    if isinstance(like, str):
        return str(value)
    kind = type(like[0]) if isinstance(like, tuple) else type(like)
    several = value.strip("()[] ").split(",") if isinstance(value, str) else value
    words = several if isinstance(like, tuple) else (value,)
    try:
        if kind is int and any(isinstance(word, float) for word in words):
            raise ValueError("int() would round it")
        numbers = tuple(kind(word) for word in words)
    except (TypeError, ValueError):
        example = ",".join(str(part) for part in like) if isinstance(like, tuple) else like
        wanted = {int: "a whole number", float: "a number"}.get(kind, kind.__name__)
        raise SettingError(f"{name}={value}: expected {wanted}, as in {name}={example}") from None
    if not all(0 < number < float("inf") for number in numbers):
        raise SettingError(f"{name}={value}: it must be above zero, and finite")
    return numbers if isinstance(like, tuple) else numbers[0]
