"""`tito run`: ask an exported file about pictures.

Left out: how a file is read and asked (`asking_files.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinytorch.tito.jsonout import emit
from tinytorch.tito.threads import one_thread

if TYPE_CHECKING:
    from tinytorch.opt.asking_files import AskedFile, Guess, Input
    from tinytorch.tito.screen import Screen

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=FILE, metavar="MODEL.onnx")
@click.argument("pictures", type=FILE, metavar="PICTURE...", nargs=-1, required=True)
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(1), help="How many classes to name."
)
@click.option("--fit", is_flag=True, help="Cut the middle out and bring it to the model's size.")
@click.option(
    "--invert/--no-invert",
    default=None,
    help="Exchange light and dark. Default: where the margin is light, and should be dark.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def run(
    model: Path,
    pictures: tuple[Path, ...],
    top: int,
    fit: bool,
    invert: bool | None,
    as_json: bool,
) -> None:
    """Ask MODEL.onnx, a file of `tito export`, what it sees in each PICTURE.

    Where MODEL reads digits, one is looked for in a larger picture: dark ink on paper.

    A picture is PGM or PPM, with Pillow also PNG or JPEG; .npy holds a picture (uint8), or what is
    prepared already (float32), one or a batch.

    Where MODEL says how sure an answer must be, what is less sure is none, and the exit code is 1.
    """
    one_thread()
    from tinytorch.opt.asking_files import AskedFile, AskingError
    from tinytorch.tito.screen import Screen

    screen = Screen(quiet=as_json)
    try:
        file = AskedFile(model)
    except AskingError as error:
        raise click.ClickException(str(error)) from None
    found: list[dict[str, Any]] = []
    failed = unsure = 0
    for picture in pictures:
        try:
            read = file.read(picture, invert=invert, fit=fit)
            answers = file.ask(read.x, top)
        except AskingError as error:  # the others may be better
            failed += 1
            found.append({"file": str(picture), "error": str(error)})
            click.echo(f"Error: {error}", err=True)
            continue
        for place, guesses in enumerate(answers):
            name = f"{picture}[{place}]" if len(answers) > 1 else str(picture)
            why = file.doubt(guesses[0])
            unsure += why is not None
            found.append(record(name, guesses, read, why))
            show(screen, name, guesses, why)
        if read.on_paper:
            screen.say(
                f"{picture}: a digit was looked for on paper; --fit takes the whole picture."
            )
        if read.inverted and invert is None:
            screen.notice(
                f"{picture}: its margin is light, and the model learned from light on dark, so "
                "light and dark were exchanged; --no-invert leaves it."
            )
    if as_json:
        emit({"model": str(model), "answers": found, **facts(file)})
    if failed or unsure:
        raise SystemExit(1)


def record(name: str, guesses: list[Guess], read: Input, why: str | None) -> dict[str, Any]:
    """One answer as JSON has it; why: there is none."""
    return {
        "file": name,
        "answer": guesses[0].label if why is None else None,
        "why": why,
        "inverted": read.inverted,
        "on_paper": read.on_paper,
        "top": [
            {"label": g.label, "index": g.index, "probability": g.probability} for g in guesses
        ],
    }


def facts(file: AskedFile) -> dict[str, Any]:
    """What the file says of itself."""
    return {"input": list(file.shape), "labels": file.labels}


def show(screen: Screen, name: str, guesses: list[Guess], why: str | None) -> None:
    """Write one line: the file, and its classes, the likeliest first; or why none is an answer."""
    listed = ", ".join(f"{g.label} {100 * g.probability:.1f} %" for g in guesses)
    screen.line(f"{name}: {listed}" if why is None else f"{name}: no answer: {why} ({listed})")
