"""Data sets by name: real ones from disk or a checked download, drawn ones built in.

`MNIST`, `FashionMNIST`, `CIFAR10` and `TinyShakespeare` look in the folder named by TINYTORCH_DATA,
then in the cache, then fetch; each file is validated before it is used. `DrawnDigits`, `Blobs`,
`XOR`, `NoisyXOR` and `Almanac` need no file. All hand out NumPy arrays. Left out: batches of
Tensors, which `tinytorch.data.DataLoader` makes of any of them.

Names are loaded when they are first used, from the table below.
"""

from typing import TYPE_CHECKING

from tinytorch._lazy import lazy_exports

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

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "tinytorch.datasets.cifar": ("CIFAR10",),
        "tinytorch.datasets.drawn": ("DrawnDigits",),
        "tinytorch.datasets.errors": (
            "DatasetCorruptError",
            "DatasetMissingError",
            "DownloadError",
        ),
        "tinytorch.datasets.image_dataset": ("ImageDataset",),
        "tinytorch.datasets.manage": (
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
        "tinytorch.datasets.mnist": ("MNIST", "FashionMNIST"),
        "tinytorch.datasets.text": ("Almanac", "TextDataset", "TinyShakespeare"),
        "tinytorch.datasets.toy": ("XOR", "Blobs", "NoisyXOR", "PointDataset"),
    },
)
