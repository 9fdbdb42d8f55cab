"""Module 14: where time and memory go. A `Profiler` listens at the door while a program runs.

    with Profiler(model) as p:
        loss_of(model(x), y).backward()
    print(p.table())             # by primitive, as PyTorch's key_averages().table()
    print(p.table(by="layer"))

The door tells of every call of a primitive and of every gradient rule: which, on what, when it
began and ended, and in which layers. From that follow calls and time, by `costs.py` operations and
bytes, and by `live_memory.py` what is alive. Nothing is patched, and nobody pays who does not ask.

Left out: whatever passes no door. Python between the calls, optimizers, and the sums of gradients
that `backward` forms itself are seen only as time outside of primitives; the inside of a call, by
nobody. While somebody listens, records keep all their arrays (core's `thrift.py` lets nothing go),
so that memory in training is that of a profiled step; `tinytorch.measure` finds that of a plain
one. Which peak is which among the pages of this tier is said in `profile_table.py`. A thread is
heard only where it runs in a copy of this context; `BatchParallel` (`parallel.py`) starts none
while somebody listens. Of several listeners, the later ones' forward times contain what the
earlier ones took.
"""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinytorch.core.context import listening
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Event
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import Cost, arrays_in, cost_of
from tinytorch.opt.live_memory import LiveMemory

if TYPE_CHECKING:
    from tinytorch.opt.profile_rows import Row


class Call(NamedTuple):
    """One call of a primitive, or of its gradient rule. Times are in nanoseconds."""

    kind: str  # "forward" or "backward"
    name: str  # of the primitive
    layers: tuple[str, ...]  # dotted names, outermost first; empty outside of all layers
    start: int  # time.perf_counter_ns()
    stop: int
    inside: int  # spent in other calls that it made, and in hearing them; 0 for nearly all
    thread: int
    shapes: tuple[tuple[int, ...], ...]  # of the operands
    cost: Cost | None  # None where no rule says what it costs
    made: int  # bytes of what it left behind
    live: int  # bytes that calls made and somebody held when it ended

    @property
    def time(self) -> int:
        """From beginning to end."""
        return self.stop - self.start

    @property
    def self_time(self) -> int:
        """The same without the calls inside."""
        return self.time - self.inside

    @property
    def layer(self) -> str:
        """The innermost layer, whose record this was; "" outside of all layers."""
        return self.layers[-1] if self.layers else ""


class Layers:
    """Names for the layers in a record's scope: those of `model`, and of any other by its class.

    The model itself is called by its class, what is inside by dotted names as in `state_dict`. The
    inside of another module has its class in front: "CrossEntropyLoss", "Encoder.blocks.0".
    """

    def __init__(self, model: Module | None = None) -> None:
        self._model = model
        self.kinds: dict[str, str] = {}  # the class of each layer, by its name
        self._known: dict[tuple[int, ...], tuple[tuple[object, ...], tuple[str, ...]]] = {}
        self._roots: dict[int, dict[int, str]] = {}  # of each outermost module: names by id
        if model is not None:
            self._names_in(model)  # now, so that no block has to wait for it

    def of(self, scope: tuple[object, ...]) -> tuple[str, ...]:
        """The name of each layer in a scope, outermost first."""
        key = tuple(map(id, scope))
        if key not in self._known:  # the scope is kept, so that no other object gets its ids
            names = self._named(scope)
            self.kinds.update(zip(names, [type(layer).__name__ for layer in scope], strict=True))
            self._known[key] = scope, tuple(names)
        return self._known[key][1]

    def _named(self, scope: tuple[object, ...]) -> list[str]:
        root = scope[0]
        names = self._roots.get(id(root)) or self._names_in(root)
        if any(id(layer) not in names for layer in scope) and isinstance(root, Module):
            names |= self._inside(root, names)  # it may have grown since
        path: list[str] = []
        for layer in scope:
            path.append(names.get(id(layer)) or f"{path[-1]}.{type(layer).__name__}")
        return path

    def _names_in(self, root: object) -> dict[int, str]:
        """Name an outermost module, and all inside it, for the first time."""
        kind = type(root).__name__
        others = sum(names[key].partition("#")[0] == kind for key, names in self._roots.items())
        names = {id(root): f"{kind}#{others + 1}" if others else kind}
        if isinstance(root, Module):
            names |= self._inside(root, names)
        self._roots[id(root)] = names
        return names

    def _inside(self, root: Module, names: dict[int, str]) -> dict[int, str]:
        top = names[id(root)]
        found = root.named_modules("" if root is self._model else top)
        return {id(module): name or top for name, module in found}


class Profiler:
    """Times, counts and weighs everything that passes the door within a `with` block.

    model  names the layers; without one they are found all the same, under the class of the
           outermost module

    The block may be entered again, and adds to what was heard. `events` holds a `Call` for each
    event, in the order in which they ended.

    >>> from tinytorch.nn import Linear
    >>> with Profiler() as p:
    ...     _ = Linear(4, 2)(Tensor(np.ones((3, 4))))
    >>> [(call.name, call.layer, call.cost.flops) for call in p.events]
    [('linear', 'Linear', 48)]
    """

    def __init__(self, model: Module | None = None) -> None:
        if model is not None and not isinstance(model, Module):
            raise TypeError(
                f"Profiler: expected a model, got a {type(model).__name__}: call the model inside "
                "of the block, with Profiler(model) as p: model(x)"
            )
        self.events: list[Call] = []
        self.memory = LiveMemory()
        self.layers = Layers(model)
        self.time = 0  # nanoseconds within the blocks so far
        self.heard: list[int] = []  # how long this profiler took over each event
        self._lock = threading.RLock()  # reentrant: freeing an array may interrupt anything
        self._block: AbstractContextManager[None] | None = None
        self._start = 0

    def __enter__(self) -> Profiler:
        if self._block is not None:
            raise RuntimeError("this Profiler listens already: a block inside it needs its own")
        self._block = listening(self.hear)
        self._block.__enter__()
        self._start = time.perf_counter_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._block is not None
        self.time += time.perf_counter_ns() - self._start
        block, self._block = self._block, None
        block.__exit__(kind, error, traceback)

    def hear(self, event: Event) -> None:
        """Note one event: what the door calls."""
        begin = time.perf_counter_ns()
        record = event.record
        made = arrays_in(event.result)
        if event.kind == "forward" and record.saved is not None:
            made += arrays_in(record.saved)
        known = cost_of(event)
        thread = threading.get_ident()
        with self._lock:
            self.memory.see_given(arrays_in(record.arrays))
            new = self.memory.see_made(made)
            call = Call(
                event.kind,
                record.primitive.name,
                self.layers.of(record.scope) if record.scope else (),
                event.start,
                event.stop,
                self._inside(event.start, thread),
                thread,
                tuple([getattr(x, "shape", ()) for x in record.arrays]),
                known,
                new,
                self.memory.live,
            )
            self.events.append(call)
            self.heard.append(time.perf_counter_ns() - begin)

    def _inside(self, start: int, thread: int) -> int:
        """Time of the calls that began after `start` in this thread: an event comes at its end."""
        total = 0
        for call, heard in zip(reversed(self.events), reversed(self.heard), strict=False):
            if call.thread != thread:
                continue
            if call.start < start:
                break
            total += call.self_time + heard  # of each, so that what is inside it counts once
        return total

    # What came of it
    @property
    def in_primitives(self) -> int:
        """Nanoseconds in all calls. With several threads it may be more than `time`."""
        return sum(call.self_time for call in self.events)

    @property
    def own_time(self) -> int:
        """Nanoseconds in `hear`: what this profiler took for itself."""
        return sum(self.heard)

    def overhead(self) -> float:
        """What listening costs, in nanoseconds for each event, measured now: see `overhead`."""
        return overhead()

    def rows(self, by: str = "primitive", sort: str | None = None) -> list[Row]:
        """The events summed up: a `Row` for each primitive or layer (see `profile_rows.py`)."""
        from tinytorch.opt.profile_rows import rows

        return rows(self.events, by, sort)

    def table(
        self, by: str = "primitive", sort: str | None = None, limit: int | None = None
    ) -> str:
        """The rows as a table, with what was measured in all below.

        by     "primitive", or "layer"
        sort   "time" (in the row itself), "total", "calls", "flops", "bytes", "memory", "name", or
               "order" of appearance. By default primitives by time, layers in order
        limit  how many rows, at most
        """
        from tinytorch.opt.profile_table import table

        return table(self, by, sort, limit)

    def __repr__(self) -> str:
        from tinytorch.core.measurement import in_bytes, in_seconds

        backward = sum(call.kind == "backward" for call in self.events)
        return (
            f"<Profiler: {len(self.events) - backward} calls and {backward} gradient rules, "
            f"{in_seconds(self.in_primitives / 1e9)} of {in_seconds(self.time / 1e9)} in "
            f"primitives, peak memory {in_bytes(self.memory.peak)}>"
        )


def overhead(calls: int = 400, repeats: int = 9) -> float:
    """What a `Profiler` costs, in nanoseconds for each event: with one minus without one.

    Measured with calls of an addition of two numbers inside of one layer, the shortest there is;
    the median of `repeats` pairs of runs, which take turns.
    """
    layer = _Adding()
    x = Tensor(np.ones(1, np.float32))
    differences = []
    for _ in range(repeats):
        plain = _seconds(layer, x, calls)
        with Profiler(layer):
            heard = _seconds(layer, x, calls)
        differences.append((heard - plain) / calls * 1e9)
    return float(np.median(differences))


class _Adding(Module):
    """So many additions in one call: what stands between the calls is as good as nothing."""

    def forward(self, x: Tensor, calls: int) -> None:
        for _ in range(calls):
            x + x


def _seconds(layer: Module, x: Tensor, calls: int) -> float:
    start = time.perf_counter()
    layer(x, calls)
    return time.perf_counter() - start
