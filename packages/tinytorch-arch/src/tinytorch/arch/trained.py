"""Weights that come with the package: small networks, trained by a milestone, for later tiers.

    model = trained("lenet5")      # ready to be asked: model.eval() has been called
    facts_of("lenet5")["command"]  # what made it; also "seed", "data", "test accuracy", "log"

`python -m tinytorch.arch.trained DIR` takes weights over from what `tito milestone run 1998 --out
DIR` wrote. Left out: networks of more than 400 KB, which the milestone's command makes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinytorch.arch.models import LeNet5
from tinytorch.core.files import AnyPath
from tinytorch.core.layers import Module
from tinytorch.core.serialization import load, load_metadata, read, save

MODELS: dict[str, Callable[[], Module]] = {"lenet5": LeNet5}
MOST = 400_000  # bytes of a file that may come with the package
HERE = Path(__file__).parent / "weights"


def trained(name: str) -> Module:
    """Return a network with the weights that come with the package, in evaluation mode.

    Raises ValueError for a name that there is none of.
    """
    path = _path(name)
    model = MODELS[name]()
    model.load_state_dict(load(path))
    return model.eval()


def facts_of(name: str) -> dict[str, Any]:
    """Return what is known of the weights: command, seed, data, test accuracy, settings, log."""
    texts = load_metadata(_path(name))
    return {key: json.loads(text) if text[:1] in "[{" else text for key, text in texts.items()}


def _path(name: str) -> Path:
    if name not in MODELS:
        raise ValueError(f"no weights are called {name!r}; there are {', '.join(sorted(MODELS))}")
    return HERE / f"{name}.safetensors"


def take_over(folder: AnyPath, name: str, into: AnyPath = HERE) -> Path:
    """Copy weights that a milestone wrote into the package, with how they were made and went.

    folder  holds NAME.safetensors and result.json of a run that passed

    Raises ValueError for a run that did not pass, or a file too large.
    """
    result = json.loads((Path(folder) / "result.json").read_text("utf-8"))
    tensors, texts = read(Path(folder) / f"{name}.safetensors")
    if not result["passed"] or result["command"] != texts.get("command"):
        raise ValueError(f"{folder}: its run did not pass, or did not write {name}")
    size = sum(array.nbytes for array in tensors.values())
    if size > MOST:
        raise ValueError(f"{name}: {size:,} bytes, and {MOST:,} are what may come with the package")
    curves = [curve for curve in result["curves"] if "digits" in curve["name"]]
    texts |= {
        "settings": json.dumps(result["settings"]),
        "versions": json.dumps(result["versions"]),
        "log": json.dumps({c["name"]: [round(v, 4) for v in c["values"]] for c in curves}),
    }
    path = Path(into) / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    save(tensors, path, texts)
    return path


if __name__ == "__main__":
    for each in MODELS:
        print(take_over(sys.argv[1], each))
