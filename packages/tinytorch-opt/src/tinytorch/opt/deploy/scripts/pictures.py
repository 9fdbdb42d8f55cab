"""Pictures from files: PGM and PPM by itself, PNG and JPEG where Pillow is installed.

Arrays are uint8, (H, W) or (H, W, 3). Left out: what is then seen in them (`paper.py`), and what a
model wants (`prepare.py`). NumPy only.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

HEADER = rb"(P[2356])(?:\s*#[^\n]*\n|\s)+(\d+)(?:\s*#[^\n]*\n|\s)+(\d+)(?:\s*#[^\n]*\n|\s)+(\d+)"
FIRST_BYTES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
LARGEST = 100_000_000  # pixels: nobody's photograph has more


def read_picture(path: str | Path) -> Array:
    """A picture, uint8, (H, W) or (H, W, 3).

    Raises ValueError, with what would help, for a file that cannot be read.
    """
    content = Path(path).read_bytes()
    if content[:2] in (b"P2", b"P3", b"P5", b"P6"):
        return portable(content, str(path))
    kind = kind_of(content)
    if kind is None:
        raise ValueError(f"{path} is no picture: it begins with {content[:8]!r}")
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ValueError(
            f"{path} is {kind}: without Pillow only PGM, PPM and .npy can be read; "
            "python -m pip install pillow, or convert it: convert photo.jpg photo.pgm"
        ) from None
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)  # phones note how they were held
            kept = upright.convert("L" if upright.mode in ("1", "L", "I;16") else "RGB")
            return np.asarray(kept, np.uint8)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # SyntaxError: a cut PNG
        raise ValueError(f"{path} is no picture that Pillow can read: {error}") from None


def kind_of(content: bytes) -> str | None:
    """The name of a picture's format, by its first bytes; None where it is none of these."""
    for start, name in FIRST_BYTES.items():
        if content.startswith(start):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP"
    return "HEIC or AVIF" if content[4:8] == b"ftyp" else None


def portable(content: bytes, name: str) -> Array:
    """What a PGM or PPM file holds, as text or as bytes."""
    found = re.match(HEADER, content)
    if found is None:
        raise ValueError(f"{name}: the header of a PGM or PPM file is damaged")
    kind, width, height, white = found[1], int(found[2]), int(found[3]), int(found[4])
    channels = 3 if kind in (b"P3", b"P6") else 1
    count = width * height * channels
    if not (0 < count <= 3 * LARGEST and 0 < white < 65536):
        raise ValueError(f"{name}: {width} x {height} pixels up to {white}: no picture")
    if kind in (b"P2", b"P3"):
        values = np.array(re.sub(rb"#[^\n]*", b"", content[found.end() :]).split()[:count], int)
    else:
        start = found.end() + 1  # one white space ends the header
        dtype = np.dtype(">u2" if white > 255 else "u1")
        kept = content[start : start + count * dtype.itemsize]
        values = np.frombuffer(kept[: len(kept) // dtype.itemsize * dtype.itemsize], dtype)
    if len(values) != count:
        raise ValueError(f"{name} is cut short: {len(values):,} of {count:,} values")
    values = np.clip(values, 0, white)
    pixels = np.rint(values * (255 / white)).astype(np.uint8)
    return pixels.reshape((height, width, 3) if channels == 3 else (height, width))


def grey(picture: Array) -> Array:
    """Brightness (H, W), float32 in 0..1. Weights of ITU-R BT.601."""
    pixels = picture.astype(np.float32) / 255
    if pixels.ndim == 2:
        return pixels
    return pixels[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)


def shares(before: int, after: int) -> Array:
    """A matrix (after, before) that gives each new pixel the mean of the old ones it covers."""
    edges = np.linspace(0, before, after + 1)
    old = np.arange(before)
    overlap = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    weights = np.maximum(overlap, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def resize(picture: Array, height: int, width: int) -> Array:
    """A picture (H, W) or (H, W, C) in another size, by the mean of areas; float32."""
    rows = shares(picture.shape[0], height)
    columns = shares(picture.shape[1], width)
    out = np.tensordot(rows, picture.astype(np.float32), axes=(1, 0))
    return np.moveaxis(np.tensordot(columns, out, axes=(1, 1)), 0, 1)
