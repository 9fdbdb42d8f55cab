"""CIFAR-10 from its binary archive, as published (.tar.gz) or packed smaller (.tar.xz).

The archive holds six batches of 10,000 records; a record is one label byte and 3,072 pixel bytes,
the red, green and blue planes of 32x32. Unpacking an xz takes 10 to 20 seconds, so both splits are
kept unpacked in the cache the first time. Left out: the cache's manners (decoded.py).
"""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinytorch.core.elsewhere import explains_arguments
from tinytorch.datasets import catalogue, decoded
from tinytorch.datasets.catalogue import DataFile, Entry
from tinytorch.datasets.download import obtain
from tinytorch.datasets.errors import DatasetCorruptError
from tinytorch.datasets.folders import cache_folder
from tinytorch.datasets.image_dataset import ImageDataset, Uint8Array, check_split

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32


@dataclass(frozen=True)
class Batch:
    """A member of the archive: its name, and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class CifarArchive:
    """The archive's members, in order, and how many records each holds."""

    entry: Entry
    train: tuple[Batch, ...]
    test: tuple[Batch, ...]
    records: int

    def check(self, file: DataFile, path: Path) -> str:
        """Read the whole archive: a sentence about it, or DatasetCorruptError."""
        self.unpack(path)
        return f"all {len(self.train) + len(self.test)} batches have the recorded SHA-256"

    def read(self, path: Path, split: str) -> Uint8Array:
        """The records (N, 3073) of a split, from the cache of unpacked arrays where it can."""
        folder = cache_folder() / "unpacked"
        cached = decoded.load(folder, f"{self.entry.name}-{split}", path)
        if cached is not None and cached.ndim == 2 and cached.shape[1] == RECORD:
            return cached
        splits = self.unpack(path)
        try:
            for name, records in splits.items():
                decoded.save(folder, f"{self.entry.name}-{name}", path, records)
        except OSError as error:
            warnings.warn(
                f"{path.name} was unpacked but cannot be kept in {folder} ({error}), so the next "
                "time takes as long; set TINYTORCH_CACHE to a folder that can be written",
                stacklevel=4,
            )
        return splits[split]

    def unpack(self, path: Path) -> dict[str, Uint8Array]:
        """Both splits' records, {"train": (N, 3073), "test": (N, 3073)}, validated."""
        members = _read_members(path, {batch.name for batch in (*self.train, *self.test)})
        return {
            "train": np.concatenate([self._records(b, members, path) for b in self.train]),
            "test": np.concatenate([self._records(b, members, path) for b in self.test]),
        }

    def _records(self, batch: Batch, members: dict[str, bytes], path: Path) -> Uint8Array:
        content = members.get(batch.name)
        if content is None:
            raise DatasetCorruptError(
                f"{path} holds no {batch.name}; expected "
                f"{', '.join(b.name for b in (*self.train, *self.test))}. "
                "CIFAR-10 comes in several versions: this reads the binary one"
            )
        if len(content) != self.records * RECORD:
            raise DatasetCorruptError(
                f"{batch.name} in {path} holds {len(content):,} bytes; expected "
                f"{self.records * RECORD:,}, {self.records:,} records of {RECORD:,}"
            )
        records = np.frombuffer(content, np.uint8).reshape(self.records, RECORD)
        if records[:, 0].max() >= len(CLASSES):
            raise DatasetCorruptError(
                f"{batch.name} in {path} holds the label {records[:, 0].max()}; expected 0..9"
            )
        found = hashlib.sha256(content).hexdigest()
        if found != batch.sha256:
            raise DatasetCorruptError(
                f"{batch.name} in {path} is damaged or not the original: its SHA-256 is {found}; "
                f"expected {batch.sha256}. Fetch or copy it again"
            )
        return records


def _read_members(path: Path, names: set[str]) -> dict[str, bytes]:
    """The named members' bytes, found by file name in whatever folder of the archive they lie."""
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = Path(member.name).name
                stream = archive.extractfile(member) if name in names else None
                if stream is not None:
                    members[name] = stream.read()
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's trouble, not the file's; a bad gzip has no errno
        raise DatasetCorruptError(
            f"{path} is damaged or cut short at {path.stat().st_size:,} bytes: {error}. "
            "Expected cifar-10-binary as .tar.gz or .tar.xz; fetch or copy it again"
        ) from None
    return members


# As several projects publish them for the members of the authors' archive.
ARCHIVE = CifarArchive(
    catalogue.CIFAR_10,
    train=(
        Batch(
            "data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"
        ),
        Batch(
            "data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"
        ),
        Batch(
            "data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"
        ),
        Batch(
            "data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"
        ),
        Batch(
            "data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"
        ),
    ),
    test=(
        Batch("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ),
    records=10_000,
)


class CIFAR10(ImageDataset):
    """CIFAR-10: 50,000 training and 10,000 test photographs in ten classes, 3x32x32.

    Arguments:
        split: "train" or "test".
        normalize, mean, std: as for ImageDataset; the defaults are the training images'.
        download: False never goes to the network.

    Raises DatasetMissingError, DownloadError or DatasetCorruptError; each says what to do.
    Krizhevsky: Learning multiple layers of features from tiny images, 2009.
    """

    @explains_arguments
    def __init__(
        self,
        split: str = "train",
        *,
        normalize: bool = True,
        mean: Sequence[float] = (0.4914, 0.4822, 0.4465),
        std: Sequence[float] = (0.2470, 0.2435, 0.2616),
        download: bool = True,
    ) -> None:
        check_split(split)
        entry = ARCHIVE.entry
        path = obtain(entry, entry.files[0], ARCHIVE.check, download=download)
        records = ARCHIVE.read(path, split)
        super().__init__(
            np.ascontiguousarray(records[:, 1:]).reshape(-1, *SHAPE),
            records[:, 0],
            classes=CLASSES,
            name="CIFAR10",
            split=split,
            mean=mean,
            std=std,
            normalize=normalize,
        )
