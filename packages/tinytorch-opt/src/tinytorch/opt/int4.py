"""Four bits for each weight, in blocks, and activations as they are: what language models use.

Reading a weight from memory costs a transformer that writes one token more time than multiplying by
it. So weights are made as small as they go: 32 neighbours along the inputs share one scale, and two
weights share a byte. They are multiplied as floats again, so the inputs lose nothing.

    small = quantize_weights(model)                   # every Linear becomes an Int4Linear
    save_quantized(small, "gpt.int4.safetensors")     # of quantized_files.py

With a float16 scale for each 32 weights that is 4.5 bits a weight, with zero points 4.625. ONNX
calls it blocked quantisation (DequantizeLinear-21, `block_size`); Frantar et al., "GPTQ", 2023,
section 4, has such groups too, and finds better integers than the nearest. Left out: that search,
and embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Linear, Module
from tinytorch.core.primitive import Array, Event, primitive
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import Cost, cost, moved
from tinytorch.opt.surgery import M, replaced

LOW, HIGH = -8, 7  # what four bits hold
TINY, HUGE = 2.0**-24, 65504.0  # the smallest and the largest number of float16


# Two in a byte
def pack(values: Array) -> Array:
    """Put two integers from -8 to 7 into each byte, neighbours along the last axis.

    values (..., n), integers -> uint8 (..., ceil(n / 2)): the even ones in the lower half, as
    ONNX's int4. Raises ValueError for other integers.
    """
    if values.size and not (values.min() >= LOW and values.max() <= HIGH):
        raise ValueError(
            f"pack: integers from {values.min()} to {values.max()}; four bits hold {LOW} to {HIGH}"
        )
    halves = values.astype(np.uint8) & 0x0F  # two's complement: -1 is 1111
    if halves.shape[-1] % 2:
        halves = np.concatenate([halves, np.zeros_like(halves[..., :1])], axis=-1)
    return halves[..., 0::2] | (halves[..., 1::2] << 4)


def unpack(packed: Array, count: int) -> Array:
    """The `count` integers, int8 (..., count), that `pack` put into bytes."""
    values = np.empty((*packed.shape[:-1], 2 * packed.shape[-1]), np.int8)
    signed = packed.view(np.int8)
    values[..., 0::2] = (signed << 4) >> 4  # shifts of signed integers bring the sign along
    values[..., 1::2] = signed >> 4
    return values[..., :count]


# Blocks
def blocks_of(weight: Array, block: int) -> Array:
    """Cut (in, out) in blocks along the inputs: (blocks, block, out), zeros at the end."""
    inputs, outputs = weight.shape
    count = -(-inputs // block)
    padded = np.zeros((count * block, outputs), weight.dtype)
    padded[:inputs] = weight
    return padded.reshape(count, block, outputs)


def quantize_blocks(
    weight: Array, block: int = 32, *, symmetric: bool = True
) -> tuple[Array, Array, Array | None]:
    """Round a weight to four bits, each block of each output with a scale of its own.

    weight     (in, out), finite
    block      weights that share a scale
    symmetric  whether integers from -7 to 7 stand for both sides of 0 alike; otherwise all sixteen
               are spread over what there is, with a zero point for each block

    Returns the integers packed (in, ceil(out / 2)) uint8, the scales (blocks, out) float16, and the
    zero points, packed (blocks, ceil(out / 2)), or None. No weight moves by more than half its
    scale, but for the rounding of the scale itself. Raises ValueError for what float16 does not
    hold.
    """
    if not np.isfinite(weight).all() or np.abs(weight).max(initial=0) > HUGE:
        raise ValueError(f"int4: weights must be finite, and at most {HUGE:.0f} in magnitude")
    cut = blocks_of(np.asarray(weight, np.float32), block)
    if symmetric:
        scale = _scale(np.abs(cut).max(axis=1) / HIGH)
        zero = None
    else:
        low, high = np.minimum(cut.min(axis=1), 0), np.maximum(cut.max(axis=1), 0)
        scale = _scale(high / (HIGH - LOW) - low / (HIGH - LOW))
        zero = np.clip(np.rint(LOW - low / scale), LOW, HIGH)
    q = np.rint(cut / scale[:, np.newaxis].astype(np.float32))
    if zero is not None:
        q += zero[:, np.newaxis]
    q = np.clip(q, LOW, HIGH).reshape(-1, weight.shape[1])[: len(weight)]
    return pack(q.astype(np.int8)), scale, None if zero is None else pack(zero.astype(np.int8))


def _scale(value: Array) -> Array:
    """Scales as float16, rounded up, so that the largest weight stays within the integers."""
    scale = np.maximum(value, TINY).astype(np.float16)
    return np.where(scale < value, np.nextafter(scale, np.float16(np.inf)), scale)


def dequantize_blocks(packed: Array, scale: Array, zero: Array | None, block: int) -> Array:
    """The weights (in, out), float32, that four bits stand for."""
    inputs, outputs = len(packed), scale.shape[1]
    q = unpack(packed, outputs).astype(np.float32)  # (in, out)
    if zero is not None:
        q -= np.repeat(unpack(zero, outputs), block, axis=0)[:inputs]
    q *= np.repeat(scale.astype(np.float32), block, axis=0)[:inputs]
    return q


@primitive(differentiable=False)
def linear_int4(
    x: Array, packed: Array, scale: Array, zero: Array | None, bias: Array | None, *, block: int
) -> Array:
    """x @ weight + bias, the weight in four bits.

    x (..., in), float; packed, scale and zero as of `quantize_blocks`; bias (out,) or None ->
    (..., out). Raises ShapeError.
    """
    inputs = x.shape[-1] if x.ndim else 0
    if inputs != len(packed) or -(-inputs // block) != len(scale):
        raise ShapeError(
            f"linear_int4: the last axis of x {x.shape} must be the first of weight "
            f"{packed.shape}, whose scales {scale.shape} are for blocks of {block}"
        )
    weight = dequantize_blocks(packed, scale, zero, block)
    y = x.reshape(-1, inputs) @ weight  # (..., in) -> (rows, in) -> (rows, out)
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[1])


@cost("linear_int4")
def linear_int4_cost(event: Event) -> Cost:
    """As `linear`, and each weight unpacked (three steps for two) and scaled."""
    x, packed, scale, zero, bias = event.record.arrays
    out = np.size(event.record.out)
    weights = len(packed) * scale.shape[1]
    steps = 3 * packed.size + weights * (1 + (zero is not None)) + (out if bias is not None else 0)
    return Cost(2 * out * x.shape[-1], steps, moved(event))


# Layers and models
class Int4Linear(Module):
    """A `Linear` whose weights (in, out) take four bits, in blocks along the inputs.

    layer             a trained Linear, which stays as it is
    block, symmetric  as for `quantize_blocks`

    The state: weight, packed, uint8 (in, ceil(out / 2)); scale, float16 (blocks, out); zero,
    packed, if there are zero points; bias, float32. Nothing in it is trained.
    """

    weight: Tensor
    scale: Tensor
    zero: Tensor | None
    bias: Tensor | None

    def __init__(self, layer: Linear, block: int = 32, symmetric: bool = True) -> None:
        if block < 2:
            raise ValueError(f"Int4Linear: blocks of {block}; a scale is for 2 weights at least")
        self.block = block
        packed, scale, zero = quantize_blocks(layer.weight.data, block, symmetric=symmetric)
        self.register_buffer("weight", Tensor(packed))
        self.register_buffer("scale", Tensor(scale))
        self.zero = self.bias = None
        if zero is not None:
            self.register_buffer("zero", Tensor(zero))
        if layer.bias is not None:
            self.register_buffer("bias", Tensor(layer.bias.data))

    def forward(self, x: Tensor) -> Tensor:
        return linear_int4(x, self.weight, self.scale, self.zero, self.bias, block=self.block)

    def describe(self) -> str:
        zero = "" if self.zero is None else ", zero points"
        return f"{self.weight.shape[0]}, {self.scale.shape[1]}, block={self.block}{zero}"


def quantize_weights(
    model: M, block: int = 32, *, symmetric: bool = True, skip: Iterable[str] = ()
) -> M:
    """Return a copy of a model whose linear layers keep their weights in four bits.

    No examples are needed: inputs are not rounded. `skip` names layers that stay as they are.
    Raises ValueError where there is no Linear, KeyError for a name in `skip` that is none.
    """
    layers = {name: each for name, each in model.named_modules() if type(each) is Linear}
    for name in (left := list(skip)):
        if name not in layers:
            raise KeyError(f"skip: no linear layer {name!r}; there are {', '.join(layers)}")
    exchange: dict[str, Module] = {
        name: Int4Linear(each, block, symmetric)
        for name, each in layers.items()
        if name not in left
    }
    if not exchange:
        raise ValueError(f"{type(model).__name__} has no linear layer to quantise")
    return replaced(model, exchange)
