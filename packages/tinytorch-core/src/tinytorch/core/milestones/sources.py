"""Real data for a milestone: what is here, or what is fetched after saying so; else None.

Nothing is fetched without a line that says what, how much, from where and to where. Left out: what
takes its place, which each milestone says in its own file.
"""

from __future__ import annotations

from tinytorch.core.milestones.frame import Stage
from tinytorch.datasets import DownloadError, fetch, locate
from tinytorch.tito.data import announcement


def real_data(stage: Stage, name: str, without: str, instead: str) -> str | None:
    """Return where the data set `name` is, in words, or None if it is not to be used.

    without  the `--data` that does without it
    instead  the sentence that says what takes its place where it cannot be fetched

    Raises DownloadError where the user insists on it and it cannot be had.
    """
    if stage.wanted_data == without:
        return None
    status = locate(name)
    if status.where == "absent":
        stage.screen.line()
        stage.screen.notice(f"{announcement(status)} (--data {without} does without)")
        try:
            with stage.screen.downloads() as progress:
                fetch(name, progress)
        except DownloadError as error:
            if stage.wanted_data == name:
                raise
            stage.screen.notice(
                f"{str(error).splitlines()[0].rstrip(':')}. {instead} "
                f"What went wrong, and the ways out: tito data fetch {name}"
            )
            return None
    return "from TINYTORCH_DATA" if locate(name).where == "local" else "from the cache"
