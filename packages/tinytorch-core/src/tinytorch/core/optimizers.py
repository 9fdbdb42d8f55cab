"""Module 07: optimizers. They move parameters against their gradients: SGD, Adam, AdamW.

The rule of each is a plain function that changes arrays in place; the class around it keeps the
options and what the rule remembers from step to step. Left out: gradients (module 06), schedules,
clipping and the training loop (module 08), the groups and the saving that all optimizers share
(`parameter_groups.py`), and the fast forms of the rules (`kernels/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.parameter_groups import Group, ParameterGroups, Parameters, State
from tinytorch.core.primitive import Array, routine


class Optimizer(ParameterGroups):
    """Parameters, and the way they change. A subclass says how one is updated.

    parameters  tensors, or groups: [{"params": [...], "lr": 0.1}, {"params": [...]}]
    defaults    the options, with the values for groups that do not name them

    A parameter that is frozen or has no gradient is left as it is. Raises TypeError, ValueError or
    GradientError for what cannot be optimized.
    """

    def __init__(self, parameters: Parameters, **defaults: Any) -> None:
        super().__init__(parameters, defaults)

    def update(self, parameter: Array, gradient: Array, state: State, group: Group) -> None:
        """Change `parameter` in place. `state` is this parameter's own dict, empty at first."""
        raise NotImplementedError(f"{type(self).__name__} has no update(): write one")

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        self.notice_uncleared_gradients()
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = self.gradient_of(parameter)
                if gradient is not None:
                    state = self.state.setdefault(parameter, {})
                    self.update(parameter.data, gradient, state, group)
                    parameter.data = parameter.data  # tells the tensor that it was changed in place

    @explains_arguments
    def zero_grad(self) -> None:
        """Forget all gradients. `backward` adds to them, so call this before each one."""
        for parameter in self.parameters():
            parameter.grad = None


@routine
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


@routine
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
        parameters: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
        )

    def check(self, options: Mapping[str, Any]) -> None:
        super().check(options)
        self.require(options, "momentum", lambda value: value >= 0, "a number, at least 0")
        if options["nesterov"]:
            self.require(options, "momentum", lambda value: value > 0, "above 0 for nesterov")

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


def two_shares(betas: Any) -> bool:
    """Whether these are two numbers, each at least 0 and below 1."""
    return len(betas) == 2 and all(0 <= beta < 1 for beta in betas)


class Adam(Optimizer):
    """Adam: each element has a step size of its own, from averages of its gradients."""

    state_names = ("step", "exp_avg", "exp_avg_sq")
    decoupled = False

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def check(self, options: Mapping[str, Any]) -> None:
        super().check(options)
        self.require(options, "eps", lambda value: value >= 0, "a number, at least 0")
        self.require(options, "betas", two_shares, "two numbers, each at least 0 and below 1")

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
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)
