"""Data sets by name: real ones from disk or a checked download, drawn ones built in.

`MNIST`, `FashionMNIST`, `CIFAR10` and `TinyShakespeare` look in the folder named by TINYTORCH_DATA,
then in the cache, then fetch; each file is validated before it is used. `DrawnDigits`, `Blobs`,
`XOR`, `NoisyXOR` and `Almanac` need no file. All hand out NumPy arrays. Left out: batches of
Tensors, which `tinytorch.data.DataLoader` makes of any of them.

Names are loaded when they are first used, from the table below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinytorch.datasets.cifar import CIFAR10 as CIFAR10
    from tinytorch.datasets.drawn import DrawnDigits as DrawnDigits
    from tinytorch.datasets.errors import DatasetCorruptError as DatasetCorruptError
    from tinytorch.datasets.errors import DatasetMissingError as DatasetMissingError
    from tinytorch.datasets.errors import DownloadError as DownloadError
    from tinytorch.datasets.image_dataset import ImageDataset as ImageDataset
    from tinytorch.datasets.manage import DatasetStatus as DatasetStatus
    from tinytorch.datasets.manage import FileReport as FileReport
    from tinytorch.datasets.manage import Verification as Verification
    from tinytorch.datasets.manage import available as available
    from tinytorch.datasets.manage import fetch as fetch
    from tinytorch.datasets.manage import import_file as import_file
    from tinytorch.datasets.manage import locate as locate
    from tinytorch.datasets.manage import registry as registry
    from tinytorch.datasets.manage import verify as verify
    from tinytorch.datasets.mnist import MNIST as MNIST
    from tinytorch.datasets.mnist import FashionMNIST as FashionMNIST
    from tinytorch.datasets.text import Almanac as Almanac
    from tinytorch.datasets.text import TextDataset as TextDataset
    from tinytorch.datasets.text import TinyShakespeare as TinyShakespeare
    from tinytorch.datasets.toy import XOR as XOR
    from tinytorch.datasets.toy import Blobs as Blobs
    from tinytorch.datasets.toy import NoisyXOR as NoisyXOR
    from tinytorch.datasets.toy import PointDataset as PointDataset

_HOMES = {
    "cifar": ("CIFAR10",),
    "drawn": ("DrawnDigits",),
    "errors": ("DatasetCorruptError", "DatasetMissingError", "DownloadError"),
    "image_dataset": ("ImageDataset",),
    "manage": (
        "DatasetStatus",
        "FileReport",
        "Verification",
        "available",
        "fetch",
        "import_file",
        "locate",
        "registry",
        "verify",
    ),
    "mnist": ("MNIST", "FashionMNIST"),
    "text": ("Almanac", "TextDataset", "TinyShakespeare"),
    "toy": ("XOR", "Blobs", "NoisyXOR", "PointDataset"),
}
_WHERE = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tinytorch.datasets' has no attribute {name!r}")
    value = getattr(import_module(f"tinytorch.datasets.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
