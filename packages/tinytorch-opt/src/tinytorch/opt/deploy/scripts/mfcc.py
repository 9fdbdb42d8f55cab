"""MFCC: one second of sound as 49 frames of 10 numbers, as MLPerf Tiny's keyword spotting has it.

    import mfcc
    maps = mfcc.quantised(mfcc.coefficients(samples))      # (49, 10) int8

Sound is divided by its largest sample and cut into frames of 30 ms, one every 20 ms; each is seen
through a Hann window; the magnitudes of its spectrum are gathered into 40 bands that lie as the
ear hears (mel); their logarithms are turned into 10 coefficients by a cosine transform. NumPy only.

Source of the recipe: mlcommons/tiny, benchmark/training/keyword_spotting, get_dataset.py.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

RATE = 16_000  # samples a second
FRAME, STEP = 480, 320  # samples: 30 ms, and 20 ms
POINTS = 512  # of the Fourier transform
BANDS = 40
LOWEST, HIGHEST = 20.0, 4000.0  # Hz
COEFFICIENTS = 10
SCALE, ZERO = 0.5847029089927673, 83  # of the int8 numbers: real = (q - ZERO) * SCALE


def mel(hertz: Any) -> Any:
    """Hertz to mel, HTK's formula."""
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)


def bands() -> Array:
    """Weights (257, 40) of 40 triangles, evenly spaced in mel; what is below counts nothing."""
    edges = np.linspace(mel(LOWEST), mel(HIGHEST), BANDS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    at = mel(np.linspace(0, RATE / 2, POINTS // 2 + 1))[:, None]  # (257, 1)
    rising = (at - left) / (centre - left)
    falling = (right - at) / (right - centre)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def cosines() -> Array:
    """The cosine transform (40, 10): DCT-II, with TensorFlow's scale."""
    place = np.arange(BANDS)[:, None] + 0.5
    return 2 * np.cos(np.pi / BANDS * place * np.arange(COEFFICIENTS)) / np.sqrt(2.0 * BANDS)


def coefficients(samples: Any) -> Array:
    """MFCC (49, 10), float32, of one second of sound.

    samples  (n,) int16 or float; what is missing to 16,000 is silence, what is more is left out
    """
    sound = np.zeros(RATE, np.float64)
    given = np.asarray(samples, np.float64).reshape(-1)[:RATE]
    sound[: len(given)] = given
    loudest = sound.max(initial=0.0)  # the largest sample, not the largest magnitude: the recipe
    if loudest > 0:
        sound = sound / loudest
    starts = np.arange(0, RATE - FRAME + 1, STEP)  # (49,)
    frames = sound[starts[:, None] + np.arange(FRAME)]  # (49, 480)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)  # periodic
    spectrum = np.abs(np.fft.rfft(frames * window, POINTS))  # (49, 257)
    return (np.log(spectrum @ bands() + 1e-6) @ cosines()).astype(np.float32)


def quantised(values: Any) -> Array:
    """MFCC as int8: divided, shifted, cut toward zero, and clipped."""
    steps = np.asarray(values, np.float32) / np.float32(SCALE) + ZERO
    return np.clip(np.trunc(steps), -128, 127).astype(np.int8)


def real(numbers: Any) -> Array:
    """The coefficients that int8 numbers stand for, float32."""
    return (np.asarray(numbers, np.float32) - ZERO) * np.float32(SCALE)
