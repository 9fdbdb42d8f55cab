"""Data sets, loaders and transforms: `from tinytorch.data import DataLoader`.

The data sets that have a name (MNIST, CIFAR-10 ...) are in `tinytorch.datasets`. Tokenizers, which
make integers of texts, are in tinytorch-arch; where that is not installed, their names say so.
"""

from typing import TYPE_CHECKING

from tinytorch._lazy import lazy_exports

if TYPE_CHECKING:
    from tinytorch.arch.tokenization import BPETokenizer as BPETokenizer
    from tinytorch.arch.tokenization import CharTokenizer as CharTokenizer
    from tinytorch.core import transforms as transforms
    from tinytorch.core.dataloader import Batch as Batch
    from tinytorch.core.dataloader import DataLoader as DataLoader
    from tinytorch.core.dataloader import Dataset as Dataset
    from tinytorch.core.dataloader import Subset as Subset
    from tinytorch.core.dataloader import TensorDataset as TensorDataset
    from tinytorch.core.dataloader import random_split as random_split
    from tinytorch.core.transforms import Compose as Compose
    from tinytorch.core.transforms import Normalize as Normalize
    from tinytorch.core.transforms import RandomCrop as RandomCrop
    from tinytorch.core.transforms import RandomHorizontalFlip as RandomHorizontalFlip

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "tinytorch.core.dataloader": (
            "Batch",
            "DataLoader",
            "Dataset",
            "Subset",
            "TensorDataset",
            "random_split",
        ),
        "tinytorch.core.transforms": (
            "Compose",
            "Normalize",
            "RandomCrop",
            "RandomHorizontalFlip",
        ),
        "tinytorch.arch.tokenization": ("BPETokenizer", "CharTokenizer"),
    },
    modules=("tinytorch.core.transforms",),
)
