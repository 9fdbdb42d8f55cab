"""The pen: strokes to line segments, line segments to grey pixels, for many pictures at once.

Only + - * /, sqrt, minimum and maximum are used, one array operation at a time: IEEE 754 rounds
each of them in one way, so the same strokes give the same pixels everywhere. (Sines, exponentials,
matrix products and sums over an axis do not promise that.) Left out: which strokes to draw
(glyphs.py) and how a hand distorts them (drawn.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


def smooth_path(points: Float64Array, steps: int) -> Float64Array:
    """A Catmull-Rom curve through `points` (n, P, 2): `steps` pieces between two points.

    Returns (n, (P - 1) * steps + 1, 2). The ends are mirrored, so the curve reaches them.
    """
    first = 2 * points[:, :1] - points[:, 1:2]
    last = 2 * points[:, -1:] - points[:, -2:-1]
    padded = np.concatenate([first, points, last], axis=1)
    p0, p1, p2, p3 = padded[:, :-3], padded[:, 1:-2], padded[:, 2:-1], padded[:, 3:]
    n, pieces = p1.shape[:2]
    path = np.empty((n, pieces, steps, 2))
    for step in range(steps):
        t = step / steps
        w0 = ((2 - t) * t - 1) * t / 2
        w1 = ((3 * t - 5) * t * t + 2) / 2
        w2 = ((4 - 3 * t) * t + 1) * t / 2
        w3 = (t - 1) * t * t / 2
        path[:, :, step] = ((w0 * p0 + w1 * p1) + w2 * p2) + w3 * p3
    return np.concatenate([path.reshape(n, pieces * steps, 2), points[:, -1:]], axis=1)


def ink(starts: Float64Array, ends: Float64Array, radii: Float64Array, size: int) -> Float32Array:
    """How much ink each pixel receives, 0 to 1, from round-ended segments.

    Arguments:
        starts, ends: (n, S, 2) in pixels; the centre of the top left pixel is (0, 0).
        radii: (n, S), half the width of the pen on each segment, in pixels.
        size: the picture's side.

    Returns float32 (n, size, size). A pixel whose centre lies `d` outside the pen's edge gets
    `0.5 - d`, clipped to 0..1: a soft edge one pixel wide.
    """
    n, segments = radii.shape
    grid = np.arange(size, dtype=np.float32)
    start, along = starts.astype(np.float32), (ends - starts).astype(np.float32)
    squared = along[:, :, 0] * along[:, :, 0] + along[:, :, 1] * along[:, :, 1]
    inverse = 1 / np.maximum(squared, np.float32(1e-6))
    radius = radii.astype(np.float32)
    outside = np.full((n, size, size), np.inf, np.float32)
    at, side, away = (np.empty((n, size, size), np.float32) for _ in range(3))
    for s in range(segments):
        x = grid - start[:, s, 0, np.newaxis]  # (n, size)
        y = grid - start[:, s, 1, np.newaxis]
        along_x = along[:, s, 0, np.newaxis]  # (n, 1)
        along_y = along[:, s, 1, np.newaxis]
        scale = inverse[:, s, np.newaxis]
        # The nearest point of the segment, as a fraction of its length.
        np.add(
            (x * along_x * scale)[:, np.newaxis], (y * along_y * scale)[:, :, np.newaxis], out=at
        )
        np.maximum(at, np.float32(0), out=at)
        np.minimum(at, np.float32(1), out=at)
        np.multiply(at, along_x[:, np.newaxis], out=side)
        np.subtract(x[:, np.newaxis], side, out=side)
        np.multiply(side, side, out=away)
        np.multiply(at, along_y[:, np.newaxis], out=side)
        np.subtract(y[:, :, np.newaxis], side, out=side)
        np.multiply(side, side, out=side)
        np.add(away, side, out=away)
        np.sqrt(away, out=away)
        np.subtract(away, radius[:, s, np.newaxis, np.newaxis], out=away)
        np.minimum(outside, away, out=outside)
    shade: Float32Array = np.float32(0.5) - outside
    np.maximum(shade, np.float32(0), out=shade)
    return np.minimum(shade, np.float32(1), out=shade)
