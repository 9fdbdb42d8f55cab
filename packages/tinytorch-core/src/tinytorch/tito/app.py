"""The commands of tito by name: its own, and those that the installed tiers add.

A command's file is imported when the command is used, so `tito` and `tito --help` stay quick. Left
out: the commands themselves, one small file a group.
"""

from __future__ import annotations

import difflib
from importlib import import_module

import click

from tinytorch._version import __version__
from tinytorch.course.tiers import Command, tiers

OWN = (
    Command(
        "init",
        "Make a workspace: the folder you build in.",
        "tinytorch.tito.workspace_commands:init",
    ),
    Command("list", "Modules, milestones and checkpoints.", "tinytorch.tito.listing:list_"),
    Command("status", "Where you stand, checked.", "tinytorch.tito.listing:status"),
    Command("start", "Begin a module: its skeleton.", "tinytorch.tito.building:start"),
    Command("read", "The lesson, here or as a page.", "tinytorch.tito.reading:read"),
    Command("test", "Run the checks of a module.", "tinytorch.tito.testing:test"),
    Command("watch", "Test the exercise at work on every save.", "tinytorch.tito.watching:watch"),
    Command("hint", "The next hint of the exercise at work.", "tinytorch.tito.hints:hint"),
    Command("solution", "The reference's code of an exercise.", "tinytorch.tito.hints:solution"),
    Command("diff", "Your code against the reference's.", "tinytorch.tito.hints:diff"),
    Command(
        "reset", "Back to the skeleton; your version is kept.", "tinytorch.tito.resetting:reset"
    ),
    Command("undo", "Put the version before back.", "tinytorch.tito.resetting:undo"),
    Command("sync", "Cells of a notebook into your file.", "tinytorch.tito.syncing:sync"),
    Command("try", "Python, with your unfinished file.", "tinytorch.tito.trying:try_"),
    Command("complete", "All checks; then it joins.", "tinytorch.tito.building:complete"),
    Command("bug", "Expose the bug in a lesson.", "tinytorch.tito.bug:bug"),
    Command("quiz", "Mark your letters for a lesson's quiz.", "tinytorch.tito.quiz:quiz"),
    Command(
        "trust",
        "Use a workspace that others may write to.",
        "tinytorch.tito.workspace_commands:trust",
    ),
    Command(
        "module",
        "start, test and complete, as the books write it.",
        "tinytorch.tito.building:module",
    ),
    Command(
        "milestone",
        "History, made again with this framework.",
        "tinytorch.tito.milestone:milestone",
    ),
    Command(
        "checkpoint",
        "Sixteen questions, answered by your code.",
        "tinytorch.tito.checkpoint:checkpoint",
    ),
    Command("data", "List, fetch, import and verify data sets.", "tinytorch.tito.data:data"),
    Command("info", "What is installed, and where things are.", "tinytorch.tito.info:info"),
    Command(
        "doctor",
        "Find what is wrong, and the command that mends it.",
        "tinytorch.tito.doctor:doctor",
    ),
)


class Commands(click.Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_commands())

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        known = {command.name: command for command in OWN}
        if name not in known:
            known = _commands()
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(known)}."
            raise click.UsageError(f"No command is called {name!r}. {hint}", context)
        module, _, attribute = known[name].target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(c.name, c.help) for c in _commands().values()])


def _commands() -> dict[str, Command]:
    added = [command for tier in tiers() for command in tier.commands]
    known: dict[str, Command] = {}
    for command in (*OWN, *added):  # nobody takes the name of another's command
        known.setdefault(command.name, command)
    return known


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Add --full to any command to see the whole traceback of an error.",
)
@click.version_option(__version__, prog_name="tinytorch-core", message="%(prog)s %(version)s")
@click.pass_context
def tito(context: click.Context) -> None:
    """TinyTorch: build your own machine learning framework.

    Without a command: where you are, and what to do next.
    """
    if context.invoked_subcommand is None:
        from tinytorch.tito.home import show

        show()
