"""`tito reset` and `tito undo`: back to the skeleton, and back again. Nothing is ever lost.

Left out: the attic in which every replaced file lies (`course/workspace.py`).
"""

from __future__ import annotations

import click

from tinytorch.tito.choosing import choose, with_module


@click.command()
@with_module
def reset(words: tuple[str, ...], module: str | None) -> None:
    """Put the skeleton of a module, or of one exercise, back. Your version is kept."""
    from tinytorch.course.skeleton import restored, skeleton
    from tinytorch.tito.screen import Screen
    from tinytorch.tito.verdict import near

    target = choose(words, module)
    workspace, exercise = target.workspace, target.exercise
    if exercise is None:
        text = skeleton(target.about)
    else:
        try:
            text = restored(target.about, exercise, target.text())
        except SyntaxError as error:
            raise click.ClickException(
                f"{target.file} has a syntax error in line {error.lineno}, so {exercise.id} cannot "
                f"be found in it. Mend that line, or reset all of it: tito reset {target.number}"
            ) from None
    screen = Screen()
    what = f"{exercise.id} in {target.file}" if exercise else target.file
    if text.encode() == workspace.path(target.file).read_bytes():
        screen.say(f"{what} is as the skeleton has it: nothing to do.")
        return
    kept = workspace.put(target.file, text)
    screen.say(f"{what} is as the skeleton has it.", "good")
    if kept is not None:
        screen.say(f"Your version is kept: {near(kept)}")
    if target.joined:
        workspace.leave(target.file)
        screen.say(
            f"It takes no part in your framework until tito complete {target.number}; the "
            "installed reference serves meanwhile.",
            "notice",
        )
    target.note(exercise.id if exercise else None)
    screen.line()
    screen.line(f"To take this back: tito undo {target.number}", "bold")


@click.command()
@with_module
@click.option("--redo", is_flag=True, help="Forward again: take an undo back.")
@click.option("--notebook", is_flag=True, help="Of the lesson's notebook, in place of the file.")
def undo(words: tuple[str, ...], module: str | None, redo: bool, notebook: bool) -> None:
    """Put the version before back; again for the one before that. Nothing is lost."""
    from tinytorch.course.notebook_made import notebook_file
    from tinytorch.course.undoing import walk
    from tinytorch.tito.screen import Screen
    from tinytorch.tito.verdict import counted, near

    target = choose(words, module, started=False, most=1)
    file = notebook_file(target.about) if notebook else target.file
    step = walk(target.workspace, file, forward=redo)
    screen = Screen()
    screen.say(
        f"{file} is as it was when it was kept on {step.kept_on}: version {step.number} of "
        f"{step.count}.",
        "good",
    )
    if step.changed is not None:
        screen.say(f"{counted(step.changed, 'line')} changed by that.")
    screen.say(f"All versions, what it held until now too: {near(step.version.parent)}")
    if notebook:
        screen.say("Close it in Jupyter and open it again.")
    screen.line()
    again = " --notebook" if notebook else ""
    back = "" if redo else " --redo"
    screen.line(f"To take this back: tito undo {target.number}{again}{back}", "bold")
    if notebook:
        return
    result = target.standing().result
    if not target.joined:
        screen.say(
            f"{file} takes no part in your framework until tito complete {target.number}.", "notice"
        )
    sound = result is not None and result.passed and not target.joined
    screen.line(f"Next: tito {'complete' if sound else 'test'} {target.number}", "bold")
