"""A saved notebook in the hands of a test: read a cell, write in it, save, as Jupyter would."""

import json
import os
from pathlib import Path


class Notebook:
    """`Notebook(path).edit("exercise-add", ("raise", "pass"))` changes a cell and saves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def cells(self) -> list[dict]:
        return json.loads(self.path.read_text("utf-8"))["cells"]

    def source(self, name: str) -> str:
        return "".join(next(cell["source"] for cell in self.cells if cell.get("id") == name))

    def edit(self, name: str, *changes: tuple[str, str]) -> None:
        """Replace text in a cell, which must be there."""
        source = self.source(name)
        for old, new in changes:
            assert old in source, old
            source = source.replace(old, new)
        self.write(**{name: source})

    def write(self, **sources: str) -> None:
        """Put sources into cells by their ids (with _ for -, if need be), and save once."""
        notebook = json.loads(self.path.read_text("utf-8"))
        found = {cell.get("id"): cell for cell in notebook["cells"]}
        for name, source in sources.items():
            found[name]["source"] = source  # a string, as nbformat allows as well as lines
        before = self.path.stat().st_mtime_ns
        self.path.write_text(json.dumps(notebook), "utf-8")
        if self.path.stat().st_mtime_ns <= before:  # saved within one tick of the clock
            os.utime(self.path, ns=(before + 1, before + 1))
