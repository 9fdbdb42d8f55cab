"""Runs the checks of one exercise against many versions of its module, each in a forked process.

    python prove_checks.py < {"module": M, "checks": FILE, "versions": {NAME: [SOURCE, EXERCISE]}}

Prints, for each version, the checks of that exercise that fail. Quicker than `run_checks`, which
starts an interpreter and pytest each time: what is proven here is the power of the checks, and
`run_checks` has tests of its own.
"""

import importlib
import importlib.util
import io
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy  # noqa: F401  (imported once, before the forks)

from tinytorch.course import overlay

SECONDS = 10


def failing(module: str, checks: str, source: str, exercise: str) -> list[str]:
    """Import the module as `source`, and return the checks of the exercise that do not pass."""
    with tempfile.TemporaryDirectory() as folder:
        file = module.removeprefix("tinytorch.").replace(".", "/") + ".py"
        path = Path(folder, file)
        path.parent.mkdir()
        path.write_text(source, "utf-8")
        sys.meta_path.insert(0, overlay.Overlay(Path(folder), [file]))
        importlib.import_module(module)
        spec = importlib.util.spec_from_file_location("checks", checks)
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
        names = []
        for name, check in vars(found).items():
            if name.startswith("check_") and check.exercise == exercise:
                try:
                    check()
                except BaseException:
                    names.append(name)
        return names


def in_a_fork(*arguments: str) -> list[str]:
    """Do the same in a child process, so that the next version starts afresh."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(SECONDS)  # an endless loop fails too: it ends the child
            os.close(reader)
            sys.stdout = sys.stderr = io.StringIO()
            answer = failing(*arguments)
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
        except BaseException as error:
            os.write(writer, json.dumps([f"{type(error).__name__}: {error}"]).encode())
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else ["an endless loop, or a crash"]


def main() -> None:
    request = json.load(sys.stdin)
    where = request["module"], request["checks"]
    print(json.dumps({n: in_a_fork(*where, *v) for n, v in request["versions"].items()}))


if __name__ == "__main__":
    main()
