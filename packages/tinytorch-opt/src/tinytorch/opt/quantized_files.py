"""A quantised model in a file: int8 as int8, int4 as int4, scales beside them, and no examples.

    save_quantized(small, "lenet5.int8.safetensors")
    small = load_quantized("lenet5.int8.safetensors", LeNet5())

The file is safetensors, by the names of the model's `state_dict`; which layers are quantised and
which normalisations are folded stands in its metadata, as JSON. Left out: the model's own sizes,
which the caller knows, as for `load_state_dict`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinytorch.core.files import AnyPath
from tinytorch.core.layers import Linear, Module
from tinytorch.core.primitive import Array
from tinytorch.core.serialization import read, save
from tinytorch.core.tensor import Tensor
from tinytorch.opt.folding import Folded
from tinytorch.opt.int4 import Int4Linear
from tinytorch.opt.quantization import QUANTIZED, Quantization, QuantizedLayer
from tinytorch.opt.surgery import M, copy_of, module_at, replaced

FORMAT = "tinytorch-quantized-1"


def save_quantized(model: Module, path: AnyPath, metadata: Mapping[str, str] | None = None) -> None:
    """Write a model that `quantize`, `convert` or `quantize_weights` returned.

    metadata  texts to keep beside it

    Raises ValueError where no layer is quantised.
    """
    layers: dict[str, dict[str, Any]] = {}
    for name, module in model.named_modules():
        if isinstance(module, QuantizedLayer):
            layers[name] = {"bits": module.bits, "input_bits": module.input_bits}
        elif isinstance(module, Int4Linear):
            layers[name] = {"bits": 4, "block": module.block, "symmetric": module.zero is None}
    if not layers:
        raise ValueError("save_quantized: no layer is quantised: quantize(model, batches) first?")
    texts = dict(metadata or {}) | {
        "format": FORMAT,
        "quantized": json.dumps(layers),
        "folded": json.dumps([n for n, m in model.named_modules() if isinstance(m, Folded)]),
    }
    save(model.state_dict(), path, texts)


def load_quantized(path: AnyPath, model: M) -> M:
    """Return the quantised model that a file holds, in evaluation mode.

    model  a new one of the same sizes, as before quantisation; it stays as it is

    Raises ValueError for another file, a damaged one, or a model that it does not fit.
    """
    arrays, texts = read(path)
    if texts.get("format") != FORMAT:
        raise ValueError(
            f"{path} holds tensors, but no quantised model of this version (its format is "
            f"{texts.get('format', 'not named')}, not {FORMAT}). save_quantized writes one"
        )
    exchange: dict[str, Module] = {name: Folded() for name in json.loads(texts["folded"])}
    try:
        for name, of in json.loads(texts["quantized"]).items():
            layer = module_at(model, name)
            exchange[name] = _shell(name, layer, f"{name}.bias" in arrays, **of)
        result = replaced(model, exchange)
    except KeyError as error:
        raise ValueError(f"{path} does not fit this model: {error.args[0]}") from None
    _require_types(path, result, arrays)
    result.load_state_dict(arrays)
    result.eval()
    return result


def _shell(name: str, layer: Any, bias: bool, bits: int, **how: Any) -> Module:
    """A quantised layer of the sizes of `layer`, to load into."""
    if "block" in how and isinstance(layer, Linear):
        return Int4Linear(layer, **how)
    if type(layer) not in QUANTIZED:
        known = " or ".join(each.__name__ for each in QUANTIZED)
        raise ValueError(f"layer {name!r} is a {type(layer).__name__}, not a {known}")
    kind = QUANTIZED[type(layer)]
    layer = copy_of(layer)
    outputs = layer.weight.shape[kind.weight_axis]
    layer.bias = Tensor(np.zeros(outputs, np.float32), requires_grad=True) if bias else None
    inputs = Quantization(np.ones(()), np.zeros(()), bits=how["input_bits"])
    return kind(layer, inputs, bits=bits)


def _require_types(path: AnyPath, model: Module, arrays: Mapping[str, Array]) -> None:
    """Raise ValueError where a number would lose its type on the way into the model."""
    for name, own in model.state_dict().items():
        if name in arrays and arrays[name].dtype != own.dtype:
            raise ValueError(
                f"{path} does not fit this model: {name} is {arrays[name].dtype}, not {own.dtype}"
            )
