"""The Speech Commands test set as MFCC maps with labels and speakers, and some of its recordings.

    clips = Clips(folder)          # clips.maps (4890, 49, 10) int8, clips.labels, clips.fit
    for name, label, recorded, wav in clips.recordings(): ...

Read from the folder `speech-commands-v2-test` beside the other data sets (`TINYTORCH_DATA`); each
file's checksum is compared. Left out: how the maps are computed (`scripts/mfcc.py`), and downloads:
the official training files are 2.4 GB, and not used here.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinytorch.core.files import AnyPath
from tinytorch.core.primitive import Array
from tinytorch.datasets.errors import DatasetCorruptError, DatasetMissingError
from tinytorch.datasets.folders import data_folder

# MLPerf Tiny's order
WORDS = (
    "down",
    "go",
    "left",
    "no",
    "off",
    "on",
    "right",
    "stop",
    "up",
    "yes",
    "silence",
    "unknown",
)
SHAPE = (4890, 49, 10)  # clips, frames, coefficients
SCALE, ZERO = 0.5847029089927673, 83  # real = (q - ZERO) * SCALE

SHA256 = {
    "index.tsv.gz": "f02b594c8cdc0461efa53c39a1304778b692f13101b25152c7613fc6d1534c1e",
    "labels-idx1-ubyte.gz": "e92f98de2b3023c698a67b168f61739b6d8002c2f0c06861158169c01b7cdd80",
    "mfcc-int8-idx3-byte.gz": "3eb4de5883401d15a6759df30a6d2970141d4af9623bdb0c270817d064174345",
    "wavs-240.tar.gz": "1b145a50c03d49cf6f1198d4d9af58b1557ecc6fb52e23d710650a78ca6da09b",
}


class Clips:
    """All clips of the set.

    folder  where its four files lie; None: `speech-commands-v2-test` in `TINYTORCH_DATA`

    maps (4890, 49, 10) int8, labels (4890,) of `WORDS`, fit (4890,) bool: to learn from. No speaker
    is both in `fit` and in the rest. Raises DatasetMissingError, DatasetCorruptError.
    """

    def __init__(self, folder: AnyPath | None = None) -> None:
        self.folder = _found(folder)
        labels = gzip.decompress(self._bytes("labels-idx1-ubyte.gz"))
        maps = gzip.decompress(self._bytes("mfcc-int8-idx3-byte.gz"))
        index = gzip.decompress(self._bytes("index.tsv.gz")).decode()
        # the checksums were compared, so that what the headers say is known
        self.labels = np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)
        self.maps = np.frombuffer(maps, np.int8, offset=16).reshape(SHAPE)
        self.rows = list(csv.DictReader(io.StringIO(index), delimiter="\t"))
        self.fit = np.array([row["split"] == "fit" for row in self.rows])

    def recordings(self) -> Iterator[tuple[str, int, Array, bytes]]:
        """The 240 recordings that are there: name, label, recorded map (49, 10), WAV file."""
        number = {row["source"]: i for i, row in enumerate(self.rows)}
        content = io.BytesIO(self._bytes("wavs-240.tar.gz"))
        with tarfile.open(fileobj=content) as archive:
            for member in archive:
                name = member.name.split("/", 1)[-1]
                file = archive.extractfile(member) if name.endswith(".wav") else None
                if file is not None:
                    i = number[name]
                    yield name, int(self.labels[i]), self.maps[i], file.read()

    def _bytes(self, name: str) -> bytes:
        path = self.folder / name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise DatasetMissingError(f"{path}: there is no such file of Speech Commands") from None
        if hashlib.sha256(content).hexdigest() != SHA256[name]:
            raise DatasetCorruptError(f"{path} is not what it should be: copy it again")
        return content


def _found(folder: AnyPath | None) -> Path:
    if folder is not None:
        return Path(folder)
    root = data_folder()
    if root is None:
        raise DatasetMissingError(
            "Speech Commands: set TINYTORCH_DATA to the folder that holds speech-commands-v2-test"
        )
    return root / "speech-commands-v2-test"


def real(maps: Array) -> Array:
    """The coefficients that int8 maps stand for, float32."""
    return (maps.astype(np.float32) - ZERO) * np.float32(SCALE)
