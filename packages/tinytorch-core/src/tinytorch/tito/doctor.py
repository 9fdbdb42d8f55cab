"""`tito doctor`: what was found, line by line, and for each problem the command that mends it.

Left out: the looking, in `health.py` (this machine) and `installed.py` (what pip installed).
"""

from __future__ import annotations

from dataclasses import asdict

import click

from tinytorch.tito.finding import Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Find what is wrong, and the command that mends it. Exit status 1 if there is a problem."""
    from tinytorch.tito import health, installed
    from tinytorch.tito.jsonout import emit
    from tinytorch.tito.screen import Screen

    findings: list[Finding] = []
    for check in (*health.CHECKS, *installed.CHECKS, *health.PLACES):
        try:
            findings.extend(check())
        except Exception as error:  # a broken installation breaks checks too; the others go on
            told = f"could not look at {check.__name__}: {type(error).__name__}: {error}"
            findings.append(Finding(False, told))
    problems = [finding for finding in findings if not finding.ok]
    if as_json:
        emit([asdict(finding) for finding in findings])
    else:
        screen = Screen()
        for finding in findings:
            word, style = ("ok", "good") if finding.ok else ("problem", "bad")
            first, *rest = screen.wrapped(finding.found, indent=9).splitlines()
            screen.line(screen.styled(f"{word:<9}", style) + first.lstrip())
            for line in rest:
                screen.line(line)
            if finding.repair:
                screen.line(f"{'':9}mend it: {finding.repair}", "bold")
        screen.line()
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        screen.line(count if problems else "All is well.", "bad" if problems else "good")
    if problems:
        raise click.exceptions.Exit(1)
