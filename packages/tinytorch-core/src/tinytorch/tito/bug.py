"""`tito bug`: whether your operands expose the wrong definition in a lesson's *Find the bug*.

Left out: comparing the two definitions (`course/bugs.py`).
"""

from __future__ import annotations

import click

from tinytorch.tito.choosing import choose, with_module


@click.command()
@with_module
def bug(words: tuple[str, ...], module: str | None) -> None:
    """Try your operands on the lesson's wrong definition. Exit status 0 if they expose it."""
    from tinytorch.course import bugs
    from tinytorch.course.marking import note_exposed
    from tinytorch.course.workspace import write
    from tinytorch.tito import verdict
    from tinytorch.tito.screen import Screen

    target = choose(words, module, started=False, most=1)
    wrong = bugs.bug_of(target.about)
    if wrong is None:
        raise click.ClickException(f"lesson {target.number} has no bug to find")
    screen = Screen()
    file = target.workspace.path(bugs.answer_file(target.number))
    name = bugs.name_of(wrong)
    if not file.exists():
        write(file, bugs.template(target.about, wrong))
        screen.say(f"Made {verdict.near(file)}", "good")
        screen.say(f"Write operands in it for which the lesson's {name} is wrong.")
        screen.line(f"Next: tito bug {target.number}", "bold")
        raise click.exceptions.Exit(1)
    found = bugs.judge(target.about, wrong, target.workspace.root)
    said, style = {
        bugs.EXPOSED: (f"Exposed: on these operands the lesson's {name} is wrong.", "good"),
        bugs.SAME: ("Both definitions give the same answer for these operands.", "bad"),
        bugs.REFUSED: (f"The right {name} does not take these operands either.", "bad"),
        bugs.UNREADY: (f"{verdict.near(file)} gives no operands yet.", "bad"),
    }[found.outcome]
    screen.say(said, style)
    screen.line()
    for line in found.message.splitlines():
        screen.line(screen.wrapped(line, indent=4, hang=2))
    if found.place is not None:
        screen.line()
        verdict.show_place(screen, found.place)
    if found.outcome == bugs.EXPOSED:
        note_exposed(target.workspace, target.number)
    else:
        screen.line()
        screen.line(f"Next: tito bug {target.number}", "bold")
        raise click.exceptions.Exit(1)
