"""Module 03: layers. A `Module` holds parameters and other modules; the rest are modules.

Left out: gradients of `linear` (module 06), convolutions and normalisation (tinytorch-arch).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tinytorch.core import state
from tinytorch.core.context import current, scope
from tinytorch.core.elsewhere import MODULES, explains_arguments, explains_attributes
from tinytorch.core.errors import ShapeError
from tinytorch.core.hints import linear_hint
from tinytorch.core.primitive import Array, primitive
from tinytorch.core.random import default_generator
from tinytorch.core.tensor import Tensor


@explains_attributes(MODULES)
class Module:
    """A piece of a model: subclass it, set parameters and modules as attributes, write `forward`.

    A parameter is a floating-point leaf tensor in a public attribute that requires a gradient, or
    did once: a frozen one stays a parameter. One that never did is a constant, such as a mask: it
    is saved too, but neither counted nor trained. State of other kinds is announced with
    `register_buffer`. Tensors and modules are found in an attribute, or in a list, tuple or dict
    that is one; a name that begins with _ hides them. There is nothing to call in `__init__`.
    """

    training = True
    _buffers: frozenset[str] = frozenset()
    _trained: frozenset[str] = frozenset()  # what requires a gradient, or did once

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. Raises TypeError where that would end the training of a parameter."""
        old = vars(self).get(name)
        if isinstance(old, Tensor):
            state.require_parameter(self, name, old, value)
        object.__setattr__(self, name, value)
        if isinstance(value, state.HOLDERS):
            self._notice(state.trained(name, value))

    def _notice(self, names: set[str]) -> None:
        if not names <= self._trained:
            vars(self)["_trained"] = self._trained | names

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(): write one")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`; while somebody listens, records made in it know this module."""
        if not current().listeners:
            return self.forward(*args, **kwargs)
        with scope(self):
            return self.forward(*args, **kwargs)

    # What is inside
    def children(self) -> dict[str, Module]:
        """The modules directly inside this one, by name: "hidden", or "blocks.0" in a list."""
        found: dict[str, Module] = {}
        for name, value in vars(self).items():
            for inner, item in state.items(name, value):
                if isinstance(item, Module):
                    found[inner] = item
        return found

    def own_tensors(self) -> dict[str, Tensor]:
        """The parameters, buffers and constants directly in this module, by name."""
        found: dict[str, Tensor] = {}
        for name, value in vars(self).items():
            for inner, item in state.items(name, value):
                if isinstance(item, Tensor) and (inner in self._buffers or state.is_state(item)):
                    found[inner] = item
        return found

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module ("") and all inside it, each once, with dotted names."""
        seen: set[Module] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if module in seen:
                continue
            seen.add(module)
            yield name, module
            inside = [(_join(name, inner), child) for inner, child in module.children().items()]
            stack.extend(reversed(inside))

    def modules(self) -> list[Module]:
        """This module and all inside it, each once."""
        return [module for _, module in self.named_modules()]

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """All parameters, frozen ones too, with dotted names; one that is shared comes once."""
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            own = module.own_tensors()
            module._notice({name for name, tensor in own.items() if tensor.requires_grad})
            trained = module._trained - module._buffers
            for name, tensor in own.items():
                if name in trained and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield _join(prefix, name), tensor

    def parameters(self) -> list[Tensor]:
        """All parameters, in the order of `named_parameters`."""
        return state.Parameters(parameter for _, parameter in self.named_parameters())

    def num_parameters(self) -> int:
        """The number of elements of all parameters."""
        return sum(parameter.size for parameter in self.parameters())

    def register_buffer(self, name: str, value: Tensor) -> None:
        """Set an attribute that is saved with the model but is no parameter."""
        self._buffers = self._buffers | {name}
        setattr(self, name, value)

    # What changes inside
    def train(self, mode: bool = True) -> Module:
        """Switch this module and all inside it to training (dropout drops), or out of it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch this module and all inside it to evaluation: the same as `train(False)`."""
        return self.train(False)

    @explains_arguments
    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, wanted: bool = True) -> Module:
        """Freeze (False) or unfreeze all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad = wanted
        return self

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers, by dotted name."""
        return {name: tensor.data.copy() for name, tensor in self._named_state()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Copy values into parameters and buffers, in place.

        strict  names must be the same on both sides. Nothing is changed unless everything fits;
                otherwise ValueError lists what is missing, unexpected, or of another shape.
        """
        if not isinstance(state, Mapping):
            raise TypeError(
                f"load_state_dict: expected arrays by name, got a {type(state).__name__}: "
                "to read them from a file, model.load_state_dict(tinytorch.load(path))"
            )
        own = dict(self._named_state())
        arrays = {k: v.data if isinstance(v, Tensor) else np.asarray(v) for k, v in state.items()}
        faults = [
            f"{name}: shape {arrays[name].shape} does not fit {tensor.shape}"
            for name, tensor in own.items()
            if name in arrays and arrays[name].shape != tensor.shape
        ]
        if strict:
            faults += [f"{name}: missing" for name in own if name not in arrays]
            faults += [f"{name}: unexpected" for name in arrays if name not in own]
        if faults:
            raise ValueError(
                f"this state does not fit {type(self).__name__}:\n  " + "\n  ".join(faults)
            )
        for name, tensor in own.items():
            if name in arrays:
                tensor.data[...] = arrays[name]
                tensor.data = tensor.data  # tells the tensor that it was changed in place

    def _named_state(self) -> Iterator[tuple[str, Tensor]]:
        for prefix, module in self.named_modules():
            for name, tensor in module.own_tensors().items():
                yield _join(prefix, name), tensor

    def __repr__(self) -> str:
        lines = [f"  ({name}): {child!r}" for name, child in self._shown().items()]
        if not lines:
            return f"{type(self).__name__}({self.describe()})"
        inside = "\n".join(line.replace("\n", "\n  ") for line in lines)
        return f"{type(self).__name__}({self.describe()}\n{inside}\n)"

    def describe(self) -> str:
        """What `repr` says of this module besides what is inside it."""
        return ""

    def _shown(self) -> Mapping[str, Any]:
        return self.children()


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def uniform(shape: tuple[int, ...], bound: float, rng: np.random.Generator | None = None) -> Tensor:
    """A parameter drawn evenly from [-bound, bound), float32."""
    rng = rng or default_generator()
    return Tensor((rng.random(shape, np.float32) * 2 - 1) * bound, np.float32, requires_grad=True)


def kaiming_uniform(
    shape: tuple[int, ...], fan_in: int, rng: np.random.Generator | None = None
) -> Tensor:
    """A parameter that keeps the variance of what passes through it and a ReLU.

    He et al., "Delving Deep into Rectifiers", 2015: variance 2 / fan_in.
    """
    return uniform(shape, math.sqrt(6 / fan_in), rng)


def xavier_uniform(shape: tuple[int, int], rng: np.random.Generator | None = None) -> Tensor:
    """A parameter (in, out) that keeps the variance forward and backward, for tanh and sigmoid.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010: variance 2 / (in + out).
    """
    return uniform(shape, math.sqrt(6 / sum(shape)), rng)


@primitive
def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    """x @ weight + bias, in one step.

    x (..., in), weight (in, out), bias (out,) or None -> (..., out). Raises ShapeError.
    """
    if x.ndim == 0 or weight.ndim != 2 or x.shape[-1] != weight.shape[0]:
        raise ShapeError(
            f"linear: the last axis of x {x.shape} must be the first of weight {weight.shape}"
            + linear_hint(x.shape, weight.shape)
        )
    y = x.reshape(-1, x.shape[-1]) @ weight  # (..., in) -> (rows, in) -> (rows, out)
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[1])


class Linear(Module):
    """y = x @ weight + bias: every output is a weighted sum of all inputs.

    x (..., in_features) -> (..., out_features).

    in_features, out_features  sizes; weight is (in, out)
    bias                       whether there is one
    rng                        where the initial values come from: evenly from +-1/sqrt(in), as in
                               PyTorch
    """

    @explains_arguments
    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        for size in (in_features, out_features):
            if not isinstance(size, int | np.integer):
                raise TypeError(f"Linear({in_features!r}, {out_features!r}): sizes are integers")
        if in_features < 1 or out_features < 1:
            raise ValueError(f"Linear({in_features}, {out_features}): sizes must be at least 1")
        bound = 1 / math.sqrt(in_features)
        self.weight = uniform((in_features, out_features), bound, rng)
        self.bias = uniform((out_features,), bound, rng) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) -> (..., out_features). Raises ShapeError."""
        return linear(x, self.weight, self.bias)

    def describe(self) -> str:
        in_features, out_features = self.weight.shape
        return f"{in_features}, {out_features}, bias={self.bias is not None}"


class Dropout(Module):
    """While training, set each element to 0 with probability `p`, and scale the rest by 1/(1 - p).

    The expected value stays, so evaluation needs no change. Srivastava et al., "Dropout", 2014.
    """

    @explains_arguments
    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        if isinstance(p, str) or not 0 <= p < 1:
            raise ValueError(
                f"{type(self).__name__}({p!r}): p is a probability, at least 0 and below 1"
            )
        self.p = p
        self.rng = rng

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape -> the same shape."""
        if not self.training or self.p == 0:
            return x
        keep = (self.rng or default_generator()).random(x.shape, np.float32) >= self.p
        return x * (keep / np.float32(1 - self.p))

    def describe(self) -> str:
        return f"p={self.p}"


class Sequential(Module):
    """Layers one after the other: `Sequential(a, b)` or `Sequential([a, b])`.

    A layer is anything that takes a tensor and returns one: a module, an activation, a function.
    """

    def __init__(self, *layers: Any) -> None:
        one_list = len(layers) == 1 and isinstance(layers[0], list | tuple)
        self.layers: list[Callable[[Tensor], Tensor]] = list(layers[0] if one_list else layers)
        for i, layer in enumerate(self.layers):
            if isinstance(layer, type):
                name = layer.__name__
                raise TypeError(f"Sequential: layer {i} is the class {name}: write {name}()")
            if not callable(layer):
                raise TypeError(f"Sequential: layer {i} is {layer!r}, which cannot be called")

    def forward(self, x: Tensor) -> Tensor:
        """Hand x on from layer to layer. A ShapeError says in which one it was raised."""
        for i, layer in enumerate(self.layers):
            try:
                x = layer(x)
            except ShapeError as error:
                name = type(self).__name__
                error.add_note(f"in layer {i} of {name}: {repr(layer).splitlines()[0]}")
                raise
        return x

    def children(self) -> dict[str, Module]:
        """The modules among the layers, named by position: "0", "2", as in PyTorch."""
        return {str(i): m for i, m in enumerate(self.layers) if isinstance(m, Module)}

    def _shown(self) -> Mapping[str, Any]:
        return {str(i): layer for i, layer in enumerate(self.layers)}

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[[Tensor], Tensor]]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Callable[[Tensor], Tensor]:
        return self.layers[index]
