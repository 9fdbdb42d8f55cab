"""Which model a command is about: "lenet5", or "my_model.py:Net" for a class of your own.

    model, shape = model_named("resnet8")                    # fresh weights, from a fixed seed
    model, shape = model_named("lenet5")                     # the trained weights that ship in arch
    model, shape = model_named("cifarcnn@cifar.safetensors") # weights of your own
    model, shape = model_named("my_model.py:Net", (1, 28, 28))
    x = example_input(model, shape, batch=8)

Here too: an input for it, drawn at random. Left out: what is then done with the model.
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from tinytorch.arch import models
from tinytorch.arch.embeddings import Embedding
from tinytorch.arch.trained import MODELS as TRAINED
from tinytorch.arch.trained import trained
from tinytorch.core.layers import Module
from tinytorch.core.serialization import read
from tinytorch.core.tensor import Tensor
from tinytorch.opt.packing import SIGNATURE
from tinytorch.opt.quantized_files import FORMAT
from tinytorch.tito.blame import told

Shape = tuple[int, ...]
FAULTS = 6  # of weights that do not fit, at most so many are shown

# what makes it, and the shape of one example
KNOWN: dict[str, tuple[Callable[..., Module], Shape]] = {
    "lenet5": (models.LeNet5, (1, 28, 28)),
    "cifarcnn": (models.CifarCNN, (3, 32, 32)),
    "resnet8": (models.ResNet8, (3, 32, 32)),
    "dscnn": (models.DSCNN, (1, 49, 10)),
    "mobilenetv1": (models.MobileNetV1, (3, 96, 96)),
    "autoencoder": (models.AutoEncoder, (640,)),
    "digitvit": (models.DigitViT, (1, 28, 28)),
    "chargpt": (models.CharGPT, (128,)),
}


class ChoiceError(ValueError):
    """A text that names no model, with what it could have been."""


def model_named(text: str, shape: Shape | None = None, *, seed: int = 0) -> tuple[Module, Shape]:
    """Return the model that `text` names, in evaluation mode, and the shape of one example.

    text   NAME, FILE.py:NAME, or either followed by @WEIGHTS, a .safetensors file. NAME is in
           `KNOWN`, in any spelling: "LeNet5", "cifar_cnn". In a file it is a subclass of Module
           that needs no arguments, a function that returns a model, or a model
    shape  of one example, without the batch; a file's model needs it, for a known one it is known
    seed   of the weights, where they are drawn

    `lenet5` without @WEIGHTS has those that ship in tinytorch-arch; all others are drawn.

    Raises ChoiceError for a text that names no model, where the shape is missing, and for weights
    that do not fit; ValueError for a file of weights that is damaged.

    >>> model, shape = model_named("lenet5")
    >>> model.num_parameters(), shape
    (61706, (1, 28, 28))
    """
    if shape is not None and (not shape or min(shape) < 1):
        raise ChoiceError(f"an example of shape {shape} holds nothing: sizes are at least 1")
    name, at, weights = text.partition("@")
    if at and not weights:
        raise ChoiceError(f"{text}: after @ comes a file of weights, as in {name}@w.safetensors")
    if ".py:" in name or name.endswith(".py"):
        model = _from_file(name)
        if shape is None:
            raise ChoiceError(f"{name}: say what one example looks like, as in --input 1,28,28")
    else:
        model, known_shape = _from_table(name, bool(weights), seed)
        shape = shape or known_shape
    if weights:
        _load(model, name, Path(weights))
    return model.eval(), shape


def has_trained_weights(text: str) -> bool:
    """Whether the model that `text` names comes with weights that were trained, or given some."""
    name, _, weights = text.partition("@")
    return bool(weights) or _plain(name) in TRAINED


def example_input(model: Module, shape: Shape, batch: int = 1, seed: int = 0) -> Tensor:
    """Return `batch` examples drawn at random, (batch, *shape): what `model` reads, not data.

    A model whose first weights are an `Embedding` reads tokens, and gets integers below its
    vocabulary; any other gets float32 from a normal distribution.
    """
    rng = np.random.default_rng(seed)
    vocab = vocabulary(model)
    if vocab is not None:
        return Tensor(rng.integers(vocab, size=(batch, *shape)))
    return Tensor(rng.standard_normal((batch, *shape), np.float32))


def vocabulary(model: Module) -> int | None:
    """How many tokens `model` knows, where its first weights are an `Embedding`; otherwise None."""
    first = next((module for module in model.modules() if module.own_tensors()), None)
    return int(first.weight.shape[0]) if isinstance(first, Embedding) else None


def shape_from(text: str) -> Shape:
    """Read a shape: "1,28,28" or "1x28x28". Raises ChoiceError.

    >>> shape_from("1,28,28")
    (1, 28, 28)
    """
    parts = text.replace("x", ",").strip("() ,").split(",")
    try:
        shape = tuple(int(part) for part in parts)
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ChoiceError(f"{text!r} is no shape: write the sizes of one example, as in 1,28,28")
    return shape


def raise_in(path: Path, error: BaseException) -> NoReturn:
    """Raise `error` again: as a ChoiceError that names the line, where it is of this file.

    An error of the student's own modules stays as it is: `tito` shows those itself.
    """
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename) == path.resolve():
            line = frame.lineno
    if line is None or not isinstance(error, Exception) or told(error):
        raise error
    raise ChoiceError(f"{path}, line {line}: {type(error).__name__}: {error}") from error


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _from_table(name: str, weights: bool, seed: int) -> tuple[Module, Shape]:
    plain = _plain(name)
    if plain not in KNOWN:
        close = difflib.get_close_matches(plain, KNOWN, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ChoiceError(
            f"no model is called {name!r}.{hint} There are {', '.join(KNOWN)}; a model of your own "
            "is FILE.py:NAME, as in my_model.py:Net"
        )
    make, shape = KNOWN[plain]
    if plain in TRAINED and not weights:
        return trained(plain), shape
    return make(rng=np.random.default_rng(seed)), shape


def _load(model: Module, name: str, path: Path) -> None:
    """Read weights into a model. Raises ChoiceError, saying which file it is if not of floats."""
    if not path.is_file():
        raise ChoiceError(f"{path}: there is no such file of weights for {name}")
    with path.open("rb") as file:
        packed = file.read(len(SIGNATURE)) == SIGNATURE
    if packed:
        raise ChoiceError(
            f"{path} is a packed file: tinytorch.opt.packing.unpack(path, model) reads it, and "
            "tinytorch.save(model.state_dict(), path) writes what can be named here"
        )
    arrays, texts = read(path)
    if texts.get("format") == FORMAT:
        raise ChoiceError(
            f"{path} is a file of a quantised model, which "
            "tinytorch.opt.quantized_files.load_quantized(path, model) reads: name the weights "
            "that it was made from here"
        )
    try:
        model.load_state_dict(dict(sorted(arrays.items())))  # a file has no order of its own
    except ValueError as error:
        head, *faults = str(error).splitlines()
        more = f"  and {len(faults) - FAULTS} more: is it of another model?"
        shown = [*faults[:FAULTS], more] if len(faults) > FAULTS else faults
        raise ChoiceError("\n".join([f"{path}: {head}", *shown])) from None


def _from_file(text: str) -> Module:
    place, _, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    path = Path(place)
    if not path.is_file():
        raise ChoiceError(f"{place}: there is no such file")
    content = vars(_imported(path))
    own = [
        key
        for key, value in content.items()
        if inspect.isclass(value)
        and issubclass(value, Module)
        and value.__module__ == content["__name__"]
    ]
    known = f"it defines {', '.join(own)}" if own else "it defines no Module"
    if not name:
        example = own[0] if own else "Net"
        raise ChoiceError(f"{place}: say which model in it, as in {place}:{example}; {known}")
    if name not in content:
        raise ChoiceError(f"{place} has nothing called {name!r}; {known}")
    return _made(path, text, content[name])


def _made(path: Path, text: str, found: Any) -> Module:
    """The model that an object of a file is, or makes."""
    if callable(found) and not isinstance(found, Module):
        try:
            needed = [
                each.name
                for each in inspect.signature(found).parameters.values()
                if each.default is each.empty
                and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            ]
        except (TypeError, ValueError):  # written in C: it has no signature to read
            needed = []
        if needed:
            raise ChoiceError(
                f"{text} needs {', '.join(needed)}: give them defaults, or write a function in "
                "that file that returns the model, and name it here"
            )
        try:
            found = found()
        except Exception as error:
            raise_in(path, error)
    if not isinstance(found, Module):
        raise ChoiceError(
            f"{text} is a {type(found).__name__}, not a model: name a subclass of "
            "tinytorch.nn.Module, or a function that returns one"
        )
    return found


def _imported(path: Path) -> Any:
    """The file as a module. Its folder is searched for what it imports, as Python does.

    What it imports from there is its own: another file may have a neighbour of the same name.
    """
    name = f"_chosen_{path.stem}"
    folder = path.resolve().parent
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None  # a .py file has one, and a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    sys.modules[name] = module  # dataclasses look their module up
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        raise_in(path, error)
    finally:
        sys.path.remove(str(folder))
        for each in set(sys.modules) - before - {name}:
            if _is_neighbour(each, folder):
                del sys.modules[each]
    return module


def _is_neighbour(name: str, folder: Path) -> bool:
    """Whether a module lies in the folder itself; what is installed in a folder of it does not."""
    top = name.partition(".")[0]
    beside = (folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file()
    file = getattr(sys.modules[name], "__file__", None) or ""
    return top != "tinytorch" and beside and folder in Path(file).resolve().parents
