"""The catalogue: which data sets there are, which files they consist of, where those come from.

Facts only. Left out: finding a file (folders.py), fetching it (download.py), reading and checking
it (mnist.py, cifar.py, text.py), and asking about all of them at once (manage.py).

Two kinds of checksum stand here. `sha256` is of a file's *content*, after unpacking a .gz: mirrors
compress differently, the bytes inside are the same. `md5` are values published for the file itself
or for its content; they serve where no SHA-256 could be computed from the data (Fashion-MNIST).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataFile:
    """One file of a data set."""

    name: str  # on the mirrors and in the cache
    size: int  # bytes, as published
    mirrors: tuple[str, ...]  # complete addresses, tried in order
    other_names: tuple[str, ...] = ()  # under which a user may have it
    sha256: str | None = None  # of the content, uncompressed
    md5: tuple[str, ...] = ()  # published, of the file or of its content

    @property
    def names(self) -> tuple[str, ...]:
        """Every name under which the file is looked for."""
        return (self.name, *self.other_names)


@dataclass(frozen=True)
class Entry:
    """One data set: what it is, and its files."""

    name: str
    title: str
    licence: str
    source: str
    folders: tuple[str, ...]  # below TINYTORCH_DATA; "." is that folder itself
    files: tuple[DataFile, ...]

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)


def _idx(
    name: str, size: int, hosts: tuple[str, ...], *, sha256: str | None, md5: tuple[str, ...]
) -> DataFile:
    plain = name.removesuffix(".gz")  # train-images-idx3-ubyte
    dotted = plain.replace("-idx", ".idx")  # as some unpackers spell it
    return DataFile(
        name,
        size,
        tuple(host + name for host in hosts),
        other_names=(plain, dotted, dotted + ".gz"),
        sha256=sha256,
        md5=md5,
    )


# The original host, yann.lecun.com, has been unreliable for years and is left out.
_MNIST_HOSTS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
MNIST = Entry(
    "mnist",
    "MNIST: 70,000 handwritten digits, 28x28",
    "none stated by the authors",
    "Y. LeCun, C. Cortes, C. Burges, http://yann.lecun.com/exdb/mnist/",
    ("mnist", "MNIST/raw", "MNIST", "."),
    # Each SHA-256 was computed from a file whose content has the MD5 published for it.
    (
        _idx(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            _MNIST_HOSTS,
            sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            md5=("f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
        ),
        _idx(
            "train-labels-idx1-ubyte.gz",
            28_881,
            _MNIST_HOSTS,
            sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            md5=("d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
        ),
        _idx(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            _MNIST_HOSTS,
            sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            md5=("9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
        ),
        _idx(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            _MNIST_HOSTS,
            sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            md5=("ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
        ),
    ),
)

_FASHION_HOSTS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
FASHION_MNIST = Entry(
    "fashion-mnist",
    "Fashion-MNIST: 70,000 pictures of clothing, 28x28",
    "MIT (Zalando SE)",
    "H. Xiao, K. Rasul, R. Vollgraf, https://github.com/zalandoresearch/fashion-mnist",
    ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST"),
    # Not at hand when this was written, so no SHA-256 is claimed. The first MD5 of each file is the
    # authors', of the .gz; the second, of the content, has a single source and could not be
    # checked. A file with neither is judged by its structure, class counts and mean brightness
    # (mnist.py).
    (
        _idx(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            _FASHION_HOSTS,
            sha256=None,
            md5=("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
        ),
        _idx(
            "train-labels-idx1-ubyte.gz",
            29_515,
            _FASHION_HOSTS,
            sha256=None,
            md5=("25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
        ),
        _idx(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            _FASHION_HOSTS,
            sha256=None,
            md5=("bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
        ),
        _idx(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            _FASHION_HOSTS,
            sha256=None,
            md5=("bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
        ),
    ),
)

CIFAR_10 = Entry(
    "cifar-10",
    "CIFAR-10: 60,000 colour photographs in ten classes, 32x32",
    "none stated by the authors",
    "A. Krizhevsky, V. Nair, G. Hinton, https://www.cs.toronto.edu/~kriz/cifar.html",
    ("cifar-10", "cifar10", "CIFAR10", "."),
    # The archive's own checksum is not asked for: its six members' SHA-256 stand in cifar.py, and
    # hold for a .tar.xz as well.
    (
        DataFile(
            "cifar-10-binary.tar.gz",
            170_052_171,
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
                "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/"
                "cifar-10-binary.tar.gz",
            ),
            other_names=("cifar-10-binary.tar.xz",),
        ),
    ),
)

TINY_SHAKESPEARE = Entry(
    "tinyshakespeare",
    "TinyShakespeare: 1.1 MB of plays, one text",
    "text in the public domain; the collection MIT (char-rnn)",
    "A. Karpathy, https://github.com/karpathy/char-rnn",
    ("tinyshakespeare", "TinyShakespeare", "."),
    (
        DataFile(
            "tinyshakespeare.txt",
            1_115_394,
            (
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
                "input.txt",
                "https://storage.googleapis.com/download.tensorflow.org/data/shakespeare.txt",
            ),
            other_names=("input.txt", "shakespeare.txt"),
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
)

ENTRIES = (MNIST, FASHION_MNIST, CIFAR_10, TINY_SHAKESPEARE)
