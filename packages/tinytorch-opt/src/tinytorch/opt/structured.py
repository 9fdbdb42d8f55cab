"""Structured pruning: whole channels and neurons taken out, so that the network itself is smaller.

    small = shrink(model, x, keep=0.5)                     # half of the channels of every layer
    small = shrink(model, x, keep={"0": 0.5, "3": 0.25})   # or of these

The result is an ordinary model of ordinary layers with smaller shapes: it needs no masks, no format
and no kernels of its own, and does fewer products. The first model stays as it is. Channels are
followed through the graph (`channels.py`), so that normalisation, depthwise convolutions, what is
flattened and what is added shrink along with the layer that makes them; and before a result is
handed out, it is compared with the first model, in which the same channels are silent.

Left out: the heads of an attention, and the features that run through a transformer's blocks, over
which its normalisation averages (the MLP of each block does shrink); and training afterwards, which
gives back most of what was lost.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from tinytorch.arch.convolutions import Conv2d
from tinytorch.core.context import no_grad
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating
from tinytorch.opt.channels import Channels, Group
from tinytorch.opt.graph import trace
from tinytorch.opt.int4 import Int4Linear
from tinytorch.opt.quantization import QuantizedLayer
from tinytorch.opt.surgery import copy_of, module_at

M = TypeVar("M", bound=Module)
Keep = float | Mapping[str, float]
IMPORTANCE = ("l1", "l2", "batch_norm")


@dataclass(frozen=True)
class Plan:
    """What `shrink` will do.

    kept       channels that stay and that there were, by layer
    stays      for each parameter and buffer that shrinks, which indices of each axis stay
    depthwise  layers whose number of groups follows the channels
    held       layers that cannot shrink, with the reason
    """

    kept: dict[str, tuple[int, int]]
    stays: dict[str, tuple[Array, ...]] = field(repr=False)
    depthwise: tuple[str, ...]
    held: dict[str, str]


def shrink(model: M, *example: Any, keep: Keep, importance: str = "l1") -> M:
    """Return a copy of `model` with fewer channels.

    example     inputs that the model can be called with; their values do not matter
    keep        the share of channels to keep: of every layer that can shrink and is not frozen,
                or by layer. At least one stays. Layers whose results are added share their
                channels: naming one of them is enough
    importance  what makes a channel stay: the L1 norm of its weights (Li et al., "Pruning filters
                for efficient ConvNets", 2017), their L2 norm, or the size of its weight in batch
                normalisation (Liu et al., "Learning efficient convolutional networks through
                network slimming", 2017)

    Raises ValueError for a layer that cannot shrink, with the operation that holds it, and for a
    model whose `forward` has sizes of its own; KeyError for a layer that there is not.
    """
    plan = plan_shrinking(model, *example, keep=keep, importance=importance)
    small = _taken(model, plan)
    _compare(silenced(model, plan), small, example)
    return small


def plan_shrinking(model: Module, *example: Any, keep: Keep, importance: str = "l1") -> Plan:
    """Decide which channels go, and where their parameters lie. Arguments as for `shrink`."""
    if importance not in IMPORTANCE:
        raise ValueError(f"importance is {importance!r}; it is one of {', '.join(IMPORTANCE)}")
    for name, values in model.state_dict().items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds NaN or infinity: of such weights none is the smallest")
    channels = Channels(trace(model, *example))
    groups = channels.groups()
    if not groups:
        kind = QuantizedLayer | Int4Linear
        quantised = any(isinstance(module, kind) for module in model.modules())
        told = "is quantised: shrink it first, then quantise" if quantised else "makes no channels"
        raise ValueError(f"no layer can shrink: {type(model).__name__} {told}")
    shares = _shares(channels, groups, keep)
    removed: list[int] = []
    kept: dict[str, tuple[int, int]] = {}
    for group, share in zip(groups, shares, strict=True):
        if share is not None:
            gone = _least(channels, group, share, importance)
            removed += gone
            for producer in group.producers:
                own = _units(channels, producer.weight, producer.axis)
                kept[producer.layer] = int((~np.isin(own, gone)).sum()), len(own)
    stays: dict[str, tuple[Array, ...]] = {}
    for name, axes in channels.states.items():
        of_axes = tuple(~np.isin(_units(channels, name, i), removed) for i in range(len(axes)))
        if not all(axis.all() for axis in of_axes):
            stays[name] = of_axes
    depthwise = tuple(layer for layer, name in channels.depthwise.items() if name in stays)
    held = {
        layer: why
        for group in groups
        for layer in group.layers
        if (why := _reason(channels, group)) is not None
    }
    return Plan(kept, stays, depthwise, held)


def silenced(model: M, plan: Plan) -> M:
    """Return a copy of the same size in which the channels that `plan` removes are zero."""
    result = copy_of(model)
    for name, parameter in result.named_parameters():
        for axis, stays in enumerate(plan.stays.get(name, ())):
            np.moveaxis(parameter.data, axis, 0)[~stays] = 0
    return result


def fitted(model: M, state: Mapping[str, Any]) -> M:
    """Return a copy of `model` that has the shapes and values of `state`: a file of a smaller one.

    state  arrays by the names of `model.state_dict()`, of as many axes each

    Raises ValueError where names or axes do not fit.
    """
    result = copy_of(model)
    for prefix, module in result.named_modules():
        for own, tensor in module.own_tensors().items():
            array = np.asarray(state.get(f"{prefix}.{own}" if prefix else own, tensor.data))
            if array.ndim == tensor.ndim and array.shape != tensor.shape:
                depthwise = isinstance(module, Conv2d) and 1 < module.groups == len(tensor)
                if depthwise and own == "weight":
                    module.groups = len(array)
                tensor.data = np.ascontiguousarray(array, tensor.dtype)
    result.load_state_dict(state)  # refuses what does not fit
    return result


# Which channels go
def _units(channels: Channels, name: str, axis: int) -> Array:
    """What stands for the units along an axis of a parameter or buffer."""
    units = channels.of_state(name)[axis]
    assert units is not None
    return channels.roots(units)


def _reason(channels: Channels, group: Group) -> str | None:
    """Why no channel of a group can go; None if some can."""
    reasons = [channels.why(unit) for unit in group.units.tolist()]
    return None if None in reasons else reasons[0]


def _shares(channels: Channels, groups: list[Group], keep: Keep) -> list[float | None]:
    """The share that each group keeps; None for one that is left as it is."""
    given = keep if isinstance(keep, Mapping) else {"": keep}
    for layer, share in given.items():
        of = f" of layer {layer}" if layer else ""
        if not isinstance(share, numbers.Real):
            raise TypeError(f"keep={share!r}{of}: the share of channels to keep is a number")
        if not 0 < share <= 1:
            raise ValueError(f"keep={share}{of}: the share of channels to keep is above 0, to 1")
    if not isinstance(keep, Mapping):
        state = channels.graph.state
        free = [
            _reason(channels, group) is None
            and all(state[producer.weight].requires_grad for producer in group.producers)
            for group in groups
        ]
        if not any(free):
            reasons = [f"{g.layers[0]}: {_reason(channels, g) or 'frozen'}" for g in groups]
            raise ValueError("no layer can shrink:\n  " + "\n  ".join(reasons))
        return [keep if can else None for can in free]
    shares: list[float | None] = []
    named: set[str] = set()
    for group in groups:
        own = {layer: keep[layer] for layer in group.layers if layer in keep}
        named |= set(own)
        if len(set(own.values())) > 1:
            raise ValueError(f"{own}: these layers share their channels, so they keep one share")
        if own and (why := _reason(channels, group)) is not None:
            raise ValueError(f"{next(iter(own))} cannot shrink: {why}")
        shares.append(next(iter(own.values()), None))
    if missing := [layer for layer in keep if layer not in named]:
        known = ", ".join(layer for group in groups for layer in group.layers)
        raise KeyError(f"no layer called {missing[0]!r} makes channels; there are {known}")
    return shares


def _least(channels: Channels, group: Group, share: float, importance: str) -> list[int]:
    """The units of a group that go: the least important ones."""
    place = {int(unit): i for i, unit in enumerate(group.units)}
    score = np.zeros(len(place))

    def add(name: str, axis: int, values: Array) -> None:
        places = [place[int(unit)] for unit in _units(channels, name, axis)]
        np.add.at(score, places, values)

    for producer in () if importance == "batch_norm" else group.producers:
        weight = channels.graph.state[producer.weight].data
        rows = np.moveaxis(weight, producer.axis, 0).reshape(weight.shape[producer.axis], -1)
        sizes = np.abs(rows) if importance == "l1" else rows.astype(np.float64) ** 2
        add(producer.weight, producer.axis, sizes.sum(axis=1))
    if importance == "batch_norm":
        scales = [s for s in channels.scales if int(_units(channels, s, 0)[0]) in place]
        if not scales:
            raise ValueError(f"{group.layers[0]} has no batch normalisation to say what matters")
        for name in scales:
            add(name, 0, np.abs(channels.graph.state[name].data))
    stay = {i for i, unit in enumerate(group.units.tolist()) if channels.why(unit) is not None}
    for producer in group.producers:  # of each layer at least one channel stays
        own = [place[int(unit)] for unit in _units(channels, producer.weight, producer.axis)]
        if not stay.intersection(own):
            stay.add(max(own, key=lambda i: score[i]))
    free = np.array([i for i in range(len(place)) if i not in stay], int)
    gone = len(place) - round(share * len(place))
    return [int(unit) for unit in group.units[free[np.argsort(score[free], kind="stable")[:gone]]]]


# The smaller network
def _taken(model: M, plan: Plan) -> M:
    """Return a copy of `model` that holds only what stays."""
    small = copy_of(model)
    for prefix, module in small.named_modules():
        for own, tensor in module.own_tensors().items():
            stays = plan.stays.get(f"{prefix}.{own}" if prefix else own)
            if stays is not None and tensor.shape == tuple(map(len, stays)):
                tensor.data = np.ascontiguousarray(tensor.data[np.ix_(*stays)])
    for layer in plan.depthwise:
        module = module_at(small, layer)
        assert isinstance(module, Conv2d)
        module.groups = len(module.weight)
    return small


def _compare(big: Module, small: Module, example: tuple[Any, ...]) -> None:
    """Raise ValueError unless a smaller network gives what the silenced one gives."""
    x = [value if isinstance(value, Tensor) else Tensor(np.asarray(value)) for value in example]
    with no_grad(), evaluating(big), evaluating(small):
        expected = big(*x)
        try:
            answer = small(*x)
        except Exception as error:
            raise ValueError(
                f"{type(small).__name__} cannot be called with fewer channels: {error}. Does a "
                "forward() of it have a size as a number? Take it from a weight's shape instead"
            ) from error
    for a, b in zip(_all(expected), _all(answer), strict=True):
        scale = float(np.abs(a.data).max(initial=1e-6))
        if a.shape != b.shape or not np.allclose(a.data, b.data, rtol=1e-3, atol=1e-3 * scale):
            raise ValueError(
                f"{type(small).__name__} gives something else with fewer channels than with silent "
                "ones. Does a forward() compute with .data, so that the trace cannot see it?"
            )


def _all(answer: Any) -> tuple[Tensor, ...]:
    return tuple(answer) if isinstance(answer, list | tuple) else (answer,)
