"""What `tito export` does: choose, round where asked for, write, and ask the file on real labels.

Left out: what is typed and shown (`export_command.py`), and how a file is written (`onnx/`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.arch.transformers import Transformer
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.serialization import load_metadata
from tinytorch.core.tensor import Tensor
from tinytorch.datasets import CIFAR10, MNIST, FashionMNIST, ImageDataset
from tinytorch.datasets.drawn import DrawnDigits
from tinytorch.opt.choosing_models import (
    KNOWN,
    ChoiceError,
    Shape,
    example_input,
    has_trained_weights,
    model_named,
    raise_in,
)
from tinytorch.opt.preparing import LABELS, SHIPPED, Preparation
from tinytorch.opt.quantization import quantize
from tinytorch.opt.scenarios import accuracy, answers_of

Array = np.ndarray[Any, np.dtype[Any]]
SETS: dict[str, Callable[[str], ImageDataset]] = {
    "mnist": MNIST,
    "fashion-mnist": FashionMNIST,
    "cifar-10": CIFAR10,
    "drawn": lambda split: DrawnDigits(split, 1000),
}
SIZES: dict[str, Shape] = {
    "mnist": (1, 28, 28),
    "fashion-mnist": (1, 28, 28),
    "cifar-10": (3, 32, 32),
    "drawn": (1, 28, 28),
}
EXAMPLES, AT_ONCE = 512, 128  # that scales are found with; notes: some hundred will do


@dataclass(frozen=True)
class Subject:
    """A model that is to be written.

    source      as it was named: "lenet5", "my_model.py:Net"
    model       with float weights
    example     an input, (1, *shape)
    untrained   whether its weights are drawn at random
    learned     the data that a file of weights says they learned: "MNIST"; None where it is silent
    """

    source: str
    model: Module
    example: Array
    untrained: bool
    learned: str | None = None

    @property
    def name(self) -> str:
        """What a file of it is called, without its ending."""
        return self.source.partition("@")[0].rpartition(":")[2].lower()


@dataclass(frozen=True)
class Written:
    """A file, and what is known of it. Accuracies are shares of `images` test images, or None."""

    path: str
    model: str
    bytes: int
    opset: int
    ir_version: int
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    int8: bool
    activations: str | None
    untrained: bool
    checked_with: dict[str, str | None]
    batches: tuple[int, ...]
    data: str | None
    images: int | None
    accuracy: float | None
    accuracy_of_model: float | None
    accuracy_of_float: float | None

    def record(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return asdict(self)


def require_size(name: str, data: str) -> None:
    """Raise ChoiceError for a model that cannot read these data, before they are looked for."""
    size = KNOWN.get(name.partition("@")[0].lower(), (None, SIZES[data]))[1]
    if size != SIZES[data]:
        raise ChoiceError(
            f"{name} reads examples of shape {size}, and images of {data} are {SIZES[data]}: "
            "choose other data, or another model"
        )


def subject(name: str, shape: Shape | None, data: ImageDataset | None) -> Subject:
    """Find a model, and an input for it. Raises ChoiceError where they do not fit together."""
    model, size = model_named(name, shape)
    if data is not None and data.images.shape[1:] != size:
        raise ChoiceError(
            f"{name} reads examples of shape {size}, and images of {data.name} are "
            f"{data.images.shape[1:]}: choose other data, or another model"
        )
    example = data.get_batch([0])[0] if data else example_input(model, size).data
    try:
        model(Tensor(example, example.dtype))
    except ShapeError as error:
        raise ChoiceError(f"{name} cannot read an example of shape {size}: {error}") from None
    except Exception as error:
        if ".py:" in name:
            raise_in(Path(name.rpartition(".py:")[0] + ".py"), error)
        raise
    require_two(name, model, example)
    untrained = ".py" not in name and not has_trained_weights(name)
    return Subject(name, model, example, untrained, learned_by(name))


def require_two(name: str, model: Module, example: Array) -> None:
    """Raise ChoiceError for a model of one's own that reads one example, and not two."""
    if ".py:" not in name:
        return
    two = np.concatenate([example, example])
    try:
        model(Tensor(two, two.dtype))
    except ShapeError as error:
        raise ChoiceError(
            f"{name} reads one example, and not two: {error}. Its forward is written for a batch "
            "of 1: x.reshape(x.shape[0], -1) flattens a batch of any size"
        ) from None


def learned_by(name: str) -> str | None:
    """What the file of weights in NAME@FILE says that it was trained on, if it says so."""
    _, at, weights = name.partition("@")
    try:
        return load_metadata(weights).get("data") if at else None
    except (OSError, ValueError):  # packed, or of another format: those have no such text
        return None


def learned_another(one: Subject, data: ImageDataset | None) -> str | None:
    """A sentence where weights learned other data than they are measured on; otherwise None."""
    if data is None or one.learned is None or data.name.lower() in one.learned.lower().split():
        return None
    return (
        f"These weights learned {one.learned}, and this is {data.name}: the accuracy is that on "
        "data they have not seen, and labels and preparation are those of the latter."
    )


def batches_of(one: Subject, train: ImageDataset | None, examples: Path | None) -> list[Array]:
    """Typical inputs, from which scales are found: training images, or arrays of a file.

    Raises ChoiceError where there are none, or not of the model's shape.
    """
    if examples is not None:
        try:
            inputs = np.load(examples, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ChoiceError(f"{examples} cannot be read as .npy: {error}") from None
        want = one.example.shape[1:]
        if inputs.ndim != one.example.ndim or inputs.shape[1:] != want or not len(inputs):
            raise ChoiceError(
                f"{examples} holds {inputs.shape}; typical inputs of {one.source} are (N, "
                f"{', '.join(map(str, want))})"
            )
        inputs = inputs[:EXAMPLES].astype(one.example.dtype)
    elif train is not None:
        inputs, _ = train.get_batch(range(min(EXAMPLES, len(train))))
    else:
        raise ChoiceError(
            "--int8 finds its scales with typical inputs: name their data, as in --data mnist, or "
            "give some of your own, --examples inputs.npy of shape (N, ...)"
        )
    return [inputs[start : start + AT_ONCE] for start in range(0, len(inputs), AT_ONCE)]


def rounded(one: Subject, batches: list[Array]) -> Module:
    """The model in eight bits. Raises ChoiceError for one that has nothing to round."""
    try:
        return quantize(one.model, batches)
    except ValueError as error:
        raise ChoiceError(f"{one.source} cannot be quantised: {error}") from None


def metadata_of(one: Subject, data: ImageDataset | None) -> dict[str, Any]:
    """What the file should know: labels, and how a picture is prepared, where that is known."""
    texts: dict[str, Any] = {"model": type(one.model).__name__}
    if data is not None:
        return texts | {"labels": list(data.classes)} | Preparation.of(data).as_metadata()
    if one.name in SHIPPED and "@" not in one.source:
        return texts | {"labels": list(LABELS[one.name])} | SHIPPED[one.name].as_metadata()
    return texts


def write(
    one: Subject,
    path: Path,
    *,
    small: Module | None,
    activations: str,
    opset: int,
    cache: bool,
    data: ImageDataset | None,
) -> Written:
    """Write the file, which `export` checks, and measure it on the data's test images.

    small  the quantised model, or None for floats. Raises ExportError, ChoiceError.
    """
    from tinytorch.opt.onnx import export, export_with_cache
    from tinytorch.opt.onnx.checking import BATCHES, runtime

    model = small or one.model
    how: dict[str, Any] = {
        "opset": opset, "activations": activations, "metadata": metadata_of(one, data)
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "onnxruntime is not installed")  # the command says so
        if cache:
            if not isinstance(model, Transformer):
                raise ChoiceError(
                    f"--cache is for a transformer: {one.source} has no keys and values"
                )
            proto = export_with_cache(model, path, **how)
        else:
            axes, example = {"input": {0: "batch"}}, one.example
            if isinstance(model, Transformer):
                axes["input"][1] = "sequence"
                example = example[:, : max(1, example.shape[1] // 2)]  # longer ones are tried, too
            proto = export(model, example, path, axes=axes, **how)
    run = runtime(proto)
    judged = data is not None and not one.untrained
    return Written(
        path=str(path),
        model=type(one.model).__name__,
        bytes=path.stat().st_size,
        opset=proto.opset_import[0].version,
        ir_version=proto.ir_version,
        inputs=[described(value) for value in proto.graph.input],
        outputs=[described(value) for value in proto.graph.output],
        int8=small is not None,
        activations=activations if small is not None else None,
        untrained=one.untrained,
        checked_with={name: installed(dist) for name, dist in CHECKERS.items()},
        batches=BATCHES,
        data=data.name if data is not None else None,
        images=len(data) if data is not None else None,
        accuracy=share_right(lambda x: run({"input": x})[0], data) if judged and run else None,
        accuracy_of_model=share_right(asked(model), data) if judged else None,
        accuracy_of_float=share_right(asked(one.model), data) if judged and small else None,
    )


CHECKERS = {"onnx.reference": "onnx", "onnxruntime": "onnxruntime"}


def installed(distribution: str) -> str | None:
    """The version of a distribution, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def described(value: Any) -> dict[str, Any]:
    """Name, type and sizes of an input or an output of a file."""
    from onnx import helper

    tensor = value.type.tensor_type
    return {
        "name": value.name,
        "dtype": str(helper.tensor_dtype_to_np_dtype(tensor.elem_type)),
        "shape": [dim.dim_param or dim.dim_value for dim in tensor.shape.dim],
    }


def asked(model: Module) -> Callable[[Array], Array]:
    """A function that asks a model of TinyTorch: images -> answers."""
    answer = answers_of(model)
    return lambda x: np.asarray(answer(list(x)))


def share_right(answer: Callable[[Array], Array], data: ImageDataset | None) -> float | None:
    """The share of the images whose class the answers name."""
    if data is None:
        return None
    return accuracy(
        lambda indices: list(answer(data.get_batch(list(indices))[0])),
        range(len(data)),
        data.labels,  # type: ignore[arg-type]
        batch=200,
    )


def sizes(values: list[dict[str, Any]]) -> Iterator[str]:
    """Inputs or outputs as text: "input, float32, batch x 1 x 28 x 28"."""
    for value in values:
        shape = [f"({size})" if " " in str(size) else str(size) for size in value["shape"]]
        yield f"{value['name']}, {value['dtype']}, {' x '.join(shape)}"
