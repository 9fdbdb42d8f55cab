"""Show the aligned columns of our docstrings as lists on the site (an extension of mkdocstrings).

In the source a docstring explains arguments in two columns, which Markdown would run together:

    repeats   timed runs, at least
    min_time  seconds that all timed runs take together, at least;
              so short calls have many runs

Paragraphs of that form, and only those, become definition lists here.
"""

import re

import griffe

ENTRY = re.compile(r"(?P<name>\S+(?:,? \S+)*) {2,}(?P<text>\S.*)")
CONTINUED = re.compile(r" {4,}(?P<text>\S.*)")


class AlignedDocstrings(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring is not None:
            obj.docstring.value = with_lists(obj.docstring.value)


def with_lists(docstring: str) -> str:
    return "\n\n".join(as_list(paragraph) or paragraph for paragraph in docstring.split("\n\n"))


def as_list(paragraph: str) -> str | None:
    """The paragraph as a definition list, or None where it is not two aligned columns."""
    items: list[list[str]] = []
    for line in paragraph.splitlines():
        if entry := ENTRY.fullmatch(line):
            name = entry["name"]
            items.append([name if "`" in name else f"`{name}`", f":   {entry['text']}"])
        elif items and (continued := CONTINUED.fullmatch(line)):
            items[-1].append(f"    {continued['text']}")
        else:
            return None
    return "\n\n".join("\n".join(item) for item in items)
