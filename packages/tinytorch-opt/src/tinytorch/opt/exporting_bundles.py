"""What `tito export --target raspberry-pi` does: a folder with the model, and a file to ask about.

Left out: the folder itself (`deploy/`), and what is typed and shown (`export_command.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.layers import Module
from tinytorch.datasets import ImageDataset
from tinytorch.datasets.drawn import DrawnDigits
from tinytorch.opt.choosing_models import ChoiceError, example_input
from tinytorch.opt.deploy import DIGIT_ON_PAPER, Bundle, bundle
from tinytorch.opt.deploy.photographs import photograph
from tinytorch.opt.exporting_models import Subject, metadata_of
from tinytorch.opt.preparing import KEY

EXAMPLES = 16  # of the self-test, where there are no data


def write_bundle(
    one: Subject, folder: Path, *, small: Module | None, data: ImageDataset | None, force: bool
) -> Bundle:
    """Write the folder; with data, the accuracy of both models, and a picture to ask about.

    small  the quantised model, which goes beside the other

    Raises ChoiceError for a folder that may not be written, ExportError.
    """
    texts = metadata_of(one, data)
    facts = told(one, texts)
    test = None if data is None or one.untrained else data.get_batch(range(len(data)))
    raw = picture(facts, data)
    try:
        return bundle(
            one.model,
            folder,
            example=examples(one, data),
            labels=texts.get("labels") or classes(one),
            preprocess=facts,
            int8=small,
            test=test,
            sample=None if raw is None else ("sample.ppm", ppm(raw)),
            raw=raw,
            name=type(one.model).__name__,
            command="tito " + " ".join(sys.argv[1:]) if sys.argv[1:2] == ["export"] else "",
            about="" if one.learned is None else f"Its weights learned {one.learned}.",
            force=force,
        )
    except FileExistsError as error:
        message = str(error).replace("force=True", "--force")
        raise ChoiceError(f"{message} with --out") from None
    except PermissionError as error:
        raise ChoiceError(f"{folder} cannot be written: {error.strerror}") from None


def told(one: Subject, texts: dict[str, Any]) -> dict[str, Any]:
    """How inputs are prepared on the board; arrays that are prepared already where nobody said.

    An answer is only given where it is sure enough for the weights that come with tinytorch-arch,
    for which thresholds were measured.
    """
    if KEY not in texts:
        return {"kind": "array"}
    facts = {key: texts[KEY][key] for key in ("kind", "mean", "std", "background")}
    shipped = one.name == "lenet5" and "@" not in one.source
    same = all(list(facts[key]) == DIGIT_ON_PAPER[key] for key in ("mean", "std"))
    return facts | {"reject": DIGIT_ON_PAPER["reject"]} if shipped and same else facts


def examples(one: Subject, data: ImageDataset | None) -> Any:
    """Inputs (N, *shape), from which the file's sizes, and the examples of the self-test, come."""
    if data is not None:
        return data.get_batch(range(min(EXAMPLES, len(data))))[0]
    return example_input(one.model, one.example.shape[1:], EXAMPLES).data


def classes(one: Subject) -> list[str]:
    """Names for classes that nobody named. Raises ChoiceError for a model that has none."""
    from tinytorch.core.tensor import Tensor

    scores = one.model(Tensor(one.example, one.example.dtype)).shape
    if len(scores) != 2 or one.example.dtype.kind != "f":
        raise ChoiceError(
            f"{one.source} reads {one.example.dtype} and answers {scores}: a folder for the "
            "Raspberry Pi holds a model that reads numbers and gives a row of scores"
        )
    return [f"class {i}" for i in range(scores[1])]


def picture(facts: dict[str, Any], data: ImageDataset | None) -> Any:
    """A picture to ask about, uint8 (H, W, 3): a digit on paper, or the first test image."""
    if facts["kind"] == "digit":
        drawn = (data or DrawnDigits("test", 1)).images[0, 0]
        ink = np.kron(drawn, np.ones((4, 4), np.uint8)) / np.float32(255)
        return photograph(ink, np.random.default_rng(0))
    if facts["kind"] == "picture" and data is not None:
        colours = np.broadcast_to(data.images[0], (3, *data.images.shape[2:]))
        return np.ascontiguousarray(np.moveaxis(colours, 0, 2))  # (3, H, W) -> (H, W, 3)
    return None


def ppm(raw: Any) -> bytes:
    """A picture as a PPM file."""
    height, width, _ = raw.shape
    return b"P6\n%d %d\n255\n" % (width, height) + bytes(raw.tobytes())
