"""Threads over the batch: each computes its share of the examples, and their gradients are summed.

    model = BatchParallel(model)              # a thread for each core
    loss = CrossEntropyLoss()(model(x), y)    # as before, in plain loops and in `Trainer`
    loss.backward()

Threads help although only one at a time runs Python, because NumPy lets go of the interpreter while
it computes. Examples do not meet in a network, so halves of a batch are independent until the end,
and a share is large: threads inside single operations would wait for each other at every step.

Each thread works on a replica of the model: other tensors in the same memory, so that gradients of
two threads never meet in one `.grad`. They are added in the order of the shares, so results are the
same every time. They equal those of the whole batch but for rounding, as sums have another order.

Left out: how jobs reach threads (`threads.py`), and processes, which share no memory.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinytorch.core.context import current
from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.layers import Dropout, Module
from tinytorch.core.primitive import Array, Event, Record, gradient, primitive, wrap
from tinytorch.core.random import default_generator
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import Cost, arrays_in, cost, moved
from tinytorch.opt.environment import cores
from tinytorch.opt.threads import at_once, is_share


class BatchParallel(Module):
    """`model`, with the examples of each batch shared out among threads.

    threads         how many; None means one for each core that this process may use
    own_statistics  let each share be normalised by its own mean and variance while training, and
                    average what they leave in buffers. Without it, a model that keeps statistics
                    of the batch (batch normalisation) is refused while it trains

    Call it as the model, with tensors or arrays whose first axis is the examples: (N, ...) each.
    What the model returns is either one row for each example, or one number that is a mean over
    examples, as `model(x, y)` of a GPT. Its parameters are those of the model, under "model.".

    Dropout draws for each share from a generator of its own, seeded from the layer's: reproducible,
    but not what the whole batch would draw. Whatever else `forward` draws comes in no fixed order,
    what it leaves in attributes is lost, and a tensor that it uses must be held by a module.
    While somebody listens (a profiler, an exporter), the whole batch runs in one thread.

    Raises ShapeError for inputs of different lengths, ValueError for batch statistics.
    """

    def __init__(
        self, model: Module, threads: int | None = None, own_statistics: bool = False
    ) -> None:
        if threads is not None and not isinstance(threads, int | np.integer):
            raise TypeError(f"BatchParallel: threads={threads!r}: it is a whole number, or None")
        if threads is not None and threads < 1:
            raise ValueError(f"BatchParallel: threads={threads}: there must be at least 1")
        self.model = model
        self.threads = threads or cores()
        self.own_statistics = own_statistics

    def forward(self, *inputs: Any) -> Any:
        bounds = self.bounds(inputs)
        if len(bounds) < 2 or current().listeners or is_share():
            return self.model(*inputs)
        if not self.own_statistics:
            refuse_statistics(self.model)
        batch = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs]
        wanted = [x for x in (*batch, *self.model.parameters()) if x.requires_grad]
        leaves = list({id(x): x for x in wanted}.values())  # each once
        shares = [Share(self.model, batch, start, stop, leaves) for start, stop in bounds]
        at_once([share.forward for share in shares])
        average_buffers(self.model, shares)
        if leaves and current().grad:
            return batch_parallel(*leaves, shares=shares)
        return wrap(joined(shares), None)

    def bounds(self, inputs: Sequence[Any]) -> list[tuple[int, int]]:
        """Where each share starts and stops: as many as threads, unless examples are too few."""
        lengths = {len(x) for x in inputs}
        if len(lengths) != 1:
            raise ShapeError(
                f"BatchParallel: inputs of {sorted(lengths)} examples; all need as many, along "
                "their first axis"
            )
        (examples,) = lengths
        shares = max(1, min(self.threads, examples))
        cuts = [examples * i // shares for i in range(shares + 1)]
        return list(pairwise(cuts))

    def describe(self) -> str:
        return f"threads={self.threads}"


def parallel_step(
    model: Module,
    loss: Callable[[Tensor, Tensor], Tensor] | None,
    x: Any,
    y: Any,
    threads: int | None = None,
    own_statistics: bool = False,
) -> float:
    """Add the gradients of the mean loss over a batch to `.grad`, as `backward` does; return it.

    The loss is computed by the threads, too, each for its share of `x` and `y` (N, ...). `loss` is
    a mean over examples; None where `model(x, y)` is the loss. All else as for `BatchParallel`.
    """
    if getattr(loss, "reduction", "mean") != "mean":
        raise ValueError('parallel_step: the loss must be a mean over examples: reduction="mean"')
    value = BatchParallel(_WithLoss(model, loss), threads, own_statistics)(x, y)
    value.backward()
    return float(value.item())


class _WithLoss(Module):
    """A model and its loss, as one."""

    def __init__(self, model: Module, loss: Callable[[Tensor, Tensor], Tensor] | None) -> None:
        self.model, self.loss = model, loss

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        value: Tensor = self.model(x, y) if self.loss is None else self.loss(self.model(x), y)
        return value


# A share of the batch
class Share:
    """Examples `start` to `stop` of a batch, with a replica of the model for them alone."""

    def __init__(
        self, model: Module, batch: list[Tensor], start: int, stop: int, leaves: list[Tensor]
    ) -> None:
        self.examples = slice(start, stop)
        self.part = np.float32((stop - start) / len(batch[0]))  # of the whole batch
        twins: dict[int, Any] = {
            id(x): _leaf(x.data[self.examples], x.requires_grad) for x in batch
        }
        self.inputs = [twins[id(x)] for x in batch]
        self.model = replica(model, twins)
        self.leaves = [twins[id(leaf)] for leaf in leaves]
        self.output: Any = None

    def forward(self) -> None:
        self.output = self.model(*self.inputs)
        if not isinstance(self.output, Tensor):
            raise TypeError(
                f"BatchParallel: the model returned a {type(self.output).__name__}; results of "
                "shares are joined where they are one tensor"
            )
        rows = len(self.inputs[0])
        if self.output.ndim and len(self.output) != rows:
            raise ShapeError(
                f"BatchParallel: for {rows} examples the model returned {self.output.shape}: "
                "only one row for each example, or a mean over them, can be joined"
            )

    def backward(self, g: Array) -> None:
        """Leave gradients in the leaves of this share, given that of the whole result."""
        if self.output.requires_grad:
            self.output.backward(g[self.examples] if g.ndim else g * self.part)

    def release(self) -> None:
        """Let go of everything: the record of the whole call may live on for a while."""
        self.output, self.inputs, self.leaves = None, [], []
        self.model = Module()


@primitive
def batch_parallel(*leaves: Array, shares: list[Share]) -> Array:
    """The results of all shares, joined. They were computed before, each in its thread."""
    return joined(shares)


def joined(shares: list[Share]) -> Array:
    """The rows of all shares, one after the other; or the mean over all examples."""
    outputs = [share.output.data for share in shares]
    if outputs[0].ndim:
        return np.concatenate(outputs)
    return np.asarray(sum(out * share.part for out, share in zip(outputs, shares, strict=True)))


@gradient("batch_parallel")
def batch_parallel_gradient(g: Array, call: Record) -> Any:
    """Each share passes its part of g back in its thread; a parameter gets the sum of them all.

    An input of the batch gets the parts one after the other.
    """
    shares: list[Share] = call.params["shares"]
    if shares[0].output is None:
        raise GradientError(
            "batch_parallel: a backward pass already went through the graphs of the shares and "
            "released them. Compute the forward again; retain_graph=True does not reach them."
        )
    at_once([functools.partial(share.backward, g) for share in shares])
    inputs = {id(x) for x in shares[0].inputs}
    gradients: list[Array | None] = []
    for twins in zip(*(share.leaves for share in shares), strict=True):
        parts = [twin.grad for twin in twins]
        if id(twins[0]) in inputs:
            nothing = [np.zeros(twin.shape, twin.dtype) for twin in twins]
            pairs = zip(parts, nothing, strict=True)
            gradients.append(np.concatenate([zero if g is None else g for g, zero in pairs]))
        else:
            there = [part for part in parts if part is not None]
            gradients.append(functools.reduce(np.add, there) if there else None)
    for share in shares:
        share.release()
    return tuple(gradients)


@cost("batch_parallel")
def batch_parallel_cost(event: Event) -> Cost:
    """What the shares compute, their own calls count: here rows are joined and gradients added."""
    if event.kind == "forward":
        return Cost(0, 0, 2 * event.record.out.nbytes)
    sums = len(event.record.params["shares"]) - 1
    return Cost(0, sums * sum(dx.size for dx in arrays_in(event.result)), moved(event, ""))


# Replicas
def replica(value: Any, twins: dict[int, Any]) -> Any:
    """Return a model whose parameters are other tensors in the same memory.

    twins  by identity, what has been replaced so far: a tensor in two places stays one
    """
    if id(value) in twins:
        return twins[id(value)]
    if isinstance(value, Tensor) and value.node is None:
        twins[id(value)] = _leaf(value.data, value.requires_grad)
        return twins[id(value)]
    if isinstance(value, Module):
        twin = twins[id(value)] = copy.copy(value)
        for name, held in vars(value).items():
            if name in value._buffers and value.training:
                vars(twin)[name] = wrap(held.data.copy(), None)  # forward may write into it
            else:
                vars(twin)[name] = replica(held, twins)
        if isinstance(twin, Dropout) and twin.training and twin.p:
            drawn = (twin.rng or default_generator()).integers(2**63)
            twin.rng = np.random.default_rng(drawn)
        return twin
    if type(value) in (list, tuple):
        return type(value)(replica(item, twins) for item in value)
    if type(value) is dict:
        return {key: replica(item, twins) for key, item in value.items()}
    return value


def _leaf(array: Array, requires_grad: bool) -> Tensor:
    tensor: Tensor = wrap(array, None)
    tensor.requires_grad = requires_grad
    return tensor


# Statistics of the batch
def refuse_statistics(model: Module) -> None:
    """Raise ValueError if some module of the model keeps statistics of the batch it is given."""
    for name, module in model.named_modules():
        if module.training and module._buffers:
            raise ValueError(
                f"BatchParallel: {type(module).__name__} ({name or 'the model itself'}) is "
                "training, and keeps statistics of the whole batch, which no thread sees. "
                "BatchParallel(model, own_statistics=True) lets each share have its own, as "
                "several machines would; model.eval() uses those that were kept"
            )


def average_buffers(model: Module, shares: list[Share]) -> None:
    """Set buffers of training modules to the mean of the shares'; what counts, to the first's."""
    replicas = [share.model.modules() for share in shares]
    for module, *twins in zip(model.modules(), *replicas, strict=True):
        for name in module._buffers if module.training else ():
            kept = [getattr(twin, name).data for twin in twins]
            mean = kept[0]
            if mean.dtype.kind == "f":
                mean = sum(k * share.part for k, share in zip(kept, shares, strict=True))
            getattr(module, name).data = mean
