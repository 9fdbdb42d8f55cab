"""Batch normalisation: each channel of a batch of images brought to mean 0 and variance 1.

While training, mean and variance are those of the batch, and the layer keeps a running average of
them; afterwards that average is used, so that an image's result no longer depends on the others.
Left out: layer normalisation (module 13), sequences, and folding a normalisation into the
convolution before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.tensor import Tensor
from tinytorch.core.thrift import READS

# what the rules read of a call, so that its record lets the rest go (core's thrift.py)
READS.update(batch_norm2d=frozenset({"arrays"}), batch_norm2d_eval=frozenset({"arrays"}))

PIXELS = (0, 2, 3)  # the axes of (N, C, H, W) that a channel's statistics run over


def each_channel(values: Array) -> Array:
    """Give values (C,) the axes with which they broadcast to images: (C, 1, 1)."""
    return values[:, np.newaxis, np.newaxis]


def standardize(x: Array, mean: Array, var: Array, eps: float) -> Array:
    """Bring each channel of x (N, C, H, W) to mean 0 and variance 1, given what they are."""
    return (x - each_channel(mean)) / each_channel(np.sqrt(var + eps))


def scale_and_shift(x: Array, weight: Array | None, bias: Array | None) -> Array:
    """Give each channel of x the scale and the mean that the network has learned."""
    scaled = x if weight is None else x * each_channel(weight)
    return scaled if bias is None else scaled + each_channel(bias)


@primitive
def batch_norm2d(
    x: Array, weight: Array | None, bias: Array | None, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Each channel with the mean and variance of this batch taken out, scaled and shifted.

    x (N, C, H, W); weight, bias (C,) or None -> y like x, and the mean and variance (C,) of the
    batch, which the layer keeps an average of. Raises ShapeError. Ioffe and Szegedy, "Batch
    Normalization", 2015.
    """
    check_batch_norm2d(x, weight, bias)
    mean, var = x.mean(axis=PIXELS), x.var(axis=PIXELS)
    return scale_and_shift(standardize(x, mean, var, eps), weight, bias), mean, var


def check_batch_norm2d(x: Array, *channels: Array | None) -> None:
    """Raise ShapeError unless x is (N, C, H, W) and all others are (C,) or None."""
    if x.ndim != 4:
        raise ShapeError(f"batch_norm2d: x {x.shape} must be (N, C, H, W)")
    for values in channels:
        if values is not None and np.shape(values) != x.shape[1:2]:
            raise ShapeError(
                f"batch_norm2d: x {x.shape} has {x.shape[1]} channels, but weight, bias or "
                f"statistics have shape {np.shape(values)}"
            )


@gradient("batch_norm2d")
def batch_norm2d_gradient(g: Any, call: Record) -> Any:
    """Mean and variance depend on every pixel, so every pixel has a part in all others' results.

    With z the standardized x: moving all of x, or stretching it, changes no z. So dx is the
    gradient of z with its mean and its share along z taken out.
    """
    x, weight, bias = call.arrays
    mean, var = x.mean(axis=PIXELS), x.var(axis=PIXELS)
    eps = call.params.get("eps", 1e-5)
    gy, gmean, gvar = g
    z = standardize(x, mean, var, eps)
    dx = None
    if call.needs[0]:
        dz = scale_and_shift(gy, weight, None)
        dz = dz - each_channel(dz.mean(axis=PIXELS)) - z * each_channel((dz * z).mean(axis=PIXELS))
        of_statistics = each_channel(gmean) + each_channel(2 * gvar) * (x - each_channel(mean))
        dx = dz / each_channel(np.sqrt(var + eps)) + of_statistics * (mean.size / x.size)
    return (
        dx,
        (gy * z).sum(axis=PIXELS) if weight is not None and call.needs[1] else None,
        gy.sum(axis=PIXELS) if bias is not None and call.needs[2] else None,
    )


@primitive
def batch_norm2d_eval(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    var: Array,
    *,
    eps: float = 1e-5,
) -> Array:
    """The same with a mean and a variance (C,) that are given: those of all training batches."""
    check_batch_norm2d(x, weight, bias, mean, var)
    return scale_and_shift(standardize(x, mean, var, eps), weight, bias)


@gradient("batch_norm2d_eval")
def batch_norm2d_eval_gradient(g: Array, call: Record) -> Any:
    """Mean and variance are constants here, so each pixel stands for itself."""
    x, weight, bias, mean, var = call.arrays
    eps = call.params.get("eps", 1e-5)
    z = standardize(x, mean, var, eps)
    dx = scale_and_shift(g, weight, None) / each_channel(np.sqrt(var + eps))
    return (
        dx if call.needs[0] else None,
        (g * z).sum(axis=PIXELS) if weight is not None and call.needs[1] else None,
        g.sum(axis=PIXELS) if bias is not None and call.needs[2] else None,
        -dx.sum(axis=PIXELS) if call.needs[3] else None,
        -(dx * z).sum(axis=PIXELS) / (2 * np.sqrt(var + eps)) if call.needs[4] else None,
    )


class BatchNorm2d(Module):
    """Batch normalisation: by the batch while training, by the running statistics afterwards.

    num_features  the channels of x (N, C, H, W)
    eps           added to the variance
    momentum      the part that each batch has in the running mean and variance; None: all batches
                  count alike
    affine        whether there is a weight and a bias to learn, (C,) each

    The running variance is divided by n - 1, the batch's own by n, as in PyTorch. Raises
    ShapeError, and ValueError in training where a channel has a single value and so no variance.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    @explains_arguments
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
    ) -> None:
        if num_features < 1:
            raise ValueError(
                f"{type(self).__name__}({num_features}): there must be at least 1 channel"
            )
        self.eps, self.momentum = eps, momentum
        ones, zeros = np.ones(num_features, np.float32), np.zeros(num_features, np.float32)
        self.weight = Tensor(ones, requires_grad=True) if affine else None
        self.bias = Tensor(zeros, requires_grad=True) if affine else None
        self.register_buffer("running_mean", Tensor(zeros))
        self.register_buffer("running_var", Tensor(ones))
        self.register_buffer("num_batches_tracked", Tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> the same shape."""
        if not self.training:
            statistics = self.running_mean, self.running_var
            return batch_norm2d_eval(x, self.weight, self.bias, *statistics, eps=self.eps)
        pixels = x.size // max(x.shape[1], 1) if x.ndim == 4 else 2
        if pixels < 2:
            raise ValueError(
                f"{type(self).__name__}: x {x.shape} has {pixels} value a channel, too few for a "
                "variance; in training use a larger batch, elsewhere model.eval()"
            )
        if x.ndim == 4 and x.shape[1] != self.running_mean.size:
            check_batch_norm2d(x.data, self.running_mean.data)
        y, mean, var = batch_norm2d(x, self.weight, self.bias, eps=self.eps)
        self.keep(mean.data, var.data * np.float32(pixels / (pixels - 1)))
        return y

    def keep(self, mean: Array, var: Array) -> None:
        """Let the running statistics take in those of one batch."""
        batches = self.num_batches_tracked.data + 1
        part = np.float32(1 / batches if self.momentum is None else self.momentum)
        self.num_batches_tracked.data = batches
        self.running_mean.data = (1 - part) * self.running_mean.data + part * mean
        self.running_var.data = (1 - part) * self.running_var.data + part * var

    def describe(self) -> str:
        kind = f"{self.running_mean.size}, eps={self.eps}, momentum={self.momentum}"
        return kind if self.weight is not None else f"{kind}, affine=False"


class BatchNorm1d(BatchNorm2d):
    """The same for rows of numbers: x (N, C), each column of the batch brought to mean 0."""

    def forward(self, x: Tensor) -> Tensor:
        """Rows (N, C) -> the same shape. Raises ShapeError."""
        if x.ndim != 2:
            raise ShapeError(f"BatchNorm1d: x {x.shape} must be (N, C); for images BatchNorm2d")
        return super().forward(x.reshape(*x.shape, 1, 1)).reshape(x.shape)


# The fast form attaches itself. Here, because it stands in for what is defined above.
from tinytorch.arch.kernels import batch_norm2d as _batch_norm2d  # noqa: E402, F401
