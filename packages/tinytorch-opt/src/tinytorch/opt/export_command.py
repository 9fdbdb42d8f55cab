"""`tito export`: a model as an ONNX file that other programs run, checked before it is kept.

Left out: which models there are (`choosing_models.py`), which file may be written
(`exporting_places.py`), and how it is written and measured (`exporting_models.py`).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinytorch.tito.jsonout import emit
from tinytorch.tito.threads import one_thread

if TYPE_CHECKING:
    from tinytorch.datasets import ImageDataset
    from tinytorch.opt.deploy import Bundle
    from tinytorch.opt.exporting_models import Subject, Written
    from tinytorch.tito.screen import Screen

DATA = "mnist", "fashion-mnist", "cifar-10", "drawn"
PLACE = click.Path(path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
LOWEST = 17  # opset; `onnx.exporting` says so, too, but it takes a second to import
MANY = 6  # inputs of a file that remembers keys and values: the first will do


@click.command()
@click.argument("model")
@click.option(
    "--target",
    default="onnx",
    show_default=True,
    type=click.Choice(["onnx", "raspberry-pi"]),
    help="A file, or a folder that runs and tests itself on a Raspberry Pi.",
)
@click.option(
    "--out", type=PLACE, metavar="PLACE", help="Default: the model's name, .onnx; or NAME-pi."
)
@click.option("--int8", is_flag=True, help="Eight bits: a quarter of the bytes. Needs --data.")
@click.option(
    "--activations",
    type=click.Choice(["uint8", "int8"]),
    help="How --int8 rounds inputs of layers: uint8 (default) suits x86, int8 suits Arm.",
)
@click.option(
    "--data",
    type=click.Choice(DATA),
    help="Its training images give --int8 its scales, its test images the accuracy; the file "
    "learns its labels, and how a picture is prepared.",
)
@click.option(
    "--examples", type=FILE, metavar="FILE", help="Typical inputs of your own for --int8: .npy."
)
@click.option("--input", "shape", metavar="SIZES", help="The shape of one example: 1,28,28.")
@click.option(
    "--opset",
    default=LOWEST,
    show_default=True,
    type=click.IntRange(LOWEST, 23),
    help="Of ONNX. 17 suits the oldest runtimes.",
)
@click.option("--cache", is_flag=True, help="A transformer's keys and values go in and come out.")
@click.option(
    "--force",
    is_flag=True,
    help="Write over a file that is none of TinyTorch's, or holds another model; in a folder, over "
    "files that were changed, which are kept as NAME.bak.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export(
    model: str,
    target: str,
    out: Path | None,
    int8: bool,
    activations: str | None,
    data: str | None,
    examples: Path | None,
    shape: str | None,
    opset: int,
    cache: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write MODEL as ONNX, and check the file against it before it is kept.

    --target raspberry-pi makes a folder of it, with programs that ask it and a guide.

    MODEL is lenet5, resnet8, chargpt, ... or a class in a file of yours: my_model.py:Net with
    --input. @FILE.safetensors gives it weights.
    """
    one_thread()
    if (activations or examples) and not int8:
        raise click.UsageError("--activations and --examples say how --int8 rounds: add --int8")
    folder = target == "raspberry-pi"
    if folder and (activations or cache or opset != LOWEST):
        raise click.UsageError(
            "--target raspberry-pi chooses for the board: leave --activations, --opset, --cache out"
        )
    try:
        import tinytorch.opt.onnx
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise click.ClickException(str(error)) from None
    if folder and find_spec("onnxruntime") is None:
        raise click.ClickException(
            "onnxruntime, with which the folder is tested, is not installed: "
            'python -m pip install "tinytorch-opt[onnx]"'
        )
    from tinytorch.opt import exporting_models as models
    from tinytorch.opt import exporting_places as places
    from tinytorch.opt.choosing_models import ChoiceError, shape_from
    from tinytorch.tito.screen import Screen

    screen = Screen(quiet=as_json)
    try:
        if data:
            models.require_size(model, data)
        test = models.SETS[data]("test") if data else None
        one = models.subject(model, shape_from(shape) if shape else None, test)
        path = out or places.default_place(one.name, int8=int8, cache=cache, folder=folder)
        if not folder:
            places.require_place(path, type(one.model).__name__, cache, force)
        small = None
        if int8:
            train = models.SETS[data]("train") if data and not examples else None
            small = models.rounded(one, models.batches_of(one, train, examples))
        if folder:
            from tinytorch.opt.exporting_bundles import write_bundle

            made = write_bundle(one, path, small=small, data=test, force=force)
            show_bundle(screen, path, made, one)
            say_of_weights(screen, one, test)
            say_whose(screen)
            if as_json:
                emit({"path": str(path), **made.manifest, "kept": made.kept})
            return
        found = models.write(
            one,
            path,
            small=small,
            activations=activations or "uint8",
            opset=opset,
            cache=cache,
            data=test,
        )
    except ChoiceError as error:
        raise click.UsageError(str(error)) from None
    except tinytorch.opt.onnx.ExportError as error:
        raise click.ClickException(in_terms_of_options(str(error))) from None
    if as_json:
        emit(found.record())
    else:
        show(screen, found)
        say_of_weights(screen, one, test)
        say_whose(screen)


def in_terms_of_options(message: str) -> str:
    """An error of `export`, which has arguments that no option of the command sets."""
    if "axes={}" not in message:
        return message
    return f"{message}\n(axes is an argument of tinytorch.opt.onnx.export in Python, and no option)"


def show(screen: Screen, found: Written) -> None:
    """Write what the file is, and what it was checked against."""
    from tinytorch.opt.exporting_models import sizes

    screen.line(f"{found.path}: {found.model}" + (" in eight bits" if found.int8 else ""), "bold")
    rows = [
        ("bytes", f"{found.bytes:,}"),
        ("opset", f"{found.opset}, IR {found.ir_version}"),
    ]
    if found.activations:
        rows.append(("activations", found.activations))
    for what, values in (("input", found.inputs), ("output", found.outputs)):
        listed = list(sizes(values))
        rows += [(what, text) for text in listed[: MANY if len(listed) <= MANY else 3]]
        if len(listed) > MANY:
            rows.append((what, f"and {len(listed) - 3} more"))
    rows.append(("checked with", checked(found)))
    if found.accuracy_of_model is not None:
        rows.append(("accuracy", accuracies(found)))
    screen.pairs(rows)
    if found.untrained:
        screen.notice(
            f"Its weights are drawn at random: {found.model} comes untrained. "
            "NAME@FILE.safetensors gives it trained ones."
        )
    if found.checked_with["onnxruntime"] is None:
        screen.notice(
            "onnxruntime is not installed, so the file was not checked with it: "
            'python -m pip install "tinytorch-opt[onnx]"'
        )


def say_whose(screen: Screen) -> None:
    """Say which modules of the student were at work while the model ran, if any."""
    from tinytorch.opt import profile_command

    if whose := profile_command.own_modules():
        screen.say(whose)


def say_of_weights(screen: Screen, one: Subject, data: ImageDataset | None) -> None:
    """Say where weights are not what the one who asked may think they are."""
    from tinytorch.opt.exporting_models import learned_another

    if (said := learned_another(one, data)) is not None:
        screen.notice(said)
    if ".py:" in one.source and "@" not in one.source:
        screen.notice(
            f"Its weights are those that {one.source} made just now: drawn at random, unless it "
            "loads some. FILE.py:NAME@FILE.safetensors gives it trained ones."
        )


def show_bundle(screen: Screen, path: Path, made: Bundle, one: Subject) -> None:
    """Write what the folder holds, that it passes its own test, and where it goes."""
    try:
        said = made.self_test().strip()
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None
    facts = made.manifest
    screen.line(f"{path}: {facts['name']} for a Raspberry Pi", "bold")
    files = facts["files"]
    rows = [(name, f"{files[name]['size']:,} bytes") for name in files if name.endswith(".onnx")]
    rows.append(("other files", str(len(files) - len(rows) + 1)))  # and MANIFEST.json
    measured = facts["accuracy"]
    for name in (name for name in measured if name != "examples"):
        share = f"{100 * measured[name]:.2f} % in onnxruntime"
        rows.append(("accuracy", f"{share}, {name} ({measured['examples']:,} test images)"))
    screen.pairs(rows)
    for name, now in made.kept.items():
        screen.line(f"  {name} had been changed: it is kept as {now}")
    for line in said.splitlines():
        screen.line(f"  {line}")
    if one.untrained:
        screen.notice(f"Its weights are drawn at random: {facts['name']} comes untrained.")
    if one.example.ndim == 4 and made.reads == "array":
        screen.notice(
            "This folder reads arrays (.npy), and no pictures: nobody said how those are prepared, "
            "or what the classes are called. --data SET writes labels and preparation into it."
        )
    screen.say(f"Next: {path}/README.md says how it gets onto the board, and what to type there.")


def checked(found: Written) -> str:
    """Which programs gave the model's answers."""
    names = [f"{name} {v}" for name, v in found.checked_with.items() if v is not None]
    batches = ", ".join(map(str, found.batches[:-1])) + f" and {found.batches[-1]}"
    within = ", as near as rounding allows" if found.int8 else ""
    return f"{', '.join(names)}: the model's answers at batches {batches}{within}"


def accuracies(found: Written) -> str:
    """The share of test images that are named right, here and there."""
    assert found.accuracy_of_model is not None
    parts = [f"{100 * found.accuracy_of_model:.2f} % in TinyTorch"]
    if found.accuracy is not None:
        parts.insert(0, f"{100 * found.accuracy:.2f} % in onnxruntime")
    if found.accuracy_of_float is not None:
        parts.append(f"{100 * found.accuracy_of_float:.2f} % in floats")
    return f"{', '.join(parts)} ({found.images:,} test images of {found.data})"
