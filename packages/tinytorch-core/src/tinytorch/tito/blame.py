"""An error in the student's own code, shown as theirs: file, line, caret, one sentence.

For commands that run their modules outside of checks, as milestones do. Left out: errors of checks
(`verdict.py`).
"""

from __future__ import annotations

from pathlib import Path

from tinytorch.course.explaining import own_line, sentence_of
from tinytorch.course.results import Place
from tinytorch.tito.verdict import near


def told(error: BaseException) -> str:
    """What happened at which line of the student's, or "" where none of theirs was involved."""
    found = own_line(error)
    if found is None:
        return ""
    place = Place(**found)
    lines = [sentence_of(error), "", f"    your {near(Path(place.file))}, line {place.line}"]
    if place.code:
        lines.append(f"      {place.code}")
    if place.column:
        length = max((place.end_column or 0) - place.column, 1)
        lines.append(" " * (5 + place.column) + "^" * length)
    return "\n".join(lines)
