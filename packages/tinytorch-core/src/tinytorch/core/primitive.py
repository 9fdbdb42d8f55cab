"""The door: every operation of TinyTorch goes through `Primitive`.

A primitive is a pure NumPy function lifted to tensors. When it is called, the door takes the
arrays out of the tensors, runs the function, wraps the result, and, where a gradient will be
wanted, leaves a `Record` on it. Whoever wants to know what a program does (gradients, a profiler,
an exporter) reads these records or listens to them; whoever wants an operation to be faster
attaches a kernel here. Nothing is ever patched from outside.

Left out: what is in force during a call (`context.py`), the operations (`tensor.py`, `ops/`),
their gradient rules (`autograd.py`), and the fast kernels (`kernels/`). This file is given, and
read in lesson 01.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from tinytorch.core.context import current
from tinytorch.core.errors import GradientError, broadcast_error, explanation

if TYPE_CHECKING:
    from tinytorch.core.tensor import Tensor

Array = np.ndarray[Any, np.dtype[Any]]
Rule = Callable[[Any, "Record"], Any]


# What one call leaves behind
class Record:
    """One call of a primitive, as `backward` and the listeners see it.

    primitive  the `Primitive` that was called
    operands   what it was called with: tensors, or plain values
    params     its keyword parameters
    arrays     what the definition saw: an array (or plain value) for each operand
    out        the array it returned, or a tuple of arrays; large arrays that no rule will read are
               let go (`thrift.py`)
    saved      what a kernel kept for its own backward
    kernel     the kernel that ran, or None for the plain definition
    scope      the modules that were being called
    needs      for each operand, whether its gradient is wanted; set before a rule runs
    """

    __slots__ = (
        "__weakref__",
        "arrays",
        "kernel",
        "needs",
        "operands",
        "out",
        "params",
        "primitive",
        "saved",
        "scope",
        "versions",
    )
    primitive: Primitive
    operands: tuple[Any, ...]
    params: dict[str, Any]
    arrays: list[Any]
    out: Any
    saved: Any
    kernel: Kernel | None
    scope: tuple[object, ...]
    versions: int
    needs: list[bool]

    def gradients(self, g: Any) -> list[tuple[Tensor, Any]]:
        """Return each operand that wants a gradient, with it, given that of the output.

        `g` is an array like the output, or a tuple of them where there were several. A gradient
        has the operand's dtype, but may have the shape that the operand was broadcast to.

        Raises GradientError if there is no rule, if this record was already used up, or if an
        operand, or an output that the rule reads, was changed in place after the call.
        """
        name = self.primitive.name
        if not self.operands:
            raise GradientError(
                f"{name}: a backward pass already went through this graph and released it. "
                "Call the first one with backward(retain_graph=True), or compute the forward again."
            )
        needs = []
        versions = 0
        for x in self.operands:
            if type(x) is _Tensor:
                needs.append(x._requires_grad)
                versions += x._version
            else:
                needs.append(False)
        if versions != self.versions:
            self.refuse_changes(versions)
        self.needs = needs
        rule = RULES.get(name)
        kernel = self.kernel
        if kernel is not None and kernel.backward and (kernel.own or rule not in _OWN_RULES):
            rule = kernel.backward
        if rule is None:
            raise GradientError(
                f'{name} has no gradient rule: define one with @gradient("{name}"), '
                "or declare the primitive with differentiable=False."
            )
        listeners = current().listeners
        start = time.perf_counter_ns() if listeners else 0
        answer = rule(g, self)
        stop = time.perf_counter_ns() if listeners else 0
        given = answer if type(answer) is tuple else (answer,)
        if len(given) != len(self.operands):
            raise GradientError(
                f"{name}: its rule gave {len(given)} gradients for {len(self.operands)} operands"
            )
        for listener in listeners:
            listener(Event("backward", self, given, start, stop))
        wanted = []
        for x, dx, need in zip(self.operands, given, needs, strict=True):
            if need and dx is not None:
                if type(dx) is not np.ndarray or dx.dtype is not x._data.dtype:
                    dx = np.asarray(dx, x._data.dtype)
                wanted.append((x, dx))
        return wanted

    def output_changed(self) -> None:
        """Note that an output was changed in place: a rule that reads it would be wrong."""
        if self.versions >= 0:
            self.versions = ~self.versions  # a negative number, from which the old one can be read

    def refuse_changes(self, versions: int) -> None:
        """Raise GradientError if the change that was noticed makes the gradient wrong."""
        name = self.primitive.name
        if versions != ~self.versions:  # so without a changed output, as ~ of a count is negative
            changed = "an operand"
        elif _thrift.reads_output(name) or (self.kernel is not None and self.kernel.own):
            changed = "its output"
        else:
            return
        shapes = [x.shape for x in self.operands if type(x) is _Tensor]
        raise GradientError(
            f"{name}: {changed} (operands of shapes {shapes}) was changed in place after the "
            "forward, so its gradient would be wrong. Write x = x + ... instead of "
            "x.data += ..., or change it before the forward pass or after backward()."
        )

    def release(self) -> None:
        """Let go of operands and arrays: their memory is free as soon as nobody else holds it."""
        self.operands, self.arrays, self.out, self.saved = (), [], None, None


class Event(NamedTuple):
    """What listeners hear: a forward call or a gradient rule has just run."""

    kind: str  # "forward" or "backward"
    record: Record
    result: Any  # forward: the tensor, or tuple of tensors; backward: the operands' gradients
    start: int  # nanoseconds, time.perf_counter_ns()
    stop: int


# Rules and kernels, by name
RULES: dict[str, Rule] = {}
KERNELS: dict[str, dict[str, Kernel]] = {}
_OWN_KERNELS: dict[str, dict[str, Kernel]] = {}  # of these, a student's or a user's
_PRIMITIVES: dict[str, Primitive] = {}
_OWN_RULES: set[Rule | None] = set()  # so are these: no installed kernel's backward replaces them


def gradient(*names: str) -> Callable[[Rule], Rule]:
    """Attach a gradient rule to the primitives called `names`.

    A rule is `rule(g, call)`: from the gradient of the output and the record of the call, a tuple
    with the gradient of each operand, None where `call.needs` says that nobody wants it. With a
    single operand, the array alone will do. Rules compute on arrays, not on tensors.
    """

    def attach(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        if not _installed(rule):
            _OWN_RULES.add(rule)
        return rule

    return attach


class Kernel(NamedTuple):
    """A faster form of a primitive (see `kernel`)."""

    forward: Callable[[list[Any], dict[str, Any], bool], Any]
    backward: Rule | None
    own: bool = False  # a student's or a user's


def kernel(
    name: str,
    forward: Callable[[list[Any], dict[str, Any], bool], Any],
    backward: Rule | None = None,
    *,
    into: str = "fast",
) -> None:
    """Let `forward` stand in for the plain definition of primitive `name`, in the set `into`.

    `forward(arrays, params, saving)` returns `(out, saved)`, or None for "not supported": then the
    plain definition runs. `saved` comes back as `call.saved` in `backward(g, call)`, which answers
    as a gradient rule does; without a `backward` the primitive's rule is used. In place of an
    installed kernel's `backward`, so is a rule that a student or a script defined. `saving` says
    whether a backward pass may follow.

    Under `use(into)`, primitives without a kernel in that set use their fast one, if they have one.
    A RuntimeWarning says where nothing is called `name` so far: it may be defined later.
    """
    made = Kernel(forward, backward, own=not _installed(forward))
    known = KERNELS.keys() | _OWN_KERNELS.keys()
    if made.own and name not in known:
        close = difflib.get_close_matches(name, sorted(known), n=1)
        hint = f". Did you mean {close[0]!r}?" if close else ""
        warnings.warn(
            f"kernel: nothing is called {name!r} so far, so its kernel will not run until a "
            f"primitive of that name is defined{hint}",
            RuntimeWarning,
            stacklevel=2,
        )
    KERNELS.setdefault(name, {})[into] = made
    if made.own:
        _OWN_KERNELS.setdefault(name, {})[into] = made


def kernels_for(definition: Callable[..., Any]) -> dict[str, Kernel]:
    """Return the kernels, present and future, that may stand in for `definition`.

    An installed kernel is proven equal to the definition in the installed package, and serves no
    other: what a student wrote, or a user in a script, runs as it is written, until they attach a
    kernel of their own.
    """
    table = KERNELS if _installed(definition) else _OWN_KERNELS
    return table.setdefault(definition.__name__, {})


def in_place_of(kernels: dict[str, Kernel], name: str) -> Kernel | None:
    """Return the kernel that serves where the set called `name` has none: the fast one, if any."""
    return None if name == "plain" else kernels.get("fast")


def _installed(definition: Any) -> bool:
    """Whether a definition is the installed package's own, not a student's or a script's."""
    module = str(getattr(definition, "__module__", None))  # a compiled function may have none
    loader = getattr(sys.modules.get(module), "__loader__", None)
    return module.partition(".")[0] == "tinytorch" and not getattr(loader, "is_workspace", False)


def defined_outside(rule: Rule | None) -> bool:
    """Whether a rule is a student's or a user's own."""
    return rule in _OWN_RULES


def is_tensor(x: Any) -> bool:
    """Whether an operand is a tensor, and not a plain value."""
    return type(x) is _Tensor


# The door
LARGE = 1 << 16  # bytes; what smaller results keep alive is not worth looking for
_FLOAT64 = np.dtype(np.float64)
_Tensor: Any = None
_new: Any = object.__new__


def tensor_class(cls: type) -> type:
    """Tell the door which class holds its arrays (decorates `Tensor`)."""
    global _Tensor
    _Tensor = cls
    return cls


class Primitive:
    """A pure NumPy function that takes and returns tensors.

    Operands come by position: tensors, arrays or numbers (None where the definition allows it).
    Parameters come by keyword. float64 comes out only where a float64 tensor went in.
    """

    def __init__(self, definition: Callable[..., Any], *, differentiable: bool) -> None:
        functools.update_wrapper(self, definition)
        self.name = definition.__name__
        self.definition = definition
        self.differentiable = differentiable
        self.parameters = frozenset(inspect.signature(definition).parameters)
        self.kernels = kernels_for(definition)
        self.thrifty = self.name in _thrift.READS and _installed(definition)
        known = _PRIMITIVES.get(self.name)
        if known is not None and known.definition.__module__ != definition.__module__:
            raise ValueError(
                f"a primitive {self.name!r} exists already, in {known.definition.__module__}: "
                "rules and kernels are attached by name, so choose another"
            )
        _PRIMITIVES[self.name] = self

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __call__(self, *operands: Any, **params: Any) -> Tensor:
        arrays = []
        versions = 0
        recording = False
        for x in operands:
            if type(x) is _Tensor:
                arrays.append(x._data)
                versions += x._version
                if x._requires_grad:
                    recording = True
            else:
                arrays.append(_plain(x, operands))
        context = current()
        recording = recording and context.grad and self.differentiable
        if context.listeners:
            start = time.perf_counter_ns()

        saved = chosen = answer = None
        try:
            if kernels := self.kernels:
                name = context.kernels
                if (chosen := kernels.get(name) or in_place_of(kernels, name)) is not None:
                    answer = chosen.forward(arrays, params, recording)
                    if params and not params.keys() <= self.parameters:
                        answer = None  # kernels look up what they know: the rest is refused below
            if answer is None:  # no kernel, or one that does not support these operands
                chosen = None  # an empty **params would cost a tenth of a small operation
                out = self.definition(*arrays, **params) if params else self.definition(*arrays)
            else:
                out, saved = answer
        except (AttributeError, TypeError, ValueError) as error:
            shapes = [np.shape(a) for a in arrays]
            if type(error) is ValueError and "broadcast" in str(error):  # NumPy's, not our own
                raise broadcast_error(self.name, shapes) from None
            if (told := explanation(self.name, error, shapes)) is not None:
                raise told from None
            raise
        if type(out) is not np.ndarray or out.dtype is _FLOAT64:
            if out is None:
                raise TypeError(f"{self.name} returned None: is there a return in it?")
            out = _tidy(out, arrays)

        if not recording and not context.listeners:
            return wrap(out, None)
        record = _new(Record)
        record.primitive = self
        record.operands = operands
        record.params = params
        record.arrays = arrays
        record.out = out
        record.saved = saved
        record.kernel = chosen
        record.scope = context.scope
        record.versions = versions
        if self.thrifty and (type(out) is tuple or out.nbytes >= LARGE):
            _thrift.forget(record)
        result = wrap(out, record if recording else None)
        for listener in context.listeners:
            listener(Event("forward", record, result, start, time.perf_counter_ns()))
        return result


@overload
def primitive(definition: Callable[..., Any]) -> Primitive: ...
@overload
def primitive(*, differentiable: bool) -> Callable[[Callable[..., Any]], Primitive]: ...
def primitive(definition: Callable[..., Any] | None = None, *, differentiable: bool = True) -> Any:
    """Lift a pure NumPy function to tensors: `@primitive`, or `@primitive(differentiable=False)`.

    A function that returns a tuple of arrays has several outputs. They share one record, and the
    rule receives a tuple of gradients, zeros for outputs that were not used.
    """
    if definition is None:
        return functools.partial(Primitive, differentiable=differentiable)
    return Primitive(definition, differentiable=differentiable)


def routine(definition: Callable[..., Any]) -> Callable[..., Any]:
    """Let kernels stand in for a function on arrays that is no operation: an optimizer's rule, say.

    Arrays come by position, parameters by keyword, as for a primitive; but a routine may change
    its arrays in place, sees no tensors and leaves no record. `__wrapped__` is the definition.
    """
    kernels = kernels_for(definition)

    @functools.wraps(definition)
    def call(*arrays: Any, **params: Any) -> Any:
        name = current().kernels
        chosen = kernels.get(name) or in_place_of(kernels, name)
        answer = chosen.forward(list(arrays), params, False) if chosen is not None else None
        return definition(*arrays, **params) if answer is None else answer[0]

    return call


def primitives() -> dict[str, Primitive]:
    """Return every primitive that has been defined so far, by name."""
    return dict(_PRIMITIVES)


def _plain(x: Any, operands: tuple[Any, ...]) -> Any:
    """Return an operand that is no tensor as the definition should see it."""
    if x is None or type(x) in (float, int, bool):
        return x  # NumPy lets plain numbers take the other operand's dtype
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected numbers, got {type(x).__name__} {x!r:.60}")
    if array.dtype == _FLOAT64:
        wide = any(type(t) is _Tensor and t._data.dtype == _FLOAT64 for t in operands)
        return array if wide else array.astype(np.float32)
    return array


def _tidy(out: Any, arrays: list[Any]) -> Any:
    """Make NumPy scalars arrays, and float64 float32 where no float64 array went in."""
    if type(out) in (tuple, list):
        return tuple(_tidy(o, arrays) for o in out)
    out = np.asarray(out)
    wide = any(isinstance(a, np.ndarray) and a.dtype == _FLOAT64 for a in arrays)
    return out if wide or out.dtype != _FLOAT64 else out.astype(np.float32)


def wrap(out: Any, node: Record | None, place: int | None = None) -> Any:
    """Return array `out` as a tensor that shares its memory, or a tuple of arrays as tensors."""
    if type(out) is tuple:
        return tuple([wrap(o, node, i) for i, o in enumerate(out)])
    tensor = _new(_Tensor)
    tensor._data = out
    tensor._version = 0
    tensor._requires_grad = node is not None
    tensor.grad = None
    tensor.node = node
    tensor.place = place
    return tensor


# The fast forms attach themselves. Here, where they need nothing that is not defined yet.
from tinytorch.core import kernels as _kernels  # noqa: E402, F401
from tinytorch.core import thrift as _thrift  # noqa: E402
