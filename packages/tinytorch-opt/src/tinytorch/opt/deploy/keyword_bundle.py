"""A folder that listens for ten words: python -m tinytorch.opt.deploy.keyword_bundle my-words

DS-CNN with the weights that come with the package (`keywords.py`). With Speech Commands at hand
(`TINYTORCH_DATA`) an int8 model is added, whose scales come from 500 clips to learn from, and both
are measured on the 1,050 of other speakers. Left out: recordings, which are others' work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.core.files import AnyPath
from tinytorch.datasets.errors import DatasetMissingError
from tinytorch.opt.deploy.bundles import Bundle, bundle
from tinytorch.opt.deploy.keywords import keyword_model, standard
from tinytorch.opt.deploy.speech import Clips
from tinytorch.opt.quantization import quantize

# Of the 1,050 clips of other speakers 83.0 % reach it, and 93.7 % of these answers are right
REJECT = {"probability": 0.6}
CALIBRATION = 500  # clips
ABOUT = (
    "It learned from 3,840 clips of one second, and knew {:.2%} of 1,050 clips of speakers that it "
    "had never heard."
)


def keyword_bundle(folder: AnyPath, clips: Clips | None = None, *, force: bool = False) -> Bundle:
    """Write the bundle of the keyword model; see `bundle`.

    clips  to quantise and measure by; None: no int8 model, and no accuracy of one's own
    """
    model, facts = keyword_model()
    preprocess = {"kind": "keyword", "mean": facts["mean"], "std": facts["std"], "reject": REJECT}
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {"example": rng.standard_normal((16, 1, 49, 10), np.float32)}
    if clips is not None:
        maps = standard(clips.maps, clips.fit)[0]
        learned = rng.permutation(np.flatnonzero(clips.fit))
        judged = rng.permutation(np.flatnonzero(~clips.fit))
        given = {
            "example": maps[judged[:16]],
            "test": (maps[judged], clips.labels[judged]),
            "int8": quantize(model, [maps[learned[:CALIBRATION]]]),
        }
    return bundle(
        model,
        folder,
        labels=facts["labels"],
        preprocess=preprocess,
        raw=np.rint(rng.normal(0, 3000, 16_000)).astype(np.int16),
        name="Ten spoken words",
        command="python -m tinytorch.opt.deploy.keyword_bundle FOLDER",
        about=ABOUT.format(facts["accuracy"]),
        force=force,
        **given,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tinytorch.opt.deploy.keyword_bundle")
    parser.add_argument("folder", help="where to write the bundle")
    parser.add_argument(
        "--force", action="store_true", help="write over changed files; they are kept as NAME.bak"
    )
    given = parser.parse_args(arguments)
    try:
        clips = Clips()
    except DatasetMissingError as error:
        print(f"without an int8 model: {error}", file=sys.stderr)
        clips = None
    try:
        made = keyword_bundle(given.folder, clips, force=given.force)
    except FileExistsError as error:
        print(str(error).replace("force=True", "--force"), file=sys.stderr)
        return 1
    print(made.self_test(), end="")
    for name, share in made.manifest["accuracy"].items():
        print(f"{name}: {share:.2%}" if isinstance(share, float) else f"{name}: {share:,}")
    for name, now in made.kept.items():
        print(f"{name} had been changed: it is kept as {now}")
    print(
        f"Next: {given.folder}/README.md says how it gets onto the board, and what to type there."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
