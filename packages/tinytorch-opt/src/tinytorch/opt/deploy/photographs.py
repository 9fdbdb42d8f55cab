"""Pictures that look like photographs of paper, made by code: digits, and things that are none.

    rng = np.random.default_rng(0)
    picture = photograph(ink, rng)                 # ink (n, n) in 0..1 -> (240, 320, 3) uint8
    picture = photograph(NON_DIGITS["letters"](rng), rng)

Light falls unevenly, with a soft shadow; the paper has a colour and a grain; the sheet lies turned,
tilted and off centre; the lens blurs and the sensor adds noise. Simulated, and no replacement for a
camera: what is measured on them is said to be measured on them (`paper_report.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinytorch.core.primitive import Array
from tinytorch.datasets.pen import ink as pen_ink
from tinytorch.datasets.pen import smooth_path

HEIGHT, WIDTH = 240, 320
Strokes = list[list[tuple[float, float]]]

# in a box from (0, 0) to (1, 1.4), y down; what is as good as a digit stands in DOUBTFUL
LETTERS: dict[str, Strokes] = {
    "A": [[(0, 1.4), (0.5, 0), (1, 1.4)], [(0.2, 0.9), (0.8, 0.9)]],
    "E": [[(1, 0), (0, 0), (0, 1.4), (1, 1.4)], [(0, 0.7), (0.8, 0.7)]],
    "F": [[(1, 0), (0, 0), (0, 1.4)], [(0, 0.65), (0.8, 0.65)]],
    "H": [[(0, 0), (0, 1.4)], [(1, 0), (1, 1.4)], [(0, 0.7), (1, 0.7)]],
    "K": [[(0, 0), (0, 1.4)], [(0.95, 0), (0, 0.8), (1, 1.4)]],
    "M": [[(0, 1.4), (0.05, 0), (0.5, 0.8), (0.95, 0), (1, 1.4)]],
    "N": [[(0, 1.4), (0, 0), (1, 1.4), (1, 0)]],
    "R": [[(0, 1.4), (0, 0), (0.8, 0.1), (0.8, 0.6), (0, 0.75), (1, 1.4)]],
    "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1.4)]],
    "V": [[(0, 0), (0.5, 1.4), (1, 0)]],
    "W": [[(0, 0), (0.25, 1.4), (0.5, 0.5), (0.75, 1.4), (1, 0)]],
    "X": [[(0, 0), (1, 1.4)], [(1, 0), (0, 1.4)]],
}
DOUBTFUL: dict[str, Strokes] = {
    "C": [[(1, 0.2), (0.5, 0), (0, 0.7), (0.5, 1.4), (1, 1.2)]],
    "L": [[(0, 0), (0, 1.4), (0.9, 1.4)]],
    "P": [[(0, 1.4), (0, 0), (0.8, 0.1), (0.8, 0.6), (0, 0.75)]],
    "U": [[(0, 0), (0, 1), (0.5, 1.4), (1, 1), (1, 0)]],
    "Y": [[(0, 0), (0.5, 0.7), (1, 0)], [(0.5, 0.7), (0.5, 1.4)]],
    "Z": [[(0, 0), (1, 0), (0, 1.4), (1, 1.4)]],
}


def drawn(strokes: list[Array], radius: float, size: int = 112) -> Array:
    """Ink (size, size), 0 to 1, of strokes: points (P, 2) in 0..1, y down; radius in pixels."""
    points = [stroke * size for stroke in strokes]
    starts = np.concatenate([p[:-1] for p in points])[None]
    ends = np.concatenate([p[1:] for p in points])[None]
    return pen_ink(starts, ends, np.full(starts.shape[:2], radius), size)[0]


def written(letter: Strokes, rng: np.random.Generator, radius: float | None = None) -> Array:
    """A letter as a hand writes it: each point a little off, lines a little round."""
    strokes = []
    for points in letter:
        places = np.array(points) + rng.normal(0, 0.04, (len(points), 2))
        places = np.array([0.22, 0.11]) + 0.56 * places
        between = np.linspace(0, len(points) - 1, 3 * len(points) - 2)
        own = np.arange(len(points))
        dense = np.stack([np.interp(between, own, places[:, i]) for i in (0, 1)], axis=1)
        strokes.append(smooth_path(dense[None], 4)[0])
    return drawn(strokes, rng.uniform(2.5, 5) if radius is None else radius)


def letters(rng: np.random.Generator) -> Array:
    """A capital letter that looks like no digit."""
    return written(list(LETTERS.values())[rng.integers(len(LETTERS))], rng)


def doubtful(rng: np.random.Generator) -> Array:
    """A capital letter that could be a digit: Z and 2, U and 0, Y and 4."""
    return written(list(DOUBTFUL.values())[rng.integers(len(DOUBTFUL))], rng)


def scribbles(rng: np.random.Generator) -> Array:
    """A line that goes here and there."""
    points = rng.uniform(0.15, 0.85, (1, int(rng.integers(9, 18)), 2))
    return drawn([smooth_path(points, 6)[0]], rng.uniform(1.5, 3.5))


def blank(rng: np.random.Generator) -> Array:
    """Paper with nothing on it."""
    return np.zeros((112, 112), np.float32)


def textures(rng: np.random.Generator) -> Array:
    """Lines, squares, a chequerboard, coarse spots, or writing paper, over all of the picture."""
    y, x = np.mgrid[:112, :112].astype(np.float32)
    step = float(rng.uniform(6, 16))
    angle = rng.uniform(0, np.pi)
    u, v = np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y
    kind = rng.integers(5)
    if kind == 0:
        found = np.sin(2 * np.pi * u / step) > 0
    elif kind == 1:
        found = (u % step < 2) | (v % step < 2)
    elif kind == 2:
        found = (u // step + v // step) % 2 == 0
    elif kind == 3:
        side = int(rng.integers(4, 9))
        spots = rng.random((112 // side + 1, 112 // side + 1)) < 0.4
        found = np.kron(spots, np.ones((side, side), bool))[:112, :112]
    else:
        found = v % step < 1.2
    return np.asarray(found, np.float32)


def blots(rng: np.random.Generator) -> Array:
    """Something filled: a thumb, a coin, a stain."""
    y, x = np.mgrid[:112, :112]
    angle = np.arctan2(y - 56, x - 56)
    radius = rng.uniform(15, 32) * (1 + rng.uniform(0, 0.2) * np.sin(3 * angle + rng.uniform(0, 6)))
    return np.asarray(np.clip(radius - np.hypot(y - 56, x - 56), 0, 1), np.float32)


NON_DIGITS: dict[str, Callable[[np.random.Generator], Array]] = {
    "blank": blank,
    "textures": textures,
    "blots": blots,
    "scribbles": scribbles,
    "letters": letters,
}


def seen_from(ink: Array, rng: np.random.Generator, fills: bool) -> Array:
    """Ink (n, n) as it lies in the picture (240, 320): turned, tilted, scaled and moved."""
    side = HEIGHT * (rng.uniform(2.0, 2.6) if fills else rng.uniform(0.45, 0.85))
    angle = np.deg2rad(rng.uniform(-12, 12))
    tilt = rng.uniform(-0.0006, 0.0006, 2)  # of the sheet, to and from the camera
    room = 0 if fills else 0.4 * (np.array([HEIGHT, WIDTH]) - side)
    centre = np.array([HEIGHT, WIDTH]) / 2 + rng.uniform(-1, 1, 2) * room
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    y, x = y - centre[0], x - centre[1]
    depth = 1 + tilt[0] * y + tilt[1] * x
    y, x = y / depth, x / depth
    u = (np.cos(angle) * x + np.sin(angle) * y) / side + 0.5
    v = (-np.sin(angle) * x + np.cos(angle) * y) / side + 0.5
    return sampled(np.pad(ink, 1), v * ink.shape[0] + 0.5, u * ink.shape[1] + 0.5)


def sampled(image: Array, y: Array, x: Array) -> Array:
    """An image between its pixels, bilinear; the nearest edge outside."""
    y, x = np.clip(y, 0, image.shape[0] - 1.001), np.clip(x, 0, image.shape[1] - 1.001)
    top, left = y.astype(int), x.astype(int)
    down, right = y - top, x - left
    above = image[top, left] * (1 - right) + image[top, left + 1] * right
    below = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
    return above * (1 - down) + below * down


def blurred(image: Array, sigma: float) -> Array:
    """A Gaussian blur, along rows and columns."""
    reach = int(3 * sigma) + 1
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    padded = np.pad(image, reach, mode="edge")
    rows = sum(w * padded[i : i + image.shape[0]] for i, w in enumerate(weights))
    return sum(w * rows[:, i : i + image.shape[1]] for i, w in enumerate(weights))


def lit(rng: np.random.Generator) -> Array:
    """Light on the sheet (240, 320): brighter on one side, darker in the corners, a soft shadow."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.3) * (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(2)
    light -= rng.uniform(0, 0.2) * (x**2 + y**2) / 2
    turn = rng.uniform(0, 2 * np.pi)
    edge = np.cos(turn) * x + np.sin(turn) * y - rng.uniform(-1, 1)
    light *= 1 - rng.uniform(0, 0.3) / (1 + np.exp(-edge / rng.uniform(0.15, 0.5)))
    return light


def photograph(ink: Array, rng: np.random.Generator, *, fills: bool = False) -> Array:
    """A photograph, (240, 320, 3) uint8, of a sheet with `ink` (n, n) in 0..1 on it.

    fills  the ink goes over all edges, as a texture does
    """
    place = seen_from(ink, rng, fills)
    paper = np.array([1, 1, 1]) - rng.uniform(0, 0.25) * rng.dirichlet([1, 1, 1])  # its colour
    colour = rng.uniform(0, 0.3, 3)  # of the ink
    strength = rng.uniform(0.5, 1)  # a pencil, or a felt pen
    covered = (strength * place)[..., None]
    grain = blurred(rng.normal(0, 1, (HEIGHT, WIDTH)), 1.5) * rng.uniform(0, 0.06)
    sheet = (paper * (1 - covered) + colour * covered) * (1 + grain)[..., None]
    scene = sheet * (rng.uniform(0.6, 0.95) * lit(rng))[..., None]
    sigma = float(rng.uniform(0.5, 1.8))
    seen = np.stack([blurred(scene[..., i], sigma) for i in range(3)], axis=-1)
    seen += rng.normal(0, rng.uniform(0.005, 0.03), seen.shape)
    return np.rint(255 * np.clip(seen, 0, 1)).astype(np.uint8)
