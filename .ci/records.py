"""Shows the records of milestones: tables, curves and confusion matrices, drawn when the site is.

Prints Markdown by year as JSON, for `site_source.py`. `docs/records/YEAR.json` is what a run left
in its folder (`result.json`), curves rounded, and with a `note` where there is something to say.
Left out: what a milestone honours, which `milestones.md` says.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from tinytorch.core.measurement import in_seconds
from tinytorch.core.milestones.result import Gate, thinned
from tinytorch.course.plotting import as_svg
from tinytorch.datasets.cifar import CLASSES

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "records"
POINTS = 50  # at most, of a curve: each is a dot
NAMES = {"confusion, cifar_cnn": CLASSES}  # of the rows of a matrix, where digits do not do


def records() -> dict[str, dict[str, Any]]:
    """Return all records by year."""
    return {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
    }


def section(year: str, record: dict[str, Any]) -> str:
    """Return what is shown of a record, as Markdown."""
    numbers = record["numbers"]
    parts = [facts(year, record), gates(record)]
    if "table" in numbers:
        parts.append(sheet(numbers["table"]))
    parts += [figure(curve) for curve in record["curves"]]
    parts += [confusion(name, rows) for name, rows in numbers.items() if _is_matrix(name)]
    if "text" in numbers:
        parts += ["What it wrote:", f"```text\n{numbers['text']}\n```"]
    return "\n\n".join(parts)


def facts(year: str, record: dict[str, Any]) -> str:
    """Return the command, and what it ran on, with and for how long."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    took = f"{record['seconds']:,.0f} seconds on {record['machine']}. {record.get('note', '')}"
    commit = record["commit"] or "(not known)"
    return (
        f"```sh\n{record['command']}\n```\n\n"
        f"Data: {record['data']['name']}. {took} Commit {commit} was the last one when "
        f"it began; {versions}. [The record](records/{year}.json)."
    )


def sheet(lines: list[dict[str, Any]]) -> str:
    """Return the table of 2018: a row for each form of a model."""
    rows = [
        "| model | form | bytes | quality | p50 | p99 |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for line in lines:
        quality = line["quality"]
        shown = f"{100 * quality:.2f} %" if line["model"] != "GPT" else f"{quality:.4f} nats"
        times = f"{in_seconds(line['p50'])} | {in_seconds(line['p99'])}"
        rows.append(f"| {line['model']} | {line['form']} | {line['size']:,} | {shown} | {times} |")
    return "\n".join(rows)


def gates(record: dict[str, Any]) -> str:
    """Return gates and goals as a table."""
    rows = ["| | measured | wanted | |", "| --- | ---: | ---: | --- |"]
    for gate in judged(record):
        name = f"goal: {gate.what}" if gate.goal else gate.what
        rows.append(f"| {name} | {gate.written(gate.value)} | {gate.wanted} | {gate.verdict} |")
    return "\n".join(rows)


def judged(record: dict[str, Any]) -> list[Gate]:
    """Return gates, then goals."""
    entries = [*record["gates"], *record["goals"]]
    return [Gate(**{k: v for k, v in entry.items() if k != "passed"}) for entry in entries]


def figure(curve: dict[str, Any]) -> str:
    """Return a curve over its steps; it may begin later, as its name then says."""
    start = re.search(r" from step ([\d,]+)$", curve["name"])
    before = int(start[1].replace(",", "")) - 1 if start else 0
    # the first of 50 dots is less than 100 times nearer than the last: the axis stays linear
    values = thinned(curve["values"], POINTS)
    stretch = curve["length"] / len(values)  # what each dot is the mean of
    points = [(before + (i + 0.5) * stretch + 0.5, value) for i, value in enumerate(values)]
    svg = as_svg({curve["name"]: points}, curve["name"], curve["axis"], curve["name"])
    return f"<figure>{svg}</figure>"


def confusion(name: str, rows: list[list[int]]) -> str:
    """Return a confusion matrix: a row for each class there is, a column for each answer."""
    names = NAMES.get(name, [str(i) for i in range(len(rows))])
    left, top, wide, high = 90, 62, 58, 26
    width, height = left + wide * len(rows) + 10, top + high * len(rows) + 10
    title = f"{escape(name)}: the classes in rows, the answers in columns"
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" font-size="12" '
        f'aria-label="{title}" '
        'xmlns="http://www.w3.org/2000/svg" fill="currentColor">'
        f'<text x="{left}" y="16">{title}</text>'
    ]
    for i, (label, row) in enumerate(zip(names, rows, strict=True)):
        y = top + high * i
        parts.append(f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{label}</text>')
        middle = left + wide * i + wide / 2
        parts.append(
            f'<text x="{middle}" y="{top - 8}" text-anchor="middle" font-size="10">{label}</text>'
        )
        for j, count in enumerate(row):
            share = count / sum(row)
            colour = "#3f9e5b" if i == j else "#d9822b"
            # mistakes are few: the root of their share lets them be seen
            opacity = 0.5 * share if i == j else min(0.9, 1.2 * share**0.5)
            x = left + wide * j
            parts.append(
                f'<rect x="{x}" y="{y}" width="{wide - 2}" height="{high - 2}" fill="{colour}" '
                f'fill-opacity="{opacity:.2f}"/>'
                f'<text x="{x + wide / 2 - 1}" y="{y + 16}" text-anchor="middle">{count}</text>'
            )
    return f"<figure>{''.join(parts)}</svg></figure>"


def _is_matrix(name: str) -> bool:
    return name.startswith("confusion, ")


if __name__ == "__main__":
    print(json.dumps({year: section(year, record) for year, record in records().items()}))
