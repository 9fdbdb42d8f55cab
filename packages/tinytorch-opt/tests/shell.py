"""A runner of commands that keeps what goes to stderr apart, in every version of click."""

from click.testing import CliRunner


def runner() -> CliRunner:
    """Make one: click 8.2 always keeps the two apart, and knows no option for it."""
    try:
        return CliRunner(mix_stderr=False)
    except TypeError:
        return CliRunner()
