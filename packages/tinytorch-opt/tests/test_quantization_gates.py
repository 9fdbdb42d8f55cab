"""Eight bits keep the accuracy, on real labels: a quarter of the bytes, and half a point at most.

MNIST where TINYTORCH_DATA names a folder that holds it, digits drawn by code everywhere. That of
CIFAR-10, which trains a network first, is marked slow.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch import save
from tinytorch.arch.models import CifarCNN, LeNet5
from tinytorch.arch.trained import trained
from tinytorch.core.layers import Module
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import Adam
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import Trainer, evaluate
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.datasets import CIFAR10, MNIST, DrawnDigits, available
from tinytorch.opt.folding import fold_batch_norm
from tinytorch.opt.quantization import quantize
from tinytorch.opt.quantized_files import load_quantized, save_quantized

DATA = bool(os.environ.get("TINYTORCH_DATA"))


def accuracy(model: Module, data: Any) -> float:
    return evaluate(model, CrossEntropyLoss(), DataLoader(data, 500))["accuracy"]


def batches(data: Any, count: int = 512) -> list[Any]:
    """The first examples of a data set, as it hands them out, in batches of 128."""
    x, _ = data.get_batch(np.arange(count))
    return [x[start : start + 128] for start in range(0, count, 128)]


def weight_bytes(model: Module) -> int:
    """Bytes of weights with their scales, of layers that multiply."""
    state = model.state_dict()
    return sum(a.nbytes for name, a in state.items() if ".weight" in name or "input_" in name)


def fit(model: Module, data: Any, epochs: int, lr: float) -> Module:
    rng = np.random.default_rng(0)
    trained_ones = [p for p in model.parameters() if p.requires_grad]
    trainer = Trainer(model, CrossEntropyLoss(), Adam(trained_ones, lr=lr), progress=False)
    trainer.fit(DataLoader(data, 64, shuffle=True, rng=rng), epochs=epochs)
    return model.eval()


@pytest.mark.skipif(
    not (DATA and available("mnist")), reason="MNIST: TINYTORCH_DATA names no folder that holds it"
)
def test_lenet_reads_mnist_as_well_in_eight_bits(tmp_path: Path) -> None:
    model, test = trained("lenet5"), MNIST("test")
    small = quantize(model, batches(MNIST("train")))
    before, after = accuracy(model, test), accuracy(small, test)
    assert before > 0.985
    assert after >= before - 0.005
    assert 0.25 <= weight_bytes(small) / weight_bytes(model) <= 0.26
    save(model.state_dict(), tmp_path / "float.safetensors")
    save_quantized(small, tmp_path / "int8.safetensors")
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("int8", "float")]
    assert sizes[0] / sizes[1] <= 0.27
    again = load_quantized(tmp_path / "int8.safetensors", LeNet5())
    x = test.get_batch(np.arange(256))[0]
    np.testing.assert_array_equal(again(Tensor(x)).data, small(Tensor(x)).data)


@pytest.mark.slow
@pytest.mark.skipif(
    not (DATA and available("cifar-10")),
    reason="CIFAR-10: TINYTORCH_DATA names no folder that holds it",
)
def test_a_network_sees_photographs_as_well_in_eight_bits() -> None:
    train, test = CIFAR10("train"), CIFAR10("test")
    model = CifarCNN(rng=np.random.default_rng(0))
    model.whiten(train.get_batch(np.arange(2000))[0])
    fit(model, TensorDataset(*train.get_batch(np.arange(10_000))), 1, 2e-3)
    small = quantize(model, batches(train))
    before, after = accuracy(model, test), accuracy(small, test)
    assert before > 0.4
    assert after >= before - 0.005
    plain = fold_batch_norm(model, batches(train, 128)[0])
    assert 0.25 <= weight_bytes(small) / weight_bytes(plain) <= 0.26


def test_lenet_reads_drawn_digits_as_well_in_eight_bits() -> None:
    train, test = DrawnDigits("train", 1500), DrawnDigits("test", 1000)
    model = fit(LeNet5(rng=np.random.default_rng(0)), train, 3, 3e-3)
    small = quantize(model, batches(train))
    before, after = accuracy(model, test), accuracy(small, test)
    assert before > 0.8
    assert after >= before - 0.005
    assert 0.25 <= weight_bytes(small) / weight_bytes(model) <= 0.26
    coarse = accuracy(quantize(model, batches(train), bits=2), test)
    assert coarse < before - 0.005  # a gate that can fail
