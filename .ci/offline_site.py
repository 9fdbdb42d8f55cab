"""Check that a built site fetches nothing from elsewhere: `python offline_site.py site/`.

Looks at everything a browser loads on its own: scripts, styles, images, frames, preconnects, and
what styles import. Links that a reader may follow are theirs to follow. Also refuses diagrams and
formulas that the theme would draw by fetching a library when it meets one.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ELSEWHERE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
FETCHED_WHEN_MET = {"mermaid"}  # classes for which the theme's script loads more scripts


class Resources(HTMLParser):
    """Collects what a page makes a browser fetch from another host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        for name in ("src", "srcset", "poster", "data"):
            if ELSEWHERE.match(values.get(name, "")):
                self.found.append(f"<{tag} {name}={values[name]}>")
        if (
            tag == "link"
            and values.get("rel") != "canonical"
            and ELSEWHERE.match(values.get("href", ""))
        ):
            self.found.append(f"<link href={values['href']}>")
        for name in FETCHED_WHEN_MET & set(values.get("class", "").split()):
            self.found.append(f"<{tag} class={name}>, for which the theme loads a script")
        self.found += IN_STYLES.findall(values.get("style", ""))


def fetched(path: Path) -> Iterator[str]:
    text = path.read_text("utf-8")
    if path.suffix == ".css":
        yield from IN_STYLES.findall(text)
    else:
        page = Resources()
        page.feed(text)
        yield from page.found


def main(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    if not pages:
        sys.exit(f"{site} holds no page: was it built?")
    guilty = [
        f"{path.relative_to(site)}: {what}"
        for path in [*pages, *sorted(site.rglob("*.css")), *sorted(site.rglob("*.svg"))]
        for what in fetched(path)
    ]
    if guilty:
        sys.exit("the reader's browser would fetch:\n  " + "\n  ".join(guilty))
    print(f"{len(pages)} pages, and nothing in them is fetched from elsewhere")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
