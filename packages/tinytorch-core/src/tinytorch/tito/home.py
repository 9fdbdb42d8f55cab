"""`tito` alone: where you are, and the one next command.

Quick, because it is typed often: it imports no NumPy and opens no data. Left out: all details,
which are `tito info`'s.
"""

from __future__ import annotations

from tinytorch._version import __version__
from tinytorch.course.overlay import find as find_workspace
from tinytorch.course.tiers import find_tiers
from tinytorch.datasets.catalogue import MNIST
from tinytorch.datasets.errors import DatasetMissingError
from tinytorch.datasets.folders import find
from tinytorch.tito.screen import Screen


def show() -> None:
    """Say what is here and what to type next."""
    if find_workspace() is not None:
        from tinytorch.course.workspace import Workspace
        from tinytorch.tito.here import show as show_workspace

        show_workspace(Workspace.current())
        return
    screen = Screen()
    screen.line(f"TinyTorch {__version__}", "bold")
    found = find_tiers()
    for tier in found.tiers:
        numbers = [module.number for module in tier.modules]
        span = f"modules {numbers[0]}-{numbers[-1]}, " if numbers else ""
        screen.say(f"{tier.distribution}: {span}{tier.title}")
    for fault in found.faults:
        screen.notice(f"{fault.distribution}: its tier {fault.name!r} is left out. {fault.reason}")
    try:
        here = all(find(MNIST, file) for file in MNIST.files)
    except DatasetMissingError as error:
        screen.notice(str(error))
        screen.line("")
        screen.line("Next: tito doctor", "bold")
        return
    screen.say(
        "MNIST is on this machine."
        if here
        else f"MNIST is not on this machine yet ({MNIST.size / 1e6:.1f} MB to fetch); "
        "without a network, drawn digits take its place."
    )
    screen.line("")
    screen.line("Next: tito init my-tinytorch", "bold")
    screen.say(
        "It makes the folder in which you build your own framework. To see first what it comes to, "
        "a network that learns to read digits: tito milestone run 1986. All commands: tito --help"
    )
