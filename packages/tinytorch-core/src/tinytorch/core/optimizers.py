"""Module 07: optimizers. They move parameters against their gradients: SGD, Adam, AdamW.

The rule of each is a plain function that changes arrays in place; the class around it keeps the
options and what the rule remembers from step to step. Left out: gradients (module 06), schedules,
clipping and the training loop (module 08), and the fast form of Adam (`kernels/adam.py`).
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor

Group = dict[str, Any]
State = dict[str, Any]


class UnclearedGradientsWarning(UserWarning):
    """A step used gradients that still hold what an earlier step had used."""


class Optimizer:
    """Parameters in groups, each group with its options. A subclass says how to `update` one.

    parameters  tensors, or a list of groups: [{"params": [...], "lr": 0.1}, {"params": [...]}]
    defaults    the options, and their values for groups that do not name them

    A parameter that is frozen, or has no gradient, is left alone by `step`. Raises TypeError,
    ValueError or GradientError for what cannot be optimized.
    """

    state_names: tuple[str, ...] = ()  # what `update` keeps for a parameter

    def __init__(self, parameters: Iterable[Tensor] | Iterable[Group], **defaults: Any) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, State] = {}
        self._consumed: list[weakref.ref[Array]] = []
        self._warned = False
        for group in _as_groups(parameters):
            self.add_param_group(group)
        if not any(parameter.requires_grad for parameter in self.parameters()):
            raise GradientError(
                f"{type(self).__name__}: none of the parameters requires a gradient, so there is "
                "nothing to do: make them with Tensor(..., requires_grad=True), or unfreeze some"
            )

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        """Change `parameter` in place. `state` is this parameter's own dict, empty at first."""
        raise NotImplementedError(f"{type(self).__name__} has no update(): write one")

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        self._warn_of_uncleared_gradients()
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None or not parameter.requires_grad:
                    continue
                if gradient.shape != parameter.shape:
                    raise ShapeError(
                        f"a gradient of shape {gradient.shape} for a parameter of "
                        f"{parameter.shape}: was .grad set by hand, or .data replaced?"
                    )
                self.update(parameter.data, gradient, self.state.setdefault(parameter, {}), group)
                parameter.data = parameter.data  # tells the tensor that it was changed in place

    def zero_grad(self) -> None:
        """Forget all gradients: call it once for every step(), before backward()."""
        for parameter in self.parameters():
            parameter.grad = None

    def parameters(self) -> list[Tensor]:
        """The parameters of all groups, in order."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Take further parameters in, with options of their own where `group` names some."""
        name = type(self).__name__
        unknown = sorted(set(group) - {"params", *self.defaults})
        if unknown:
            raise ValueError(
                f"{name} has no option {', '.join(unknown)}; it has {', '.join(self.defaults)}"
            )
        if "params" not in group:
            raise ValueError(f'{name}: a group needs "params", a list of tensors')
        given = group["params"]
        new = {**self.defaults, **group, "params": [given] if _is_tensor(given) else list(given)}
        if not new["params"]:
            raise ValueError(f"{name}: no parameters. An empty generator, or a model without any?")
        known = {id(parameter) for parameter in self.parameters()}
        for position, parameter in enumerate(new["params"], start=len(known)):
            _check_parameter(f"{name}: parameter {position}", parameter)
            if id(parameter) in known:
                raise ValueError(
                    f"{name}: parameter {position}, of shape {parameter.shape}, is listed twice "
                    "and would be updated twice. Take it out of one group"
                )
            known.add(id(parameter))
        self.check(new)
        self.param_groups.append(new)

    def check(self, options: Group) -> None:
        """Raise ValueError where a value makes no sense. Subclasses add their own."""
        for option in ("lr", "weight_decay"):
            self.require(option, options[option], options[option] >= 0, "at least 0")

    def require(self, option: str, value: Any, holds: bool, range_: str) -> None:
        """Raise ValueError saying that `option` must be `range_`, unless `holds`."""
        if not holds:
            raise ValueError(f"{type(self).__name__}: {option}={value}: it must be {range_}")

    def state_dict(self) -> dict[str, Any]:
        """What a run needs to go on: {"state": arrays, "param_groups": options}.

        Arrays are copies, named by the position of their parameter: "0.exp_avg". The options are
        plain numbers, which JSON can hold; a group's "params" are the positions.
        """
        positions = {id(parameter): i for i, parameter in enumerate(self.parameters())}
        return {
            "state": {
                f"{positions[id(parameter)]}.{name}": np.array(value)
                for parameter, state in self.state.items()
                for name, value in state.items()
            },
            "param_groups": [
                {k: _plain(v) for k, v in group.items() if k != "params"}
                | {"params": [positions[id(parameter)] for parameter in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken. Raises ValueError, changing nothing, if it does not fit."""
        groups = [dict(group) for group in saved["param_groups"]]
        positions = [group.pop("params") for group in groups]
        own = self.state_dict()["param_groups"]
        faults = []
        if positions != [group.pop("params") for group in own]:
            faults.append(f"groups of {[len(p) for p in positions]} parameters")
        faults += [f"options {sorted(group)}" for group in groups if set(group) != set(own[0])]
        state, state_faults = self._unpacked(saved["state"])
        if faults or state_faults:
            sizes = [len(group["params"]) for group in self.param_groups]
            raise ValueError(
                f"this state does not fit {type(self).__name__} with groups of {sizes} parameters "
                f"and options {sorted(self.defaults)}. It has:\n  "
                + "\n  ".join(faults + state_faults)
            )
        for group, options in zip(self.param_groups, groups, strict=True):
            group.update({k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})
        self.state = state

    def _unpacked(self, arrays: Mapping[str, Any]) -> tuple[dict[Tensor, State], list[str]]:
        """Sort saved arrays by parameter; say what does not fit."""
        parameters = self.parameters()
        state: dict[Tensor, State] = {}
        faults = []
        for name, value in arrays.items():
            position, _, kind = name.partition(".")
            known = position.isdecimal() and int(position) < len(parameters)
            if not known or kind not in self.state_names:
                faults.append(f"{name}: unexpected")
                continue
            parameter = parameters[int(position)]
            if kind == "step":
                state.setdefault(parameter, {})[kind] = int(value)
            elif np.shape(value) == parameter.shape:
                copied = np.array(value, parameter.dtype, order="C")
                state.setdefault(parameter, {})[kind] = copied
            else:
                faults.append(f"{name}: shape {np.shape(value)} for a {parameter.shape} parameter")
        return state, faults

    def _warn_of_uncleared_gradients(self) -> None:
        """Warn, once, if a gradient is an array that the last step has used already.

        `backward` adds to an array that is there, and makes a new one where `.grad` is None. So
        the same array again means that nobody cleared it. The references are weak: a gradient
        that was cleared is freed, and never mistaken for a new one at its address.
        """
        if self._warned:
            return
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        consumed = {id(array) for array in (ref() for ref in self._consumed) if array is not None}
        if any(id(gradient) in consumed for gradient in gradients):
            self._warned = True
            self._consumed = []
            warnings.warn(
                "step() on gradients that an earlier step() used already: backward() adds to what "
                ".grad holds, so old gradients still count. Call optimizer.zero_grad() before "
                "backward().",
                UnclearedGradientsWarning,
                stacklevel=3,
            )
        else:
            self._consumed = [weakref.ref(gradient) for gradient in gradients]

    def __repr__(self) -> str:
        lines = [
            f"  {len(group['params'])} parameters, "
            + ", ".join(f"{k}={_plain(v)}" for k, v in group.items() if k != "params")
            for group in self.param_groups
        ]
        return f"{type(self).__name__}(\n" + "\n".join(lines) + "\n)"


def sgd_update(
    parameter: Array,
    gradient: Array,
    momentum_buffer: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> None:
    """One step of stochastic gradient descent: changes `parameter` and `momentum_buffer` in place.

    The buffer is a running sum of gradients, each step's weighing `momentum` times the next one's.
    Nesterov's form looks one step ahead. Sutskever et al., "On the importance of initialization and
    momentum in deep learning", 2013.
    """
    if weight_decay:
        gradient = gradient + weight_decay * parameter
    if momentum_buffer is not None:
        momentum_buffer *= momentum
        momentum_buffer += gradient
        gradient = gradient + momentum * momentum_buffer if nesterov else momentum_buffer
    parameter -= lr * gradient


def adam_update(
    parameter: Array,
    gradient: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    *,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """One step of Adam: changes `parameter` and both averages in place. The first `step` is 1.

    The averages, of gradients and of their squares, start at zero and are too small at first; the
    divisions by 1 - beta**step correct that. Kingma and Ba, "Adam", 2015. `decoupled` weight decay
    shrinks the parameter itself: Loshchilov and Hutter, "Decoupled weight decay regularization",
    2019.
    """
    beta1, beta2 = betas
    if weight_decay and decoupled:
        parameter *= 1 - lr * weight_decay
    elif weight_decay:
        gradient = gradient + weight_decay * parameter
    exp_avg *= beta1
    exp_avg += (1 - beta1) * gradient
    exp_avg_sq *= beta2
    exp_avg_sq += (1 - beta2) * gradient**2
    mean = exp_avg / (1 - beta1**step)
    square = exp_avg_sq / (1 - beta2**step)
    parameter -= lr * mean / (np.sqrt(square) + eps)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's momentum and L2 weight decay."""

    state_names = ("momentum_buffer",)

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
        )

    def check(self, options: Group) -> None:
        super().check(options)
        momentum = options["momentum"]
        self.require("momentum", momentum, momentum >= 0, "at least 0")
        if options["nesterov"]:
            self.require("momentum", momentum, momentum > 0, "above 0 where nesterov is on")

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        if group["momentum"] and not state:
            state["momentum_buffer"] = np.zeros_like(parameter)
        sgd_update(
            parameter,
            gradient,
            state.get("momentum_buffer"),
            lr=float(group["lr"]),
            momentum=float(group["momentum"]),
            weight_decay=float(group["weight_decay"]),
            nesterov=group["nesterov"],
        )


class Adam(Optimizer):
    """Adam: each element has a step size of its own, from averages of its gradients."""

    state_names = ("step", "exp_avg", "exp_avg_sq")
    decoupled = False

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def check(self, options: Group) -> None:
        super().check(options)
        self.require("eps", options["eps"], options["eps"] >= 0, "at least 0")
        for beta in options["betas"]:
            self.require("betas", options["betas"], 0 <= beta < 1, "two numbers, each in [0, 1)")

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        if not state:
            state["step"] = 0
            state["exp_avg"] = np.zeros_like(parameter)
            state["exp_avg_sq"] = np.zeros_like(parameter)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        adam_update(
            parameter,
            gradient,
            state["exp_avg"],
            state["exp_avg_sq"],
            step=state["step"],
            lr=float(group["lr"]),
            betas=(float(beta1), float(beta2)),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            decoupled=self.decoupled,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: a parameter itself shrinks, by lr * weight_decay a step."""

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def _as_groups(parameters: Any) -> list[Mapping[str, Any]]:
    """Return the argument of an optimizer as a list of groups."""
    if isinstance(parameters, Tensor | Mapping):
        raise TypeError(
            f"parameters come in a list: write [{'x' if isinstance(parameters, Tensor) else 'group'}]"
        )
    given = list(parameters)
    if given and all(isinstance(group, Mapping) for group in given):
        return given
    return [{"params": given}]


def _check_parameter(name: str, parameter: Any) -> None:
    """Refuse what no optimizer can change."""
    if not isinstance(parameter, Tensor):
        raise TypeError(
            f"{name} is a {type(parameter).__name__}, not a tensor. "
            "A model's are in model.parameters(); a list of groups has dicts only"
        )
    if parameter.dtype.kind != "f":
        raise TypeError(
            f"{name} is of {parameter.dtype}: only floating point has gradients, so make it float32"
        )
    if parameter.node is not None:
        raise GradientError(
            f"{name} is the result of {parameter.node.primitive.name}, and gradients gather in "
            "leaves only: optimize what it was computed from, or start anew with x.detach()"
        )


def _plain(value: Any) -> Any:
    """Return an option as JSON would hold it."""
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value
