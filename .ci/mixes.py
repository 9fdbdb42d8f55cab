"""Install wheels beside editables, in both orders, and import all: `python mixes.py packages/`.

One import package made of four distributions works only because core extends its `__path__`; all
wheels would work without, so the mixes are what tests it. Changes the environment it runs in.
"""

import subprocess
import sys
from pathlib import Path

TIERS = ("core", "arch", "opt", "olympics")
IMPORTS = """
import tinytorch.arch, tinytorch.opt, tinytorch.olympics
from tinytorch import Tensor
from tinytorch.core.tensor import Tensor as SameTensor
assert Tensor is SameTensor
"""


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "-q", *arguments], check=True)


def install(packages: Path, tier: str, *, editable: bool) -> None:
    path = str(packages / f"tinytorch-{tier}")
    how = ["--editable", path] if editable else [path]
    pip("install", "--no-deps", "--no-build-isolation", *how)


def main(packages: Path) -> None:
    for first_is_editable in (True, False):
        editable = {tier: first_is_editable == (index % 2 == 0) for index, tier in enumerate(TIERS)}
        for order in (TIERS, TIERS[::-1]):
            pip("uninstall", "--yes", *(f"tinytorch-{tier}" for tier in TIERS))
            for tier in order:
                install(packages, tier, editable=editable[tier])
            subprocess.run([sys.executable, "-c", IMPORTS], check=True)
            told = (f"{tier} {'editable' if editable[tier] else 'wheel'}" for tier in order)
            print("imports:", ", ".join(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
