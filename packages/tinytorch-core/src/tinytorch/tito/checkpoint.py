"""`tito checkpoint`: the course's questions "Can I ...?", and one of them asked.

Left out: the questions (the tiers bring them), and what an answer is about
(`course/capabilities.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinytorch.course import capabilities, progress
from tinytorch.course.capabilities import BORROWING, ELSEWHERE, NOT_YET, OPEN, WAITING, YES, Answer
from tinytorch.course.catalogue import file_of, modules
from tinytorch.course.overlay import find as find_workspace
from tinytorch.course.results import PASSED, ModuleResult
from tinytorch.course.workspace import Workspace
from tinytorch.tito.jsonout import emit
from tinytorch.tito.threads import one_thread

if TYPE_CHECKING:
    from tinytorch.tito.screen import Cell, Screen

STYLES = {
    YES: "good",
    BORROWING: "notice",
    NOT_YET: "bad",
    OPEN: "notice",
    WAITING: "dim",
    ELSEWHERE: "dim",
}


@click.command()
@click.argument("words", nargs=-1, metavar="[list | [run] NUMBER]")
@click.option("--mine", is_flag=True, help="Refuse to borrow: every module must be yours.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def checkpoint(words: tuple[str, ...], mine: bool, as_json: bool) -> None:
    """Show all checkpoints, or run the one with this NUMBER on your framework.

    Modules that you have not built are borrowed from the reference, and it is said how many. Exit
    status 0 only if the answer is yes.
    """
    from tinytorch.tito.screen import Screen

    workspace = Workspace.current() if find_workspace() is not None else None
    known = capabilities.answers(workspace)
    screen = Screen(quiet=as_json)
    number = _number(words, known)
    if number is None:
        if mine:
            raise click.UsageError("--mine goes with a number: tito checkpoint 7 --mine")
        _list(screen, workspace, known, as_json)
        return
    answer = next(a for a in known if a.number == number)
    _refuse(answer, mine)
    _run(screen, workspace, answer, as_json)


def _number(words: tuple[str, ...], known: list[Answer]) -> str | None:
    """The number that was asked for, None where the list was."""
    first, *rest = [*words, ""]
    if first == "run":
        first, *rest = [*words[1:], ""]
        if not first:
            raise click.UsageError("Which checkpoint? tito checkpoint run 7")
    elif first in ("", "list"):
        first = ""
    if rest[:-1]:
        raise click.UsageError(f"One word too many: {rest[0]!r}.")
    number = first.lstrip("0")
    if first and number not in {answer.number for answer in known}:
        raise click.UsageError(
            f"There is no checkpoint {first!r}. They are called {known[0].number} to "
            f"{known[-1].number}: tito checkpoint list"
        )
    return number or None


def _refuse(answer: Answer, mine: bool) -> None:
    """Raise a click error for a checkpoint that is not here, or not all the student's."""
    if answer.checkpoint is None:
        there = f"Checkpoint {answer.number}, {answer.title}, is part of {answer.distribution}"
        if answer.installed:
            raise click.ClickException(f"{there}, and of a later version than is installed.")
        raise click.ClickException(
            f"{there}, which is not installed: python -m pip install {answer.distribution}"
        )
    if mine and answer.borrowed:
        count = len(answer.yours + answer.borrowed)
        raise click.ClickException(
            f"checkpoint {answer.number} needs {_counted(count)}, and "
            f"{', '.join(answer.borrowed)} would be borrowed from the reference. Build them "
            f"(tito start {answer.borrowed[0]}), or run it without --mine"
        )


def _counted(count: int) -> str:
    return "1 module" if count == 1 else f"{count} modules"


# The list
def _list(screen: Screen, workspace: Workspace | None, known: list[Answer], as_json: bool) -> None:
    if as_json:
        emit([answer.as_dict() for answer in known])
        return
    rows: list[tuple[Cell, ...]] = [
        (
            answer.number,
            (_state(answer, workspace), STYLES[answer.state]),
            _share(answer),
            answer.title,
        )
        for answer in known
    ]
    screen.table(("", "answer", "yours", "checkpoint"), rows, right=(0,))
    screen.line()
    if workspace is None:
        screen.say("There is no workspace here: the installed reference would answer.")
    screen.say(line(known))
    following = next_question(known)
    if following is not None:
        screen.line(f"Next: tito checkpoint {following.number}", "bold")
        screen.say(_question(following))
    elif workspace is not None:
        _next(screen, workspace)


def _state(answer: Answer, workspace: Workspace | None) -> str:
    if answer.state == ELSEWHERE:
        which = "not installed" if not answer.installed else "a later version"
        return f"in {answer.distribution}, {which}"
    if answer.state in (WAITING, BORROWING) and workspace is None:
        return OPEN  # nothing can be waited for where nothing can be built
    if answer.state == WAITING:
        return f"borrows {', '.join(answer.waits)}"
    return f"{answer.state} {', '.join(answer.waits)}" if answer.waits else answer.state


def _share(answer: Answer) -> str:
    count = len(answer.yours + answer.borrowed)
    return f"{len(answer.yours)} of {count}" if count else ""


def line(known: list[Answer]) -> str:
    """The checkpoints in one line, for `tito status` too."""
    here = [answer for answer in known if answer.checkpoint is not None]
    yes = [answer.number for answer in here if answer.state == YES]
    no = [answer.number for answer in here if answer.state == NOT_YET]
    listed = f" ({', '.join(yes)})" if yes else ""
    also = f", not yet: {', '.join(no)}" if no else ""
    later = len(known) - len(here)
    come = "comes with a further package" if later == 1 else "come with further packages"
    more = f" {later} more {come}." if later else ""
    return f"Checkpoints: {len(yes)} of {len(here)} answered yes{listed}{also}.{more}"


def next_question(known: list[Answer]) -> Answer | None:
    """The first question that nothing stands in the way of, and that has no answer yet."""
    return next((answer for answer in known if answer.state == OPEN), None)


def _question(answer: Answer) -> str:
    return answer.checkpoint.question if answer.checkpoint else ""


def _next(screen: Screen, workspace: Workspace) -> None:
    command, why = progress.next_step(workspace, progress.standings(workspace))
    screen.line(f"Next: {command}", "bold")
    screen.say(why)


# One of them
def _run(screen: Screen, workspace: Workspace | None, answer: Answer, as_json: bool) -> None:
    from tinytorch.tito.live import passing
    from tinytorch.tito.milestone import say_what_is_unchecked

    chosen = answer.checkpoint
    assert chosen is not None
    one_thread()
    screen.line(f"{answer.number} {answer.title}", "bold")
    screen.say(_whose(workspace, answer))
    say_what_is_unchecked(chosen.uses, quiet=as_json)
    with passing(screen) as show:
        show(f"asking: {chosen.question}")
        result = capabilities.ask(workspace, chosen, lambda s: show(f"checking: {s}"))
    if as_json:
        emit(
            {
                **answer.as_dict(),
                "state": _outcome(answer, result),
                "result": result.as_dict(),
            }
        )
    else:
        _report(screen, workspace, answer, result)
    if not result.passed:
        raise click.exceptions.Exit(1)


def _outcome(answer: Answer, result: ModuleResult) -> str:
    if not result.passed:
        return NOT_YET
    return BORROWING if answer.waits else YES


def _whose(workspace: Workspace | None, answer: Answer) -> str:
    """Whose code is at work, in a sentence."""
    from tinytorch.core.milestones.provenance import sentence

    if workspace is None:
        return "There is no workspace here: the installed reference answers."
    own = {number: number in answer.yours for number in sorted(answer.yours + answer.borrowed)}
    return (
        f"At work: {sentence(own)}."
        if own
        else "At work: what is installed, and every module of yours that has joined."
    )


def _report(
    screen: Screen, workspace: Workspace | None, answer: Answer, result: ModuleResult
) -> None:
    from tinytorch.tito import verdict

    screen.line()
    failed = [check for check in result.checks if check.outcome != PASSED]
    for check in result.checks:
        word, style = verdict.WORDS[check.outcome]
        mark = screen.styled(f"{word:<{verdict.WORD}}", style)
        hang = verdict.WORD + 4
        first, *rest = screen.wrapped(check.sentence, indent=hang).splitlines()
        screen.line(f"  {mark}  {first.strip()}")
        for more in rest:
            screen.line(more)
    if result.error:
        screen.line("A file cannot be imported.", "bad")
        screen.say(result.error, indent=4)
        if result.place is not None:
            screen.line()
            verdict.show_place(screen, result.place)
    elif failed:
        screen.line()
        verdict.explain(screen, failed[0])
    screen.line()
    if result.passed:
        screen.say(f"{_question(answer)} {_yes(workspace, answer)}", "good")
    else:
        screen.say(f"{_question(answer)} Not yet.", "bad")
    screen.line()
    if workspace is not None:
        _what_next(screen, workspace, answer, result)


def _yes(workspace: Workspace | None, answer: Answer) -> str:
    if workspace is None:
        return "The reference can."
    if not answer.yours + answer.borrowed or not answer.borrowed:
        return "Yes."
    if not answer.yours:
        return "The reference can; no module at work is yours."
    borrowed = ", ".join(answer.borrowed)
    if not answer.waits:  # what has no lesson can be nobody's own
        return f"Yes, with {borrowed} borrowed."
    return f"Yes, with {borrowed} borrowed; it counts once you have built {_it(answer.waits)}."


def _it(numbers: tuple[str, ...]) -> str:
    return numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"


def _what_next(screen: Screen, workspace: Workspace, answer: Answer, result: ModuleResult) -> None:
    """After a yes the next question or module, after a no the module that the trouble is in."""
    if result.passed:
        following = next_question(capabilities.answers(workspace))
        if following is None:
            _next(screen, workspace)
        else:
            screen.line(f"Next: tito checkpoint {following.number}", "bold")
            screen.say(_question(following))
        return
    places = [result.place, *(check.place for check in result.checks)]
    files = [Path(place.file) for place in places if place is not None]
    for module in modules():
        if workspace.path(file_of(module.module)) in files:
            screen.line(f"Next: tito test {module.number}", "bold")
            return
    at_work = [s for s in progress.standings(workspace) if s.module.number in answer.yours]
    for s in at_work:
        if s.result is None or s.older or not s.result.passed:
            screen.line(f"Next: tito test {s.module.number}", "bold")
            return
    if not at_work:
        screen.line("Next: tito doctor", "bold")
        screen.say("No module of yours is at work: something is wrong with the installation.")
        return
    first, *others = [s.module.number for s in at_work]
    also = f" So with {', '.join(others)}." if others else ""
    screen.line(f"Next: tito diff {first}", "bold")
    screen.say(
        f"The checks of {first} pass and do not see this fault. Compare the operations named above "
        f"with the reference's.{also}"
    )
