"""Checkpoint 15: a model shrinks and still works. Fewer bits, fewer weights, fewer channels.

Sums are compared with those of int64, sizes are those of files, and accuracy is that of labels on
drawn digits. Left out: what is gained in time (checkpoint 16), and real digits (`tito milestone run
2018`).
"""

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import Tensor, no_grad
from tinytorch.arch.convolutions import Conv2d, Flatten, MaxPool2d
from tinytorch.arch.models import LeNet5
from tinytorch.arch.ops.normalization import BatchNorm2d
from tinytorch.arch.trained import trained
from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Module, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import AdamW
from tinytorch.core.serialization import save
from tinytorch.core.training import Trainer
from tinytorch.course.checking import exercise, raises, same
from tinytorch.datasets import DrawnDigits
from tinytorch.opt.compression import (
    CubicSparsity,
    GradualPruning,
    Pruning,
    magnitude_masks,
    sparsity_of,
)
from tinytorch.opt.packing import pack, unpack
from tinytorch.opt.quantization import (
    QuantizedLinear,
    affine,
    conv2d_int8,
    linear_int8,
    quantize,
    quantize_linear,
)
from tinytorch.opt.quantized_files import load_quantized, save_quantized
from tinytorch.opt.structured import shrink

POINT = 0.01  # of accuracy


def noise(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def integers(*shape: int, seed: int) -> np.ndarray:
    """Integers of eight bits, of which half are at one of the two ends."""
    rng = np.random.default_rng(seed)
    ends = rng.choice(np.array([-128, 127]), shape)
    return np.where(rng.random(shape) < 0.5, ends, rng.integers(-128, 128, shape)).astype(np.int8)


@cache
def digits(split: str, count: int) -> tuple[Any, Any]:
    return DrawnDigits(split, count).get_batch(np.arange(count))


def share_right(model: Any) -> float:
    """Of a thousand drawn digits that no model here was trained with."""
    images, labels = digits("test", 1000)
    with no_grad():
        return float((model(Tensor(images)).data.argmax(axis=1) == labels).mean())


def zeros_of(model: Module, axes: int = 2) -> int:
    """Zeros in the parameters of so many axes or more."""
    return sum(int((p.data == 0).sum()) for p in model.parameters() if p.ndim >= axes)


# Fewer bits
@exercise("15")
def check_numbers_become_the_nearest_integers_and_zero_stays_zero() -> None:
    x = np.array([-9.0, -1.03125, -0.09375, -0.03125, 0, 0.03125, 0.09375, 0.5, 9.0], np.float32)
    got = quantize_linear(x, np.float32(1 / 16), np.int8(3))
    expected = np.array([-128, -13, 1, 3, 3, 3, 5, 11, 127])
    same(
        got, expected, call="quantize_linear(x, 1/16, 3)",
        why="round(16 x) + 3, halves to the even one; what is too large becomes the largest",
    )  # fmt: skip
    assert got.data.dtype == np.int8, f"the integers are {got.data.dtype}, not int8"
    how = affine(-1.3, 2.9)
    same(how.scale, 4.2 / 255, call="affine(-1.3, 2.9).scale", why="255 steps from end to end")
    numbers = np.linspace(-1.3, 2.9, 1000, dtype=np.float32)
    off = np.abs(how.dequantize(how.quantize(numbers)) - numbers).max()
    assert off <= 1.01 * 4.2 / 255, f"a number comes back {off:.4f} away; a step is {4.2 / 255:.4f}"
    zero = how.dequantize(how.quantize(np.zeros(1, np.float32)))
    same(zero, np.zeros(1), call="0, quantised and back", why="margins are full of it", atol=0)


@exercise("15")
def check_sums_of_products_of_integers_are_exact() -> None:
    x, weight = integers(7, 3000, seed=0), integers(3000, 6, seed=1)
    weight[:, :3] = 127  # sums beyond 2^24, up to which float32 knows every integer
    bias = np.arange(6, dtype=np.int32) * 100_001
    for zero in (-128, 0, 77):
        wide = x.astype(np.int64) - zero
        got = linear_int8(x, weight, bias, np.int8(zero))
        same(
            got, wide @ weight.astype(np.int64) + bias, call=f"linear_int8, zero point {zero}",
            why="int64 says so; float32 would be off by some units", rtol=0, atol=0,
        )  # fmt: skip
    assert got.data.dtype == np.int32, f"the sums are {got.data.dtype}, not int32"


@exercise("15")
def check_a_convolution_of_integers_is_what_exact_loops_give() -> None:
    image, filters = integers(2, 256, 5, 5, seed=2), integers(4, 256, 3, 3, seed=3)
    filters[:2] = 127
    bias = np.arange(4, dtype=np.int32)
    margin = ((0, 0), (0, 0), (1, 1), (1, 1))
    padded = np.pad(image.astype(np.int64) + 128, margin)  # 0 is -128, and the margin is of 0
    expected = np.zeros((2, 4, 3, 3), np.int64)
    for n, o, i, j in np.ndindex(expected.shape):
        patch = padded[n, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        expected[n, o, i, j] = (patch * filters[o].astype(np.int64)).sum() + bias[o]
    got = conv2d_int8(image, filters, bias, np.int8(-128), stride=2, padding=1)
    same(got, expected, call="conv2d_int8(..., stride=2, padding=1)", why="loops", rtol=0, atol=0)


@exercise("15")
def check_each_output_has_a_scale_of_its_own() -> None:
    layer = Linear(40, 3, rng=np.random.default_rng(4))
    layer.weight.data *= np.array([0.001, 1, 100], np.float32)
    assert layer.bias is not None
    layer.bias.data = np.array([0.0002, -0.3, 20], np.float32)
    x = noise(200, 40, seed=5)
    small = quantize(Sequential(layer), [x])
    quantized = next(m for m in small.modules() if isinstance(m, QuantizedLinear))
    largest = np.abs(layer.weight.data).max(axis=0) / 127
    same(quantized.weight_scale, largest, call="weight_scale", why="largest weight of each / 127")
    exact = x.astype(np.float64) @ layer.weight.data + layer.bias.data
    off = np.abs(small(Tensor(x)).data - exact).max(axis=0) / np.abs(exact).max(axis=0)
    assert (off < 0.03).all(), (
        f"outputs of three sizes are off by {', '.join(f'{o:.1%}' for o in off)} of the largest: "
        "the smallest must not suffer from the others"
    )


@exercise("15")
def check_the_steps_of_inputs_come_from_all_the_examples() -> None:
    batches = [noise(50, 4, seed=seed).clip(-0.5, 0.5) for seed in (6, 7, 8)]
    batches[0][3, 1], batches[1][4, 2] = -1, 3  # the extremes, and not in the last batch
    small = quantize(Sequential(Linear(4, 2, rng=np.random.default_rng(9))), batches)
    state = small.state_dict()
    same(state["0.input_scale"], 4 / 255, call="input_scale", why="inputs lie between -1 and 3")
    same(state["0.input_zero_point"], -64, call="input_zero_point", why="-128 + 255 / 4, rounded")


@cache
def in_eight_bits() -> Module:
    """A trained LeNet-5, quantised with 500 training digits."""
    images, _ = digits("train", 500)
    return quantize(trained("lenet5"), [images])


@exercise("15")
def check_a_file_of_eight_bits_holds_a_quarter_of_the_bytes() -> None:
    model = trained("lenet5")
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder, "plain.safetensors"), Path(folder, "int8.safetensors")
        save(model.state_dict(), plain)
        save_quantized(in_eight_bits(), small)
        tensors = [plain_bytes(path) for path in (plain, small)]
        sizes = [path.stat().st_size for path in (plain, small)]
        content = small.read_bytes()
        again = load_quantized(small, LeNet5())
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    for name, parameter in model.named_parameters():
        kind = "I8" if parameter.ndim >= 2 else "I32"
        found = header[name]["dtype"] if name in header else "nothing"
        assert found == kind, f"{name} is stored as {found}, not {kind}: where are the eight bits?"
    assert tensors[1] <= 0.26 * tensors[0], f"tensors of {tensors[0]:,} bytes became {tensors[1]:,}"
    assert sizes[1] <= 0.28 * sizes[0], f"a file of {sizes[0]:,} bytes became one of {sizes[1]:,}"
    images, _ = digits("test", 1000)
    with no_grad():
        answers = [m(Tensor(images[:50])).data for m in (in_eight_bits(), again)]
    same(answers[1], answers[0], call="the loaded model", why="it was saved so", rtol=0, atol=0)


def plain_bytes(path: Path) -> int:
    """The bytes of a safetensors file after its header: those of the numbers."""
    content = path.read_bytes()
    return len(content) - 8 - int.from_bytes(content[:8], "little")


@exercise("15")
def check_digits_are_read_as_well_in_eight_bits() -> None:
    before, after = share_right(trained("lenet5")), share_right(in_eight_bits())
    assert before > 0.85, f"LeNet-5 reads {before:.1%} of the drawn digits already before"
    assert after >= before - POINT, f"{before:.1%} of the digits before, {after:.1%} in eight bits"
    names = {type(module).__name__ for module in in_eight_bits().modules()}
    left = names & {"Linear", "Conv2d"}
    assert not left, f"there are still layers of floating point: {', '.join(left)}"


# Fewer weights
def mlp(seed: int = 0) -> Sequential:
    rng = np.random.default_rng(seed)
    return Sequential(Flatten(), Linear(784, 48, rng=rng), ReLU(), Linear(48, 10, rng=rng))


def trainer_of(model: Module, hold: Any) -> Trainer:
    optimizer = AdamW(model.parameters(), lr=2e-3)
    return Trainer(model, CrossEntropyLoss(), optimizer, after_step=hold, progress=False)


@exercise("15")
def check_the_weights_nearest_to_zero_go_and_exactly_as_many_as_were_asked() -> None:
    model = mlp(1)
    model.parameters()[0].data[0, :4] = [-40, -30, 30, 40]  # far from zero on either side
    before = model.state_dict()
    weights = [before["1.weight"], before["3.weight"]]
    Pruning(model, magnitude_masks(model, 0.7))
    count = round(0.7 * (784 * 48 + 48 * 10))
    same(zeros_of(model), count, call="zeros in the weights", why="0.7 of 38,112, rounded")
    border = np.sort(np.abs(np.concatenate([w.reshape(-1) for w in weights])))[count]
    for name, old in before.items():
        if name.endswith("weight"):
            expected = np.where(np.abs(old) < border, 0, old)
            same(model.state_dict()[name], expected, call=name, why="the others are as they were")
        else:
            same(model.state_dict()[name], old, call=name, why="biases are few, and stay")
    same(sparsity_of(model).total.zeros, zeros_of(model, 1), call="sparsity_of(model).total.zeros")


@exercise("15")
def check_zeros_stay_while_training_goes_on_and_grow_as_planned() -> None:
    images, labels = digits("train", 1000)
    model = mlp(2)
    weight = model.parameters()[0]
    trainer = trainer_of(model, GradualPruning(model, CubicSparsity(0.9, 0, 20), every=5))
    for step in range(1, 31):
        part = np.arange(32 * step, 32 * step + 32) % 1000
        before = weight.data.copy()
        trainer.train_step([(Tensor(images[part]), Tensor(labels[part]))])
        done = min(5 * (step // 5), 20) / 20
        expected = round(38_112 * (0.9 - 0.9 * (1 - done) ** 3))
        same(
            zeros_of(model), expected, call=f"zeros after step {step}",
            why="every 5 steps as many as 0.9 - 0.9 (1 - step / 20)^3 says, and none comes back",
        )  # fmt: skip
        moved = np.abs(weight.data - before)[weight.data != 0]
        assert moved.max() > 1e-4, f"step {step} moved no weight that stays"


@exercise("15")
def check_digits_are_read_as_well_without_four_of_five_weights() -> None:
    images, labels = digits("train", 3000)
    model, order = mlp(3), np.random.default_rng(10)

    def train(epochs: int, hold: Any = None) -> float:
        trainer = trainer_of(model, hold)
        for part in (p for _ in range(epochs) for p in order.permutation(3000).reshape(-1, 50)):
            trainer.train_step([(Tensor(images[part]), Tensor(labels[part]))])
        return share_right(model)

    before = train(4)
    after = train(3, Pruning(model, magnitude_masks(model, 0.8)))
    same(zeros_of(model), round(0.8 * 38_112), call="zeros after training", why="four of five")
    assert before > 0.75, f"{before:.1%} of the digits are read before anything is pruned"
    assert after >= before - POINT, f"{before:.1%} of the digits before, {after:.1%} with the rest"


# Fewer channels
@exercise("15")
def check_a_smaller_network_answers_as_the_large_one_with_silent_channels() -> None:
    rng = np.random.default_rng(11)
    conv, second = Conv2d(2, 8, 3, padding=1, rng=rng), Conv2d(8, 6, 3, rng=rng)
    norm, last = BatchNorm2d(8), Linear(24, 5, rng=rng)
    for tensor in norm.parameters():
        tensor.data = noise(8, seed=12) + 0.5
    model = Sequential(conv, norm, ReLU(), MaxPool2d(2), second, ReLU(), Flatten(), last)
    x = noise(9, 2, 8, 8, seed=13)
    small = shrink(model.eval(), x, keep=0.5)
    shapes = [p.shape for p in small.parameters() if p.ndim >= 2]
    expected = [(4, 2, 3, 3), (3, 4, 3, 3), (12, 5)]
    assert shapes == expected, f"weights of half of the channels: {expected}, but got {shapes}"
    with no_grad():
        whole, got = model(Tensor(x)).data, small(Tensor(x)).data
        for layers, count in (((conv, norm), 4), ((second,), 3)):
            sizes = np.abs(layers[0].weight.data).sum(axis=(1, 2, 3))
            silent = np.argsort(sizes)[:count]  # least in the sum of magnitudes
            for parameter in (p for layer in layers for p in layer.parameters()):
                parameter.data[silent] = 0
        silenced = model(Tensor(x)).data
    same(got, silenced, call="shrink(model)(x)", why="silent channels say 0", rtol=1e-3, atol=1e-4)
    assert np.abs(whole - silenced).max() > 0.01, "the channels that went had nothing to say"


# And on the disk
@exercise("15")
def check_a_packed_file_comes_back() -> None:
    model = trained("lenet5")
    Pruning(model, magnitude_masks(model, 0.8))
    state, fresh = model.state_dict(), LeNet5(rng=np.random.default_rng(14))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lenet5.ttpack")
        reported = pack(model, path).nbytes
        size = path.stat().st_size
        unpack(path, fresh)
        for name, array in fresh.state_dict().items():
            same(array, state[name], call=f"unpack: {name}", why="as it was", rtol=0, atol=0)
        same(reported, size, call="pack(...).nbytes", why="what the disk says")
        plain = sum(array.nbytes for array in state.values())
        assert size < 0.3 * plain, f"a fifth of {plain:,} bytes is not 0; the file has {size:,}"
        pack(model, path, bits=8)
        eight = path.stat().st_size
        assert eight < 0.1 * plain, f"with 8 bits for each that is not 0 it has {eight:,} bytes"
        unpack(path, fresh)
        for name, array in fresh.state_dict().items():
            old = state[name]
            axis = 0 if old.ndim == 2 else (1, 2, 3)  # Linear (in, out), Conv2d (out, in, kh, kw)
            largest = np.abs(old).max(axis=axis, keepdims=True) if old.ndim > 1 else 0
            off = np.abs(array - old) - largest / 254
            assert off.max() < 1e-6, f"{name}: a weight is off by more than half a step of 1/127"
            assert ((array == 0) >= (old == 0)).all(), f"{name}: a zero came back as another number"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with raises(ValueError, call="unpack(a file with one bit changed)", why="it is damaged"):
            unpack(path, fresh)
