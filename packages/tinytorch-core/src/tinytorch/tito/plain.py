"""Characters that an output cannot encode become plain ones instead of an error.

A terminal, a log or a pipe may speak ASCII or Windows' cp1252. Every text of tito may then still be
printed: a bar becomes `#`, a dash `-`, a letter with an accent loses it. Left out: colours and
widths (`screen.py`).
"""

from __future__ import annotations

import codecs
import unicodedata
from typing import Any

# of the same width wherever columns are aligned by it
PLAIN = {
    "─": "-", "━": "-", "╸": "-", "╺": "-", "│": "|", "┤": "+", "└": "+",
    "█": "#", "•": "*", "·": "-", "×": "x",
    "→": "->", "…": "...", "≥": ">=", "≤": "<=", "–": "-", "—": "-",
    "‘": "'", "’": "'", "“": '"', "”": '"',
}  # fmt: skip


def make_encodable(*streams: Any) -> None:
    """Let each text stream write any character, plainly where its encoding lacks it."""
    for stream in streams:
        name = (getattr(stream, "encoding", None) or "").lower().replace("-", "").replace("_", "")
        if not name.startswith("utf") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="tinytorch.plain")


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_simplify(character) for character in text), error.end


def _simplify(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return letters or "?"


codecs.register_error("tinytorch.plain", _replace)
