"""A figure of a lesson, an SVG file, as part of a page that holds several.

Inline, its text and lines take the page's colours in either theme. Left out: plots of measured
points (`plotting.py`).
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

FIGURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")


def inline(path: Path, description: str, number: int) -> str | None:
    """Return a figure as HTML on one line, its ids made its own by `number`; None without it."""
    if path.suffix != ".svg" or not path.is_file():
        return None
    svg = re.sub(r"^<\?xml.*?\?>\s*", "", path.read_text("utf-8"))
    for name in set(re.findall(r'\bid="([^"]+)"', svg)):
        own = f"figure-{number}-{name}"
        svg = svg.replace(f'id="{name}"', f'id="{own}"').replace(f"#{name})", f"#{own})")
        svg = svg.replace(f'href="#{name}"', f'href="#{own}"')
    box = re.search(r'<svg[^>]*viewBox="\S+ \S+ (\S+) \S+"', svg)
    if box and not re.search(r"<svg[^>]*\bwidth=", svg):  # some page layouts would give it none
        svg = svg.replace("<svg", f'<svg width="{box[1]}"', 1)
    one_line = " ".join(svg.split())
    return f'<figure role="img" aria-label="{escape(description)}">{one_line}</figure>'
