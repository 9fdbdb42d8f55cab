"""What is in force during a call: gradients on or off, the set of kernels, who listens, and where.

It is one immutable value in a `ContextVar`, so each thread and each task has its own. A pool hands
it on with `contextvars.copy_context().run(work)`. Do not hold a block of this file across a
`yield`: what it changes would leak into the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinytorch.core.primitive import Event

    Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Context:
    """Settings of the current thread or task. Never changed, only replaced by another."""

    grad: bool = True  # keep records for `backward`
    kernels: str = "fast"  # which set of kernels stands in for plain definitions
    listeners: tuple[Listener, ...] = ()
    scope: tuple[object, ...] = ()  # the modules being called, outermost first; kept for listeners


_context: ContextVar[Context] = ContextVar("tinytorch", default=Context())  # noqa: B039  (it is immutable)
current = _context.get


@contextmanager
def using(**changes: Any) -> Iterator[None]:
    """Replace fields of the context within a `with` block (or a decorated function)."""
    token = _context.set(replace(current(), **changes))
    try:
        yield
    finally:
        _context.reset(token)


def no_grad() -> Any:
    """Within this block (or decorated function), operations leave no records."""
    return using(grad=False)


def enable_grad() -> Any:
    """Within this block, operations leave records again, inside a `no_grad` block too."""
    return using(grad=True)


def listening(listener: Listener) -> Any:
    """Within this block, call `listener(event)` after each operation and each gradient rule."""
    return using(listeners=(*current().listeners, listener))


def scope(layer: object) -> Any:
    """Within this block, records say that they were made inside `layer`."""
    return using(scope=(*current().scope, layer))


class use:  # noqa: N801  (reads as a verb)
    """Choose the set of kernels: "plain" (none), "fast", or another that kernels were attached to.

    Where another set has none for an operation, the fast one serves. It acts at once, and used in
    `with` it puts the former set back:

        tinytorch.kernels.use("plain")
        with tinytorch.kernels.use("fast"): ...
    """

    def __init__(self, name: str) -> None:
        from tinytorch.core.primitive import KERNELS

        known = sorted({"plain", "fast"}.union(*KERNELS.values()))
        if name not in known:
            raise ValueError(f"no set of kernels is called {name!r}; there are {', '.join(known)}")
        self._token = _context.set(replace(current(), kernels=name))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        _context.reset(self._token)
