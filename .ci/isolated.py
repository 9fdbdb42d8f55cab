"""Check that a tier's test environment is what it claims: `python isolated.py arch`.

The tier and those below it must come from wheels in site-packages, and the tiers above must not be
there to be found. Without this check a test run could import the source tree and prove nothing.
"""

import importlib.util
import sys
import sysconfig
from pathlib import Path

TIERS = ("core", "arch", "opt", "olympics")


def is_there(name: str) -> bool:
    """Whether a package can be found; TinyTorch's own error for a missing tier says no, too."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def main(tier: str) -> None:
    site_packages = Path(sysconfig.get_path("purelib")).resolve()
    below, above = TIERS[: TIERS.index(tier) + 1], TIERS[TIERS.index(tier) + 1 :]
    for name in below:
        spec = importlib.util.find_spec(f"tinytorch.{name}")
        if spec is None or spec.origin is None:
            sys.exit(f"tinytorch.{name} is not installed, and {tier} stands on it")
        if site_packages not in Path(spec.origin).resolve().parents:
            sys.exit(f"tinytorch.{name} comes from {spec.origin}, not from a wheel")
    for name in above:
        if is_there(f"tinytorch.{name}"):
            sys.exit(f"tinytorch.{name} is installed, and {tier} must do without it")
    print(f"isolated: {', '.join(below)} from wheels; {', '.join(above) or 'nothing'} left out")


if __name__ == "__main__":
    main(sys.argv[1])
