"""All of module 16 in one recipe: a trained classifier becomes a small file that works as well.

    result = compress(trained("lenet5"), MNIST("train"), "lenet5.ttpack", keep=0.5, sparsity=0.8)
    result.model      # the small network, as the file holds it
    print(result)     # bytes before and after, and what became of each tensor

Half of the channels are taken out (`structured.py`); what is left listens to the network that it
was cut from (`distillation.py`) while more and more of its weights are pruned (`compression.py`);
and zeros and small integers go into a packed file (`packing.py`).

Left out: choosing `keep`, `sparsity` and `bits`. Try some, and look at validation data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.core.dataloader import DataLoader
from tinytorch.core.files import AnyPath
from tinytorch.core.layers import Module
from tinytorch.core.optimizers import Adam
from tinytorch.core.serialization import to_bytes
from tinytorch.core.training import LinearSchedule, Trainer, count_steps
from tinytorch.opt.compression import CubicSparsity, GradualPruning, SparsityReport, sparsity_of
from tinytorch.opt.distillation import DistillationLoss
from tinytorch.opt.packing import Packed, pack, unpack
from tinytorch.opt.structured import shrink


@dataclass(frozen=True)
class Compressed:
    """What `compress` made.

    model   the small network with the values that the file holds, in evaluation mode
    packed  what is in the file
    before  bytes of the first model in a safetensors file
    zeros   of each parameter
    """

    model: Module = field(repr=False)
    packed: Packed
    before: int
    zeros: SparsityReport

    @property
    def ratio(self) -> float:
        """How many times smaller the file is than a safetensors file of the first model."""
        return self.before / self.packed.nbytes

    def __str__(self) -> str:
        share = f"{self.zeros.total.share:.1%} of {self.zeros.total.size:,} parameters are 0"
        return (
            f"{self.packed}\n{share}; {self.before:,} bytes before, {self.ratio:.1f} times as many"
        )


def compress(
    model: Module,
    train: Any,
    path: AnyPath,
    *,
    keep: float | Mapping[str, float] = 0.5,
    sparsity: float = 0.8,
    bits: int = 8,
    codebook: bool = False,
    epochs: int = 2,
    batch: int = 128,
    lr: float = 4e-3,
    temperature: float = 4.0,
    alpha: float = 0.9,
    seed: int = 0,
    progress: bool = False,
) -> Compressed:
    """Make a trained classifier small, and write it to `path`. The model itself stays as it is.

    train               a data set of pairs (x, class index), as `DataLoader` takes it
    keep                the share of channels to keep, of all layers or by layer; see `shrink`
    sparsity            the share of the weights that are left to prune, by magnitude
    bits, codebook      of each weight in the file; see `pack`
    epochs, batch, lr   of the training by Adam, whose learning rate falls along a line to 0
    temperature, alpha  of the teacher's part in it; see `distillation_loss`
    seed                of the order of the examples

    Pruning grows during the first 60 % of the steps. Raises ValueError for a data set without
    examples, and what the four parts raise.
    """
    first = next(iter(DataLoader(train, 2)), None)
    if first is None:
        raise ValueError("compress: `train` holds no examples to learn from")
    rng = np.random.default_rng(seed)
    loader = DataLoader(train, batch, shuffle=True, rng=rng)
    steps = count_steps(loader, epochs)
    small = shrink(model, first[0], keep=keep)
    end = max(1, round(0.6 * steps))
    Trainer(
        DistillationLoss(model, temperature, alpha).of(small),
        None,
        Adam(small.parameters(), lr=lr),
        schedule=LinearSchedule(steps),
        after_step=GradualPruning(small, CubicSparsity(sparsity, 0, end), every=max(1, end // 10)),
        progress=progress,
    ).fit(loader, epochs=epochs)
    zeros = sparsity_of(small)
    packed = pack(small, path, bits=bits, codebook=codebook)
    unpack(path, small)
    return Compressed(small.eval(), packed, len(to_bytes(model.state_dict())), zeros)
