"""Where `tito export` writes a file: what it is called, and which files it may write over.

Left out: folders, which look after themselves (`deploy/folders.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinytorch.opt.choosing_models import ChoiceError


def default_place(name: str, *, int8: bool, cache: bool, folder: bool) -> Path:
    """What a file or folder is called where nobody says: lenet5-pi, chargpt.cache.int8.onnx."""
    if folder:
        return Path(f"{name}-pi")
    return Path(f"{name}{'.cache' if cache else ''}{'.int8' if int8 else ''}.onnx")


def require_place(path: Path, model: str, cache: bool, force: bool) -> None:
    """Raise ChoiceError, before anything is computed, for a file that may not be written.

    model  the class that is going to be written; a file of the same one may be written again
    cache  whether keys and values go in, as which it is another model
    """
    if not path.resolve().parent.is_dir():
        raise ChoiceError(f"{path}: there is no folder {path.parent} to write it in")
    if path.is_dir():
        raise ChoiceError(f"{path} is a folder: --out names a file")
    if force or not path.exists():
        return
    there = held(path)
    if there is None:
        raise ChoiceError(
            f"{path} is there already, and TinyTorch did not write it: --out names another file, "
            "--force overwrites this one"
        )
    if there != (model, cache):
        told = f"holds {there[0] or 'a model that it does not name'}" + " with a cache" * there[1]
        raise ChoiceError(
            f"{path} {told}, and not {model}{' with a cache' * cache}: --out names another file, "
            "--force overwrites this one"
        )


def held(path: Path) -> tuple[str | None, bool] | None:
    """The model in an ONNX file that TinyTorch wrote, and whether it has a cache; else None."""
    import onnx

    try:
        proto: Any = onnx.load_model_from_string(path.read_bytes())
    except Exception:  # of protobuf, for what is no ONNX
        return None
    if proto.producer_name != "tinytorch":
        return None
    texts = {entry.key: entry.value for entry in proto.metadata_props}
    return texts.get("model"), any(x.name.startswith("past_") for x in proto.graph.input)
