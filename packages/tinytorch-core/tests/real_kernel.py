"""Runs a notebook in a real IPython kernel, and prints what came of it as JSON.

    python real_kernel.py NOTEBOOK

In a process of its own, because Jupyter's libraries warn of their own affairs, and our tests take
warnings for errors.
"""

import contextlib
import json
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def main(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    folder = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=300, resources=folder)
    with contextlib.suppress(CellExecutionError):
        client.execute()
    found = {"printed": {}, "pictures": [], "stopped": "", "error": ""}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                printed = found["printed"].get(cell.id, "") + output.text
                found["printed"][cell.id] = printed
            elif output.output_type == "error":
                found["stopped"], found["error"] = cell.id, "\n".join(output.traceback)
            elif "image/svg+xml" in output.get("data", {}):
                found["pictures"].append(cell.id)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
