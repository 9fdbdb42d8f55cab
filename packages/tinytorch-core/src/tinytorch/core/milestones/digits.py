"""Which digits a milestone reads: MNIST where it is or can be had, digits drawn by code otherwise.

It is said which, always. Nothing is fetched without a line that says what, how much, from where and
to where. A number measured on drawn digits is not one measured on MNIST, and is judged by bounds of
its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinytorch.core.milestones.frame import Stage
from tinytorch.datasets import MNIST, DownloadError, DrawnDigits, ImageDataset, fetch, locate
from tinytorch.tito.data import announcement


@dataclass(frozen=True)
class Digits:
    """Training and test digits, and whether they are MNIST's."""

    name: str
    train: ImageDataset
    test: ImageDataset
    real: bool


def digits(stage: Stage) -> Digits:
    """Load what the user insists on, else MNIST, else drawn digits; say and record which.

    Raises DownloadError where MNIST is insisted on and cannot be had, DatasetCorruptError where a
    file is damaged.
    """
    if stage.wanted_data != "drawn" and _have_mnist(stage):
        chosen = Digits("MNIST", MNIST("train"), MNIST("test"), real=True)
        where = {"local": "from TINYTORCH_DATA"}.get(locate("mnist").where, "from the cache")
    else:
        chosen = Digits("drawn digits", DrawnDigits("train"), DrawnDigits("test"), real=False)
        where = "made by code, not MNIST"
    stage.data(chosen.name, where, training=len(chosen.train), test=len(chosen.test))
    return chosen


def _have_mnist(stage: Stage) -> bool:
    """Whether MNIST is on this machine, after an announced attempt to fetch it where it is not."""
    status = locate("mnist")
    if status.where != "absent":
        return True
    stage.screen.line()
    stage.screen.notice(f"{announcement(status)} (--data drawn does without)")
    try:
        with stage.screen.downloads() as progress:
            fetch("mnist", progress)
    except DownloadError as error:
        if stage.wanted_data == "mnist":
            raise
        stage.screen.notice(
            f"{str(error).splitlines()[0].rstrip(':')}. Drawn digits take MNIST's place. "
            "What went wrong, and the ways out: tito data fetch mnist"
        )
        return False
    return True
