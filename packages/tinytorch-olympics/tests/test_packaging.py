"""What tinytorch-olympics promises as a package: its files, its ranges, and that it imports.

Left out: the mixes of wheels and editable installs (`tox -e editable`).
"""

import re
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path

import pytest

import tinytorch.olympics

BELOW = (
    "tinytorch-core",
    "tinytorch-arch",
    "tinytorch-opt",
)
HOME = Path(tinytorch.olympics.__file__).parent
SOURCES = sorted(HOME.rglob("*.py"))


def wheel_files() -> set[str]:
    files = {str(file) for file in distribution("tinytorch-olympics").files or ()}
    if "tinytorch/olympics/__init__.py" not in files:
        pytest.skip("tinytorch-olympics is installed editable: there is no wheel to look into")
    return files


def test_the_wheel_leaves_the_package_file_to_core() -> None:
    assert "tinytorch/__init__.py" not in wheel_files()


def test_the_wheel_holds_every_file_of_the_source_and_nothing_beside_its_folder() -> None:
    installed = wheel_files()
    source = Path(__file__).parents[1] / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in source.rglob("[!.]*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "tinytorch/olympics/py.typed" in expected
    assert sorted(expected - installed) == []
    assert any(name.endswith("licenses/LICENSE") for name in installed)
    code = {name for name in installed if ".dist-info/" not in name}
    assert sorted(name for name in code if not name.startswith("tinytorch/olympics/")) == []


def test_its_ranges_name_the_tiers_below_with_floor_and_cap() -> None:
    required = distribution("tinytorch-olympics").requires or []
    tiers = [line for line in required if line.startswith("tinytorch-")]
    assert sorted(re.split(r"[<>=]", line)[0] for line in tiers) == sorted(BELOW)
    for line in tiers:
        assert re.fullmatch(r"tinytorch-\w+<0\.2,>=0\.1(\.0\.dev0)?", line)


def test_the_version_is_the_one_in_the_metadata() -> None:
    assert distribution("tinytorch-olympics").version == tinytorch.olympics.__version__


def test_it_says_that_it_holds_no_module_yet_as_long_as_that_is_so() -> None:
    modules = {path.stem for path in SOURCES} - {"__init__", "_version"}
    admits = f"This version, {tinytorch.olympics.__version__}, holds n" in (
        tinytorch.olympics.__doc__ or ""
    )
    assert admits == (not modules)


def test_every_module_of_it_imports() -> None:
    for path in SOURCES:
        parts = path.relative_to(HOME.parent).with_suffix("").parts
        import_module(".".join(["tinytorch", *parts]).removesuffix(".__init__"))
