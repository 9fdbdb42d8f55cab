"""A digit written on paper: found, cut out, and brought to the form that MNIST has.

    digit = find_digit(brightness)      # (28, 28), ink 1 on 0, or NotADigitError that says why

Dark ink on brighter paper that fills the picture; light may be uneven. Steps: what the paper would
look like without ink is estimated from its surroundings; what is darker is ink (Otsu's threshold);
connected pieces are joined to things; exactly one thing may be there; it is cut out, a thin pen is
made as thick as MNIST's, and it is scaled to 20 x 20 pixels and centred by mass in 28 x 28.

LeCun et al., 1998, section III.A, for MNIST's form. Left out: several digits side by side, white
chalk, and the answer itself (`prepare.py`).
"""

from typing import Any

import numpy as np
from pictures import resize

Array = np.ndarray[Any, Any]

SIDE = 160  # pixels of the longer side at which ink is looked for
CONTRAST = 0.12  # ink is at least so much darker than paper, as a share of the paper
NOISE = 4.0  # and so many standard deviations of what is left on paper
SMALLEST = 0.10  # height of a digit, as a share of the picture's shorter side
PEN = 0.11  # width of MNIST's strokes, as a share of the digit's longer side
BOLD = 0.30  # no stroke is wider than this share
INKY = 0.35  # no digit covers more of a picture


class NotADigitError(ValueError):
    """What is seen is no digit; the message says why."""


def find_digit(brightness: Array) -> Array:
    """Return the one thing on a paper as MNIST would show it: (28, 28), float32, ink 1 on 0.

    brightness  (H, W) in 0..1, at least 28 x 28

    Raises NotADigitError: nothing, too much, several things, too small, cut by the edge.
    """
    if brightness.ndim != 2 or min(brightness.shape) < 28:
        raise NotADigitError(f"a picture of {brightness.shape} pixels is too small to look at")
    small = shrink(brightness)
    dark = darkness(small)
    try:
        level = threshold(dark)
    except NotADigitError:
        if light_on_dark(small):
            raise NotADigitError(
                "light on dark: dark ink on bright paper is wanted; --invert turns a picture over"
            ) from None
        raise
    mask = dark > level
    covered = mask.mean()
    if covered > INKY:
        raise NotADigitError(f"too much ink: {covered:.0%} of the picture is dark")
    thing = one_thing(mask)
    return as_mnist(np.where(thing, dark, 0), level, thing)


def shrink(brightness: Array) -> Array:
    """The picture with at most SIDE pixels on its longer side: noise averages out."""
    factor = SIDE / max(brightness.shape)
    if factor >= 1:
        return brightness.astype(np.float32)
    height, width = (max(1, round(n * factor)) for n in brightness.shape)
    return resize(brightness, height, width)


def light_on_dark(small: Array) -> bool:
    """Whether the margin is dark, and something is there once light and dark are exchanged."""
    margin = np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]])
    if np.median(margin) > 0.5:
        return False
    try:
        threshold(darkness(1 - small))
    except NotADigitError:
        return False
    return True


def box_sum(values: Array, radius: int) -> Array:
    """The sum over a square around each pixel, cut at the edges. Same shape."""
    out = values.astype(np.float64)
    for axis in (0, 1):
        total = np.cumsum(out, axis=axis)
        total = np.insert(total, 0, 0, axis=axis)
        n = values.shape[axis]
        place = np.arange(n)
        end = np.minimum(place + radius + 1, n)
        start = np.maximum(place - radius, 0)
        out = np.take(total, end, axis=axis) - np.take(total, start, axis=axis)
    return out


def darkness(small: Array) -> Array:
    """How much darker than the paper around it each pixel is, as a share: 0 for paper.

    First light is taken for a surface of third degree, fitted to what is not darker than it; what
    is left, such as a shadow, is taken from the mean of the paper in a square around. After Bradley
    and Roth, "Adaptive thresholding using the integral image", 2007.
    """
    smooth = box_sum(small, 1) / box_sum(np.ones_like(small), 1)
    y, x = (np.linspace(-1, 1, n) for n in smooth.shape)
    surface = [np.outer(y**i, x**j) for i in range(4) for j in range(4 - i)]
    terms = np.stack(surface, axis=-1).reshape(-1, len(surface))  # (pixels, 10)
    values = smooth.reshape(-1).astype(np.float64)
    kept = np.ones(len(values), bool)
    for _ in range(5):
        found, *_ = np.linalg.lstsq(terms[kept], values[kept], rcond=None)
        paper = terms @ found
        kept = values > 0.93 * paper
        if kept.sum() < len(values) // 4:  # no sheet with some ink on it
            break
    even = smooth / np.maximum(paper.reshape(smooth.shape), 0.02)
    radius = max(small.shape) // 5
    local = box_sum(even, radius) / box_sum(np.ones_like(even), radius)
    for _ in range(3):
        near = (even > 0.95 * local).astype(np.float64)
        count = box_sum(near, radius)
        mean = box_sum(even * near, radius) / np.maximum(count, 1)
        local = np.where(count > 0, mean, local)
    return np.maximum(1 - even / np.maximum(local, 0.02), 0).astype(np.float32)


def threshold(dark: Array) -> float:
    """Otsu's threshold between paper and ink, "A threshold selection method", 1979.

    Raises NotADigitError where the darker class is not clearly darker: nothing is there.
    """
    counts, edges = np.histogram(dark, 256, (0, 1))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = sums / below - (sums[-1] - sums) / above
        between = np.nan_to_num(below * above * apart**2)
    level = float(edges[int(between.argmax()) + 1])
    paper, ink = dark[dark <= level], dark[dark > level]
    spread = float(np.sqrt(np.mean(paper**2))) if paper.size else 0.0
    contrast = float(ink.mean()) if ink.size else 0.0
    if contrast < max(CONTRAST, NOISE * spread):
        raise NotADigitError(
            f"nothing is there: the darkest part is {contrast:.0%} darker than the paper, which "
            f"itself varies by {spread:.0%}"
        )
    return level


def pieces(mask: Array) -> Array:
    """Number the connected pieces of a mask, diagonals included: 0 outside, 1, 2, ... inside.

    Row by row, runs that touch one of the row above are joined to it.
    """
    labels = np.zeros(mask.shape, np.int32)
    parent = [0]

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    above: list[tuple[int, int, int]] = []  # start, end, label of the runs of the row above
    for y, row in enumerate(mask):
        change = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
        runs = []
        for start, end in zip(change[::2].tolist(), change[1::2].tolist(), strict=True):
            touching = [root(label) for s, e, label in above if s <= end and start <= e]
            label = min(touching) if touching else len(parent)
            if not touching:
                parent.append(label)
            for other in touching:
                parent[other] = label
            labels[y, start:end] = label
            runs.append((start, end, label))
        above = runs
    return np.array([root(i) for i in range(len(parent))], np.int32)[labels]


def one_thing(mask: Array) -> Array:
    """The mask of the one thing that is there: its pieces, without specks.

    Raises NotADigitError for nothing, several things, a small one, or one that the edge cuts.
    """
    labels = pieces(mask)
    numbers, areas = np.unique(labels[labels > 0], return_counts=True)
    if not len(numbers):
        raise NotADigitError("nothing is there")
    boxes = {int(n): box(labels == n) for n in numbers[areas >= max(4, 0.03 * areas.max())]}
    largest = int(numbers[areas.argmax()])
    thing, rest = {largest}, set(boxes) - {largest}
    whole = boxes[largest]
    near = {largest}
    while near:  # a stroke beside it belongs to it: the bar of a 5, two halves of a 4
        reach = 0.18 * max(whole[1] - whole[0], whole[3] - whole[2])
        near = {n for n in rest if gap(boxes[n], whole) <= reach}
        for n in near:
            whole = join(whole, boxes[n])
        thing |= near
        rest -= near
    area = dict(zip(numbers.tolist(), areas.tolist(), strict=True))
    others = [n for n in rest if area[n] > 0.12 * sum(area[t] for t in thing)]
    if others:
        raise NotADigitError(f"several things: {1 + len(others)} of them; show one digit")
    top, bottom, left, right = whole
    height, width = mask.shape
    if top == 0 or left == 0 or bottom == height or right == width:
        raise NotADigitError("it goes over the edge of the picture")
    if max(bottom - top, right - left) < SMALLEST * min(mask.shape):
        raise NotADigitError(f"too small: {bottom - top} of {height} pixels high; come closer")
    return np.isin(labels, sorted(thing))


def box(mask: Array) -> tuple[int, int, int, int]:
    """The rows and columns that a mask occupies: top, bottom, left, right, ends excluded."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def gap(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """How far two boxes are apart; 0 where they touch."""
    vertical = max(a[0] - b[1], b[0] - a[1], 0)
    horizontal = max(a[2] - b[3], b[2] - a[3], 0)
    return float(np.hypot(vertical, horizontal))


def join(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The box around two boxes."""
    return min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3])


def stroke_width(mask: Array) -> float:
    """The mean width of the strokes: the area over half the outline, in pixels."""
    inside = np.pad(mask, 1)
    edges = sum(np.count_nonzero(inside[1:] != inside[:-1]) for inside in (inside, inside.T))
    # an outline at all angles has pi / 4 of the steps that its pixels have
    return float(2 * mask.sum() / max(1.0, edges * np.pi / 4))


def as_mnist(ink: Array, level: float, mask: Array) -> Array:
    """Scale ink (H, W) into 20 x 20 pixels, centred by mass in 28 x 28, full black as 1."""
    top, bottom, left, right = box(mask)
    size = max(bottom - top, right - left)
    width = stroke_width(mask)
    if width > BOLD * size and min(bottom - top, right - left) > 0.6 * size:
        raise NotADigitError("a blot: it is filled, not written")
    full = float(np.quantile(ink[mask], 0.75))
    soft = np.clip((ink - 0.5 * level) / max(full - 0.5 * level, 1e-3), 0, 1)
    for _ in range(round((PEN * size - width) / 2)):  # a thin pen: one pixel more on each side
        grown = np.pad(soft, 1)
        around = [grown[1:-1, :-2], grown[1:-1, 2:], grown[:-2, 1:-1], grown[2:, 1:-1]]
        soft = np.maximum.reduce([soft, *around])
    top, bottom, left, right = box(soft > 0.25)
    cut = soft[top:bottom, left:right]
    scale = 20 / max(cut.shape)
    height, wide = (max(1, round(n * scale)) for n in cut.shape)
    cut = resize(cut, height, wide)
    cut = np.clip(cut / max(float(np.quantile(cut, 0.95)), 1e-3), 0, 1)
    total = cut.sum()
    down = round(13.5 - float((cut.sum(axis=1) @ np.arange(height)) / total))
    across = round(13.5 - float((cut.sum(axis=0) @ np.arange(wide)) / total))
    down, across = np.clip(down, 0, 28 - height), np.clip(across, 0, 28 - wide)
    out = np.zeros((28, 28), np.float32)
    out[down : down + height, across : across + wide] = cut
    return out
