"""Settings as dataclasses: read from TOML, changed on the command line, checked, and written back.

Each key is a field with a default and what it may be. Every fault is named at once: the key, the
value, what is allowed, and the key that was perhaps meant. Left out: what the settings of a
training run are (`runs.py`).
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tinytorch.core.files import AnyPath, write_atomically

C = TypeVar("C")
Table = dict[str, Any]

# what people write, and what the key is called here
ALIASES = {"learning_rate": "lr", "num_epochs": "epochs", "batchsize": "batch_size"}
WORDS = {int: "an integer", float: "a number", bool: "true or false", str: "a text in quotes"}


class ConfigError(ValueError):
    """Settings that cannot be used: one line for each fault."""


def setting(
    default: Any,
    *,
    choices: Sequence[str] = (),
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
) -> Any:
    """A field with a default (None: it may be absent) and the values that it may have.

    Bounds hold for each number of a list.
    """
    bounds = {"at least": at_least, "above": above, "at most": at_most, "below": below}
    given = {word: bound for word, bound in bounds.items() if math.isfinite(bound)}
    return dataclasses.field(default=default, metadata={"choices": tuple(choices), "bounds": given})


def read_config(kind: type[C], path: AnyPath | None = None, changes: Sequence[str] = ()) -> C:
    """Return settings of dataclass `kind`: its defaults, then the file, then the changes.

    changes  texts such as "optimizer.lr=0.01" or "model.hidden=[64, 32]"; "key=none" takes a
             setting away that may be absent

    Raises ConfigError for unknown keys and values that are not allowed, FileNotFoundError.
    """
    table: Table = {}
    source = "these settings"
    if path is not None:
        source = str(path)
        try:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(f"{path}: there is no such file of settings") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is no TOML: {error}") from None
    for change in changes:
        _change(table, change)
    return from_table(kind, table, source)


def from_table(kind: type[C], table: Mapping[str, Any], source: str = "these settings") -> C:
    """Return settings of dataclass `kind` with the values in nested dicts. Raises ConfigError."""
    faults: list[str] = []
    settings = _build(kind, table, "", faults, set(_keys(kind)))
    if faults:
        raise ConfigError(f"{source} cannot be used:\n  " + "\n  ".join(faults))
    return typing.cast(C, settings)


def to_table(settings: Any) -> Table:
    """Return all settings as nested dicts, without those that are absent."""
    table: Table = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value is not None:
            table[field.name] = to_table(value) if dataclasses.is_dataclass(value) else value
    return table


def to_toml(settings: Any) -> str:
    """Return all settings, those left at their defaults too, as a TOML file that reads the same."""
    return "\n".join(_lines(to_table(settings), "")).lstrip("\n") + "\n"


def save_config(settings: Any, path: AnyPath) -> None:
    """Write `to_toml(settings)`, whole or not at all."""
    write_atomically(path, to_toml(settings))


def _change(table: Table, change: str) -> None:
    """Put one "key=value" into a table of nested dicts."""
    key, equals, text = change.partition("=")
    *outer, last = key.strip().split(".")
    if not (equals and key.strip()):
        raise ConfigError(
            f"{change!r} changes no setting: write KEY=VALUE, as in optimizer.lr=0.01"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:  # a bare word: optimizer.name=sgd
        value = None if text.strip() == "none" else text.strip()
    for name in outer:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{change!r}: {name} is {inner!r}, a single value")
        table = inner
    table[last] = value


def _build(
    kind: Any, table: Mapping[str, Any], prefix: str, faults: list[str], known: set[str]
) -> Any:
    """Make a dataclass of a table; add a line to `faults` for everything that is wrong."""
    types_ = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values: Table = {}
    for name, value in table.items():
        key = prefix + name
        if name not in fields:
            faults.append(f"{key}: there is no such setting{_near(key, known)}")
        elif dataclasses.is_dataclass(types_[name]):
            if isinstance(value, Mapping):
                values[name] = _build(types_[name], value, f"{key}.", faults, known)
            else:
                faults.append(f"{key} = {value!r}: this is a table, [{key}] in TOML")
        else:
            values[name], fault = _checked(value, types_[name], fields[name].metadata)
            if fault:
                faults.append(f"{key} = {value!r}: {fault}")
    return kind(**values) if not faults else None


def _checked(value: Any, type_: Any, allowed: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the value as its field wants it, and what is wrong with it."""
    if isinstance(type_, types.UnionType):  # X | None
        if value is None:
            return None, ""
        (type_,) = (t for t in typing.get_args(type_) if t is not type(None))
    if typing.get_origin(type_) is tuple:
        element = typing.get_args(type_)[0]
        if not isinstance(value, list | tuple):
            return value, f"it must be a list, each element {WORDS[element]}"
        checked = [_checked(v, element, allowed) for v in value]
        return tuple(v for v, _ in checked), next((fault for _, fault in checked if fault), "")
    if type_ is float and type(value) is int:
        value = float(value)
    if type(value) is not type_:
        return value, f"it must be {WORDS[type_]}"
    choices = allowed.get("choices", ())
    if choices and value not in choices:
        close = difflib.get_close_matches(str(value), choices, 1)
        meant = f"; did you mean {close[0]}?" if close else ""
        return value, f"it must be one of {', '.join(choices)}{meant}"
    bounds = allowed.get("bounds", {})
    if bounds and not all(_HOLDS[word](value, bound) for word, bound in bounds.items()):
        return value, "it must be " + " and ".join(f"{word} {b:g}" for word, b in bounds.items())
    return value, ""


_HOLDS = {
    "at least": lambda value, bound: value >= bound,
    "above": lambda value, bound: value > bound,
    "at most": lambda value, bound: value <= bound,
    "below": lambda value, bound: value < bound,
}


def _keys(kind: Any, prefix: str = "") -> Iterator[str]:
    """All keys of a dataclass and the ones inside it, dotted."""
    types_ = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(types_[field.name]):
            yield from _keys(types_[field.name], f"{prefix}{field.name}.")
        yield prefix + field.name


def _near(key: str, known: set[str]) -> str:
    """Guess what an unknown key meant, spelled wrongly or put into the wrong table."""
    table, _, name = key.rpartition(".")
    names = {known_key.rpartition(".")[2]: known_key for known_key in sorted(known, reverse=True)}
    here = {k.rpartition(".")[2]: k for k in known if k.rpartition(".")[0] == table}
    for candidates in (here, names):
        spelled = {
            **{a: candidates[k] for a, k in ALIASES.items() if k in candidates},
            **candidates,
        }
        close = difflib.get_close_matches(name, spelled, 1, cutoff=0.75)
        if close:
            return f"; did you mean {spelled[close[0]]}?"
    return f"; there are {', '.join(sorted(here or known))}"


def _lines(table: Table, prefix: str) -> Iterator[str]:
    for name, value in table.items():
        if not isinstance(value, dict):
            yield f"{name} = {_toml(value)}"
    for name, value in table.items():
        if isinstance(value, dict):
            yield f"\n[{prefix}{name}]"
            yield from _lines(value, f"{prefix}{name}.")


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):  # TOML's texts are JSON's, but for one control character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
