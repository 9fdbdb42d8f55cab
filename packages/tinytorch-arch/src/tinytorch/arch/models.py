"""Networks with a name, each a dozen lines: milestones train them, later tiers shrink and export.

The sizes are those of the papers, and of MLPerf Tiny, whose task each of its four models is given
with. Left out: transformers' own parts (`transformers.py`), trained weights, and training.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from tinytorch.arch.convolutions import Conv2d, Flatten, MaxPool2d
from tinytorch.arch.ops.images import AdaptiveAvgPool2d
from tinytorch.arch.ops.normalization import BatchNorm1d, BatchNorm2d
from tinytorch.arch.transformers import Transformer
from tinytorch.arch.vision_transformer import VisionTransformer
from tinytorch.arch.walks import axis_hint
from tinytorch.core.activations import ReLU, relu
from tinytorch.core.context import listening, no_grad
from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Dropout, Linear, Module, Sequential
from tinytorch.core.primitive import Array, Event
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating

Rng = np.random.Generator | None


class LeNet5(Sequential):
    """Digits (N, 1, 28, 28) -> (N, classes). 61,706 parameters, 416,520 multiply-adds.

    LeCun et al., "Gradient-based learning applied to document recognition", 1998, figure 2, as it
    is built today: ReLU for the scaled tanh, the maximum for the trained mean, all channels joined.
    """

    @explains_arguments
    def __init__(self, classes: int = 10, rng: Rng = None) -> None:
        super().__init__(
            Conv2d(1, 6, 5, padding=2, rng=rng), ReLU(), MaxPool2d(2),  # (N, 6, 14, 14)
            Conv2d(6, 16, 5, rng=rng), ReLU(), MaxPool2d(2),  # (N, 16, 5, 5)
            Flatten(),
            Linear(400, 120, rng=rng), ReLU(), Linear(120, 84, rng=rng), ReLU(),
            Linear(84, classes, rng=rng),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Digits (N, 1, 28, 28) -> logits (N, classes). Raises ShapeError."""
        if x.shape[1:] != (1, 28, 28):
            hint = axis_hint(x.shape, 1)
            if x.shape[2:] == (32, 32):
                hint = "; the paper's margin of 2 is added by the first layer here"
            raise ShapeError(f"LeNet5: x is (N, 1, 28, 28), not {tuple(x.shape)}{hint}")
        return super().forward(x)


def conv_norm(
    inputs: int, outputs: int, kernel: Any, stride: Any = 1, groups: int = 1, rng: Rng = None
) -> list[Module]:
    """A convolution that keeps the size but for its stride, and batch normalisation."""
    size = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = size[0] // 2, size[1] // 2
    return [
        Conv2d(inputs, outputs, size, stride, padding, groups=groups, rng=rng),
        BatchNorm2d(outputs),
    ]


class CifarCNN(Module):
    """Small photographs (N, 3, 32, 32) -> (N, classes): four convolutions, made to learn quickly.

    The first is not trained: `whiten` sets its 27 filters to the directions in which 3x3 patches
    of the data vary, each scaled to variance 1, and its other 27 to the same with the sign turned,
    so that a ReLU keeps both halves. Jordan, "94 % on CIFAR-10 in 3.29 seconds", 2024, section 3.2.
    """

    @explains_arguments
    def __init__(self, classes: int = 10, rng: Rng = None) -> None:
        self.stem = Conv2d(3, 54, 3, stride=2, padding=1, bias=False, rng=rng)
        self.body = Sequential(
            ReLU(),
            *conv_norm(54, 64, 3, rng=rng), ReLU(), MaxPool2d(2),  # (N, 64, 8, 8)
            *conv_norm(64, 128, 3, rng=rng), ReLU(), MaxPool2d(2),  # (N, 128, 4, 4)
            *conv_norm(128, 128, 3, rng=rng), ReLU(),
        )  # fmt: skip
        self.head = Linear(128, classes, rng=rng)

    def whiten(self, images: Array, eps: float = 5e-4) -> None:
        """Set the first convolution from some images (N, 3, 32, 32), and freeze it."""
        patches = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(2, 3))
        rows = patches[:, :, ::2, ::2].transpose(0, 2, 3, 1, 4, 5).reshape(-1, 27)
        values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False, dtype=np.float64))
        filters = (vectors / np.sqrt(values + eps)).T.reshape(27, 3, 3, 3)
        self.stem.weight.data = np.concatenate([filters, -filters]).astype(np.float32)
        self.stem.weight.requires_grad = False

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(self.stem(x))  # (N, 128, 4, 4)
        return self.head(features.max(axis=(2, 3)))


class ResidualBlock(Module):
    """Two convolutions, and the input added to what they make of it.

    Where the size changes, a 1x1 convolution brings the input to it. He et al., "Deep Residual
    Learning for Image Recognition", 2016, figure 2.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, rng: Rng = None) -> None:
        self.body = Sequential(
            *conv_norm(inputs, outputs, 3, stride, rng=rng),
            ReLU(),
            *conv_norm(outputs, outputs, 3, rng=rng),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else Conv2d(inputs, outputs, 1, stride, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))


class ResNet8(Sequential):
    """MLPerf Tiny's image classification: (N, 3, 32, 32) -> (N, classes).

    77,706 parameters once batch normalisation is folded, 12,501,632 multiply-adds.
    """

    @explains_arguments
    def __init__(self, classes: int = 10, rng: Rng = None) -> None:
        super().__init__(
            *conv_norm(3, 16, 3, rng=rng), ReLU(),
            ResidualBlock(16, 16, rng=rng),
            ResidualBlock(16, 32, stride=2, rng=rng),
            ResidualBlock(32, 64, stride=2, rng=rng),
            AdaptiveAvgPool2d(1), Flatten(), Linear(64, classes, rng=rng),
        )  # fmt: skip


def separable(inputs: int, outputs: int, stride: int = 1, rng: Rng = None) -> list[Any]:
    """A 3x3 convolution in each channel, then a 1x1 across them: a ninth of the work.

    Howard et al., "MobileNets", 2017, section 3.1.
    """
    return [
        *conv_norm(inputs, inputs, 3, stride, groups=inputs, rng=rng), ReLU(),
        *conv_norm(inputs, outputs, 1, rng=rng), ReLU(),
    ]  # fmt: skip


class DSCNN(Sequential):
    """MLPerf Tiny's keyword spotting: 49 times 10 MFCC, (N, 1, 49, 10) -> (N, classes).

    22,604 parameters once batch normalisation is folded, 2,656,768 multiply-adds. Zhang et al.,
    "Hello Edge", 2017.
    """

    @explains_arguments
    def __init__(self, classes: int = 12, rng: Rng = None) -> None:
        first = Conv2d(1, 64, (10, 4), stride=2, padding=(5, 1), rng=rng)
        blocks = [layer for _ in range(4) for layer in separable(64, 64, rng=rng)]
        super().__init__(
            first, BatchNorm2d(64), ReLU(), Dropout(0.2, rng),  # (N, 64, 25, 5)
            *blocks,
            Dropout(0.4, rng), AdaptiveAvgPool2d(1), Flatten(), Linear(64, classes, rng=rng),
        )  # fmt: skip


class MobileNetV1(Sequential):
    """MLPerf Tiny's visual wake words, a quarter as wide: (N, 3, 96, 96) -> (N, classes).

    width  the share of the paper's channels; 0.25 has 211k parameters, 7.49M multiply-adds
    """

    PLAN = (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *[(512, 1)] * 5,
        (1024, 2),
        (1024, 1),
    )  # fmt: skip  (channels, stride) of each separable convolution

    @explains_arguments
    def __init__(self, classes: int = 2, width: float = 0.25, rng: Rng = None) -> None:
        widths = [round(width * channels) for channels in (32, *(c for c, _ in self.PLAN))]
        blocks: list[Any] = []
        for (inputs, outputs), (_, stride) in zip(pairwise(widths), self.PLAN, strict=True):
            blocks += separable(inputs, outputs, stride, rng)
        super().__init__(
            *conv_norm(3, widths[0], 3, stride=2, rng=rng), ReLU(),
            *blocks,
            AdaptiveAvgPool2d(1), Flatten(), Linear(widths[-1], classes, rng=rng),
        )  # fmt: skip


class AutoEncoder(Sequential):
    """MLPerf Tiny's anomaly detection: five frames of 128 bands (N, 640), rebuilt from 8 numbers.

    265,864 parameters once batch normalisation is folded, 264,192 multiply-adds.
    """

    SIZES = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)

    def __init__(self, rng: Rng = None) -> None:
        layers: list[Any] = []
        for inputs, outputs in pairwise(self.SIZES):
            layers += [Linear(inputs, outputs, rng=rng), BatchNorm1d(outputs), ReLU()]
        super().__init__(layers[:-2])


class DigitViT(VisionTransformer):
    """Digits (N, 1, 28, 28) -> (N, classes), read as 16 patches of 7x7 by three blocks.

    154,954 parameters, 2,508,416 multiply-adds.
    """

    @explains_arguments
    def __init__(self, classes: int = 10, rng: Rng = None) -> None:
        super().__init__(28, 7, 1, classes, d_model=64, n_heads=4, n_layers=3, rng=rng)


class CharGPT(Transformer):
    """The writer of milestone 2017: tokens (N, T <= 128) -> (N, T, vocab). 818,048 parameters."""

    @explains_arguments
    def __init__(self, vocab: int = 65, rng: Rng = None) -> None:
        super().__init__(vocab, d_model=128, n_heads=4, n_layers=4, context=128, rng=rng)


class GPT2(Transformer):
    """GPT-2 in the sizes that were published; `load_gpt2` (`gpt2.py`) reads their weights.

    "gpt2" has 124,439,808 parameters, "gpt2-medium" 354,823,168, "gpt2-large" 774,030,080 and
    "gpt2-xl" 1,557,611,200. Radford et al., "Language models are unsupervised multitask learners",
    2019, table 2, which counts them somewhat lower.
    """

    SIZES: ClassVar = {  # d_model, heads, layers
        "gpt2": (768, 12, 12),
        "gpt2-medium": (1024, 16, 24),
        "gpt2-large": (1280, 20, 36),
        "gpt2-xl": (1600, 25, 48),
    }

    def __init__(self, size: str = "gpt2", rng: Rng = None) -> None:
        if size not in self.SIZES:
            raise ValueError(f"GPT2({size!r}): there are {', '.join(self.SIZES)}")
        super().__init__(50_257, *self.SIZES[size], context=1024, rng=rng)


def multiply_adds(model: Module, *shape: int) -> int:
    """Count the products that a model forms for an example of `shape`, by listening to it.

    Those of convolutions, matrix products and attention; sums, normalisation and activations do
    not count.
    """
    total = 0

    def hear(event: Event) -> None:
        nonlocal total
        record = event.record
        if event.kind == "forward" and record.primitive.name in ("conv2d", "linear", "matmul"):
            second = record.arrays[1]
            inner = second[0].size if record.primitive.name == "conv2d" else second.shape[-2]
            total += math.prod(record.out.shape) * inner
        elif event.kind == "forward" and record.primitive.name == "scaled_dot_product_attention":
            q, k, v = record.arrays[:3]
            scores = math.prod(q.shape[:-1]) * k.shape[-2]
            total += scores * (q.shape[-1] + v.shape[-1])

    with no_grad(), evaluating(model), listening(hear):
        model(Tensor(np.zeros((1, *shape), np.float32)))
    return total
