"""What every optimizer keeps: parameters in groups with options, their state, and its saving.

Given. `Optimizer` (module 07) inherits this, so that lesson 07's file holds only what that lesson
teaches. Left out: the updates themselves.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor

Group = dict[str, Any]  # "params", a list of tensors, and the options
State = dict[str, Any]  # what an optimizer keeps for one parameter
Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]


class UnclearedGradientsWarning(UserWarning):
    """A step used gradients that still hold what an earlier step had used."""


class ParameterGroups:
    """Parameters in groups, each group with its options, and what is kept for each parameter."""

    state_names: tuple[str, ...] = ()  # what `state[parameter]` holds once it was updated

    def __init__(self, parameters: Parameters, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, State] = {}
        self._consumed: list[weakref.ref[Array]] = []
        self._warned = False
        for group in _as_groups(type(self).__name__, parameters):
            self.add_param_group(group)
        if not any(parameter.requires_grad for parameter in self.parameters()):
            raise GradientError(
                f"{type(self).__name__}: none of the parameters requires a gradient, so no step "
                "would change anything. Make them with requires_grad=True, or unfreeze some"
            )

    def parameters(self) -> list[Tensor]:
        """The parameters of all groups, in order."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Take further parameters in: {"params": [...], and options that differ from the rest}.

        Raises TypeError, ValueError or GradientError for what cannot be optimized.
        """
        name = type(self).__name__
        unknown = sorted(set(group) - {"params", *self.defaults})
        if unknown:
            raise ValueError(
                f"{name} has no option {', '.join(unknown)}; it has {', '.join(self.defaults)}"
            )
        if "params" not in group:
            raise ValueError(f'{name}: a group needs "params", a list of tensors')
        given = group["params"]
        parameters = [given] if isinstance(given, Tensor) else list(given)
        if not parameters:
            raise ValueError(f"{name}: the list of parameters is empty. Was it a used generator?")
        known = {id(parameter) for parameter in self.parameters()}
        for position, parameter in enumerate(parameters, start=len(known)):
            _check_parameter(f"{name}: parameter {position}", parameter)
            if id(parameter) in known:
                raise ValueError(
                    f"{name}: parameter {position}, of shape {parameter.shape}, is listed twice, "
                    "so each step would change it twice. Take it out once"
                )
            known.add(id(parameter))
        options = {**self.defaults, **group, "params": parameters}
        self.check(options)
        self.param_groups.append(options)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError or TypeError for a value that makes no sense. Optimizers add theirs."""
        for option in ("lr", "weight_decay"):
            if option in options:
                self.require(options, option, lambda value: value >= 0, "a number, at least 0")

    def require(
        self, options: Mapping[str, Any], option: str, holds: Callable[[Any], bool], what: str
    ) -> None:
        """Raise an error saying `what` an option must be, unless its value `holds`.

        A value of another range is a ValueError, one that cannot be compared a TypeError.
        """
        value = options[option]
        error: type[Exception] = ValueError
        try:
            if holds(value):
                return
        except TypeError:
            error = TypeError
        raise error(f"{type(self).__name__}: {option}={value!r}: it must be {what}") from None

    def gradient_of(self, parameter: Tensor) -> Array | None:
        """The gradient to use, or None for a parameter that is frozen or has none."""
        gradient = parameter.grad
        if gradient is None or not parameter.requires_grad:
            return None
        if gradient.shape != parameter.shape:
            raise ShapeError(
                f"{type(self).__name__}: a gradient of shape {gradient.shape} for a parameter of "
                f"{parameter.shape}. Was .data or .grad replaced between backward() and step()?"
            )
        return gradient

    def notice_uncleared_gradients(self) -> None:
        """Warn, once, of a gradient that the last step has used already. Call it in `step`.

        `backward` adds to the array in `.grad`, and makes a new one where that is None. So an array
        that is here again was not cleared in between. The references are weak: a cleared
        gradient is freed, and a new one at the same address is not taken for it. (Zeros written
        into the array by hand are not seen.)
        """
        if self._warned:
            return
        gradients = [p.grad for p in self.parameters() if p.grad is not None and p.requires_grad]
        consumed = {id(array) for ref in self._consumed if (array := ref()) is not None}
        self._consumed = [weakref.ref(gradient) for gradient in gradients]
        if any(id(gradient) in consumed for gradient in gradients):
            self._warned, self._consumed = True, []
            warnings.warn(
                "step() on gradients that an earlier step() has used: backward() adds to what is "
                "in .grad, so the old gradients count again. Call optimizer.zero_grad() before "
                "backward(). (This is said once.)",
                UnclearedGradientsWarning,
                stacklevel=3,
            )

    def state_dict(self) -> dict[str, Any]:
        """What a run needs to go on: {"state": arrays, "param_groups": options}.

        Arrays are copies, named by the position of their parameter ("0.exp_avg"), fit for `save`.
        Options are numbers and lists, fit for JSON; a group's "params" are positions.
        """
        position = {id(parameter): i for i, parameter in enumerate(self.parameters())}
        return {
            "state": {
                f"{position[id(parameter)]}.{name}": np.array(value)
                for parameter, state in self.state.items()
                for name, value in state.items()
            },
            "param_groups": [
                {name: _plain(value) for name, value in group.items()}
                | {"params": [position[id(parameter)] for parameter in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises ValueError, and changes nothing, if the state is of another kind of optimizer.
        """
        if not {"state", "param_groups"} <= set(saved):
            raise ValueError(
                f'an optimizer\'s state has "state" and "param_groups", not {list(saved)}'
            )
        own = self.state_dict()["param_groups"]
        groups = [dict(group) for group in saved["param_groups"]]
        wanted, given = ([group.pop("params", None) for group in g] for g in (own, groups))
        faults = [] if wanted == given else [f"parameters {given}, not {wanted}, in groups"]
        for group in groups:
            if set(group) != set(self.defaults):
                faults.append(f"options {sorted(group)}, not {sorted(self.defaults)}")
        state = self._by_parameter(saved["state"], faults)
        if faults:
            raise ValueError(
                f"this state does not fit {type(self).__name__}; it has:\n  " + "\n  ".join(faults)
            )
        for group, options in zip(self.param_groups, groups, strict=True):
            group.update({k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})
        self.state = state

    def _by_parameter(self, arrays: Mapping[str, Any], faults: list[str]) -> dict[Tensor, State]:
        """Sort saved arrays by parameter, as copies of the right type; note what does not fit."""
        parameters = self.parameters()
        state: dict[Tensor, State] = {}
        for name, value in arrays.items():
            position, _, kind = name.partition(".")
            array = np.asarray(value)
            if kind not in self.state_names or position not in map(str, range(len(parameters))):
                faults.append(f"{name}, which is unknown here")
                continue
            parameter = parameters[int(position)]
            if kind == "step":
                state.setdefault(parameter, {})[kind] = int(array)
            elif array.shape == parameter.shape:
                own = np.array(array, parameter.dtype, order="C")
                state.setdefault(parameter, {})[kind] = own
            else:
                faults.append(f"{name} of shape {array.shape}, not {parameter.shape}")
        for parameter, kept in state.items():
            missing = [name for name in self.state_names if name not in kept]
            if missing:
                position = str([p is parameter for p in parameters].index(True))
                faults.append(f"{', '.join(kept)} but no {', '.join(missing)} for {position}")
        return state

    def __repr__(self) -> str:
        lines = [
            f"  {len(group['params'])} parameters, "
            + ", ".join(f"{k}={_plain(v)}" for k, v in group.items() if k != "params")
            for group in self.param_groups
        ]
        return f"{type(self).__name__}(\n" + "\n".join(lines) + "\n)"


def _as_groups(name: str, parameters: Any) -> list[Mapping[str, Any]]:
    """Return the first argument of an optimizer as a list of groups."""
    if isinstance(parameters, Tensor | Mapping):
        one = "tensor" if isinstance(parameters, Tensor) else "group"
        raise TypeError(f"{name}: parameters come in a list; for a single {one}, write [{one}]")
    if not isinstance(parameters, Iterable):
        raise TypeError(
            f"{name}: expected a list of tensors, got a {type(parameters).__name__}. "
            "A model's parameters are model.parameters()"
        )
    given = list(parameters)
    if given and all(isinstance(group, Mapping) for group in given):
        return given
    return [{"params": given}]


def _check_parameter(name: str, parameter: Any) -> None:
    """Refuse what no optimizer can change."""
    if not isinstance(parameter, Tensor):
        raise TypeError(
            f"{name} is a {type(parameter).__name__}, not a tensor. A model's parameters are "
            "model.parameters(); groups are dicts, all of them"
        )
    if parameter.dtype.kind != "f":
        raise TypeError(
            f"{name} is {parameter.dtype}, and only floating point has gradients: "
            "make it with dtype=np.float32"
        )
    if parameter.node is not None:
        raise GradientError(
            f"{name} is the result of {parameter.node.primitive.name}, and backward() leaves "
            "gradients in leaves only: optimize what it was computed from, or make a leaf of it "
            "with Tensor(x.data, requires_grad=True)"
        )


def _plain(value: Any) -> Any:
    """Return an option as JSON would hold it."""
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value
