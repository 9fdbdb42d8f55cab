"""What a function uses besides its arguments: modules that it calls, and generators it draws from.

Found are a module, that of a method, what stands in the variables that a function reads from
around it, in lists of them, and in `functools.partial`. Left out: what such a function calls in
turn, and attributes of objects that are no modules.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np

from tinytorch.core.layers import Module
from tinytorch.core.random import default_generator


def modules_in(*used: Any) -> list[Module]:
    """The modules in functions and other values, and those inside of them, each once."""
    modules = [m for x in reached_from(used) if isinstance(x, Module) for m in x.modules()]
    return list({id(m): m for m in modules}.values())


def generators_in(*used: Any) -> list[np.random.Generator]:
    """The generators in functions and other values, those of modules, and the default one."""
    values = [value for module in modules_in(*used) for value in vars(module).values()]
    everything = (default_generator(), *reached_from(used), *values)
    return list({id(x): x for x in everything if isinstance(x, np.random.Generator)}.values())


def reached_from(used: Any) -> list[Any]:
    """Everything that these values lead to."""
    found, stack = [], list(used)
    while stack:
        x = stack.pop()
        found.append(x)
        if isinstance(x, list | tuple):
            stack += x
        elif isinstance(x, functools.partial):
            stack += [x.func, *x.args, *x.keywords.values()]
        elif inspect.ismethod(x):
            stack.append(x.__self__)
        elif inspect.isfunction(x) and any(x is each for each in used):
            stack += named_in(x)
    return found


def named_in(function: Any) -> list[Any]:
    """What the variables hold that a function reads from around it."""
    try:
        around = inspect.getclosurevars(function)
    except ValueError:  # one of them holds nothing yet
        return []
    return [*around.nonlocals.values(), *around.globals.values(), *(function.__defaults__ or ())]
