"""Weights of four bits: packed, in blocks, half a step off at most, and written as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.arch.models import CharGPT
from tinytorch.core.activations import ReLU
from tinytorch.core.context import listening
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.tensor import Tensor
from tinytorch.opt.int4 import (
    Int4Linear,
    dequantize_blocks,
    linear_int4,
    pack,
    quantize_blocks,
    quantize_weights,
    unpack,
)
from tinytorch.opt.quantization import state_bytes
from tinytorch.opt.quantized_files import load_quantized, save_quantized


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 4))
@settings(deadline=None)
def test_two_go_into_a_byte_and_come_out_again(seed: int, rows: int, columns: int) -> None:
    values = np.random.default_rng(seed).integers(-8, 8, (rows, columns), np.int8)
    packed = pack(values)
    assert packed.dtype == np.uint8
    assert packed.shape == (rows, -(-columns // 2))
    np.testing.assert_array_equal(unpack(packed, columns), values)


def test_the_first_of_two_is_in_the_lower_half_as_in_onnx() -> None:
    assert pack(np.array([1, -1, 7, -8, 3], np.int8)).tolist() == [0xF1, 0x87, 0x03]
    with pytest.raises(ValueError, match="integers from 0 to 8; four bits hold -8 to 7"):
        pack(np.array([0, 8]))


@given(
    st.integers(0, 2**32), st.integers(1, 70), st.integers(1, 5), st.integers(2, 40),
    st.booleans(), st.sampled_from([1e-30, 1e-7, 1e-6, 1.0, 1e3]),
)  # fmt: skip
@settings(deadline=None)
def test_no_weight_moves_by_more_than_half_a_step_of_its_block(
    seed: int, inputs: int, outputs: int, block: int, symmetric: bool, size: float
) -> None:
    rng = np.random.default_rng(seed)
    weight = (rng.standard_normal((inputs, outputs)) * size).astype(np.float32)
    if not symmetric:
        weight += np.float32(size)
    packed, scale, zero = quantize_blocks(weight, block, symmetric=symmetric)
    assert scale.shape == (-(-inputs // block), outputs)
    assert scale.dtype == np.float16
    assert (zero is None) == symmetric
    found = dequantize_blocks(packed, scale, zero, block)
    steps = np.repeat(scale.astype(np.float64), block, axis=0)[:inputs]
    assert (np.abs(found - weight) <= steps * 0.5001 + 1e-12).all()
    # and the step is as small as the largest weight of the block lets it be, in float16
    for i in range(len(scale)):
        part = weight[i * block : (i + 1) * block].astype(np.float64)
        if symmetric:
            least = np.abs(part).max(axis=0) / 7
        else:
            least = (np.maximum(part.max(axis=0), 0) - np.minimum(part.min(axis=0), 0)) / 15
        assert (scale[i] <= least * 1.002 + 2.0**-23).all()


def test_zero_points_serve_weights_of_one_sign_better() -> None:
    weight = np.random.default_rng(0).uniform(1, 2, (64, 8)).astype(np.float32)
    errors = []
    for symmetric in (True, False):
        packed, scale, zero = quantize_blocks(weight, symmetric=symmetric)
        errors.append(np.abs(dequantize_blocks(packed, scale, zero, 32) - weight).mean())
    assert errors[1] < 0.6 * errors[0]


def test_weights_that_float16_cannot_scale_are_refused() -> None:
    for wrong in (np.nan, np.inf, 1e6):
        with pytest.raises(ValueError, match="must be finite, and at most 65504"):
            quantize_blocks(np.array([[wrong]], np.float32))


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_layer_computes_with_its_rounded_weights_and_exact_inputs(symmetric: bool) -> None:
    rng = np.random.default_rng(0)
    layer = Linear(45, 7, rng=rng)
    small = Int4Linear(layer, 16, symmetric)
    x = rng.standard_normal((2, 3, 45), np.float32)
    zero = None if small.zero is None else small.zero.data
    weight = dequantize_blocks(small.weight.data, small.scale.data, zero, 16)
    assert layer.bias is not None
    np.testing.assert_allclose(small(Tensor(x)).data, x @ weight + layer.bias.data, rtol=1e-5)
    heard: list[str] = []
    with listening(lambda event: heard.append(event.record.primitive.name)):
        small(Tensor(x))
    assert heard == ["linear_int4"]
    assert small.parameters() == []


def test_a_weight_takes_four_and_a_half_bits() -> None:
    small = Int4Linear(Linear(256, 64, bias=False))
    assert state_bytes(small) * 8 == 256 * 64 * 4.5
    small = Int4Linear(Linear(256, 64, bias=False), symmetric=False)
    assert state_bytes(small) * 8 == 256 * 64 * 4.625


def test_what_does_not_fit_is_explained() -> None:
    small = Int4Linear(Linear(8, 2))
    with pytest.raises(ShapeError, match=r"x \(1, 10\) must be the first of weight \(8, 1\)"):
        small(Tensor(np.zeros((1, 10))))
    with pytest.raises(ShapeError, match="linear_int4"):
        linear_int4(np.float32(1), small.weight, small.scale, None, None, block=32)
    with pytest.raises(ValueError, match="blocks of 1"):
        Int4Linear(Linear(8, 2), 1)
    with pytest.raises(ValueError, match="no linear layer"):
        quantize_weights(Sequential(ReLU()))
    with pytest.raises(KeyError, match="no linear layer '9'; there are 0"):
        quantize_weights(Sequential(Linear(2, 2)), skip=["9"])


def test_a_file_gives_the_same_model_back(tmp_path: Path) -> None:
    model = CharGPT(vocab=20, rng=np.random.default_rng(0))
    tokens = np.random.default_rng(1).integers(0, 20, (2, 16))
    small = quantize_weights(model)
    kinds = [type(module).__name__ for module in small.modules()]
    assert kinds.count("Int4Linear") == sum(type(m) is Linear for m in model.modules()) > 0
    save_quantized(small, tmp_path / "gpt.safetensors")
    assert (tmp_path / "gpt.safetensors").stat().st_size < 0.2 * state_bytes(model)
    fresh = CharGPT(vocab=20, rng=np.random.default_rng(5))
    again = load_quantized(tmp_path / "gpt.safetensors", fresh)
    np.testing.assert_array_equal(again(tokens).data, small(tokens).data)
    np.testing.assert_allclose(again(tokens).data, model(tokens).data, atol=0.2)


def test_zero_points_go_into_a_file_too(tmp_path: Path) -> None:
    model = Sequential(Linear(40, 5, bias=False, rng=np.random.default_rng(0)))
    small = quantize_weights(model, 8, symmetric=False)
    save_quantized(small, tmp_path / "small.safetensors")
    again = load_quantized(tmp_path / "small.safetensors", model)
    x = np.random.default_rng(1).standard_normal((3, 40), np.float32)
    np.testing.assert_array_equal(again(Tensor(x)).data, small(Tensor(x)).data)
    assert repr(again) == repr(small)
