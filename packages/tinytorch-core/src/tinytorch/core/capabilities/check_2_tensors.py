"""Checkpoint 2: tensors store and transform data. Drawn digits go through a whole preparation.

The facts come from NumPy, on the same pixels in float64. Left out: gradients and layers.
"""

from typing import Any

import numpy as np

import tinytorch
from tinytorch import Tensor
from tinytorch.course.checking import exercise, same
from tinytorch.datasets import DrawnDigits


def pictures() -> tuple[Any, Any]:
    """60 pictures (60, 1, 28, 28) with pixels in [0, 1], and their digits (60,)."""
    images, labels = DrawnDigits("train", n=60, normalize=False).get_batch(np.arange(60))
    return images, labels


@exercise("2")
def check_pictures_are_stored_as_they_are_four_bytes_a_pixel() -> None:
    images, labels = pictures()
    given = images.astype(np.float64)
    x, y = Tensor(given), Tensor(labels)
    given[...] = 0  # what is stored is a copy
    same(x, images, call="Tensor(images)", rtol=0, atol=0)
    assert x.nbytes == 4 * 60 * 784, f"expected 4 bytes a pixel, {4 * 60 * 784}, got {x.nbytes}"
    assert y.dtype == np.int64, f"labels are whole numbers and stay so: got {y.dtype}"


@exercise("2")
def check_pictures_become_rows_and_rows_pictures_again() -> None:
    images, _ = pictures()
    rows = Tensor(images).reshape(60, -1)  # (60, 1, 28, 28) -> (60, 784)
    same(rows, images.reshape(60, 784), call="images.reshape(60, -1)")
    same(rows.reshape(60, 1, 28, 28), images, call="rows.reshape(60, 1, 28, 28)")
    turned = Tensor(images).transpose(-2, -1)
    same(turned, images.swapaxes(2, 3), call="images.transpose(-2, -1)", why="mirrored pictures")


@exercise("2")
def check_each_pixel_is_standardised_over_all_pictures() -> None:
    images, _ = pictures()
    rows = Tensor(images.reshape(60, 784))
    centred = rows - rows.mean(axis=0)  # (60, 784) - (784,)
    spread = (centred * centred).mean(axis=0, keepdims=True) ** 0.5  # (1, 784)
    wide = images.reshape(60, 784).astype(np.float64)
    expected = (wide - wide.mean(axis=0)) / (wide.std(axis=0) + 0.1)
    same(centred / (spread + 0.1), expected, call="(x - mean) / (std + 0.1)", atol=1e-4, rtol=1e-4)


@exercise("2")
def check_a_mask_picks_the_pictures_of_one_digit() -> None:
    images, labels = pictures()
    x = Tensor(images)
    for digit in (0, 7):
        got = x[labels == digit].mean(axis=0)
        expected = images[labels == digit].mean(axis=0, dtype=np.float64)
        same(got, expected, call=f"images[labels == {digit}].mean(axis=0)", atol=1e-5)


@exercise("2")
def check_one_product_compares_every_picture_with_every_other() -> None:
    images, _ = pictures()
    rows = Tensor(images.reshape(60, 784))
    norms = ((rows * rows).sum(axis=1, keepdims=True)) ** 0.5
    alike = (rows / norms) @ (rows / norms).transpose(0, 1)  # (60, 784) @ (784, 60)
    wide = images.reshape(60, 784).astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    same(alike, wide @ wide.T, call="the cosines of all pairs", rtol=1e-4, atol=1e-5)
    diagonal = alike[np.arange(60), np.arange(60)]
    same(diagonal, np.ones(60), call="its diagonal", why="a picture is like itself", rtol=1e-4)


@exercise("2")
def check_logarithms_undo_powers_and_the_largest_pixel_is_found() -> None:
    images, _ = pictures()
    x = Tensor(images)
    same((x + 1).log().exp() - 1, images, call="exp(log(x + 1)) - 1", rtol=1e-4, atol=1e-5)
    brightest = x.max(axis=(2, 3))
    same(brightest, images.max(axis=(2, 3)), call="images.max(axis=(2, 3))", rtol=0, atol=0)
    same(-(-x).max(), images.min(), call="-(-images).max()", why="the darkest pixel")


@exercise("2")
def check_the_same_in_other_words_gives_the_same() -> None:
    images, _ = pictures()
    x = Tensor(images[:, 0])  # (60, 28, 28)
    by_rows = tinytorch.stack([picture.sum() for picture in x])
    same(by_rows, x.sum(axis=(1, 2)), call="one sum a picture", rtol=1e-4)
    same(x.sum(axis=(1, 2)).sum() / x.size, x.mean(), call="the mean from the sums", rtol=1e-4)
