"""A kernel in a few lines: what the course's commands need of IPython, so that every Python has it.

    python small_kernel.py NOTEBOOK

runs the code cells from the top until one fails, and prints JSON: what each printed, and the error
of the last one. Left out: everything that IPython adds; real kernels run in another file of tests.
"""

import contextlib
import importlib
import io
import json
import sys
from pathlib import Path


class Shell:
    def __init__(self) -> None:
        self.magics = {}
        self.user_ns = {"__name__": "__main__"}

    def register_magic_function(self, function, kind, name) -> None:
        self.magics[kind, name] = function

    def set_custom_exc(self, kinds, handler) -> None:
        pass

    def run(self, source: str) -> None:
        first, _, rest = source.partition("\n")
        if first.startswith("%%"):
            name, _, line = first[2:].partition(" ")
            self.magics["cell", name](line, rest)
            return
        code = []
        for line in source.splitlines():
            if line.startswith("%load_ext "):
                importlib.import_module(line.split()[1]).load_ipython_extension(self)
            elif line.startswith("%"):
                name, _, words = line[1:].partition(" ")
                self.magics["line", name](words)
            else:
                code.append(line)
        exec("\n".join(code), self.user_ns)


def main(path: Path) -> None:
    shell = Shell()
    found = {"printed": {}, "stopped": "", "error": "", "names": []}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                shell.run("".join(cell["source"]))
        except Exception as error:
            shown = getattr(error, "_render_traceback_", None)
            found["stopped"] = cell["id"]
            found["error"] = "\n".join(shown()) if shown else f"{type(error).__name__}: {error}"
            break
        finally:
            found["printed"][cell["id"]] = printed.getvalue()
    found["names"] = sorted(shell.user_ns)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
