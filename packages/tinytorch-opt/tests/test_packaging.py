"""What tinytorch-opt promises as a package: its files, its ranges, and what it may import.

Left out: the mixes of wheels and editable installs (`tox -e editable`), and that nothing above is
installed in its own environment (`.ci/isolated.py`).
"""

import ast
import importlib.util
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import tinytorch.opt
from tinytorch.opt.tier import TIER

BELOW = (
    "tinytorch-core",
    "tinytorch-arch",
)
ABOVE = ("tinytorch.olympics",)
EXTRAS = ("numba", "onnx", "matplotlib")  # what a base installation does without
HOME = Path(tinytorch.opt.__file__).parent
SOURCES = sorted(HOME.rglob("*.py"))


def wheel_files() -> set[str]:
    files = {str(file) for file in distribution("tinytorch-opt").files or ()}
    if "tinytorch/opt/__init__.py" not in files:
        pytest.skip("tinytorch-opt is installed editable: there is no wheel to look into")
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
    assert "tinytorch/opt/py.typed" in expected
    assert sorted(expected - installed) == []
    assert any(name.endswith("licenses/LICENSE") for name in installed)
    code = {name for name in installed if ".dist-info/" not in name}
    assert sorted(name for name in code if not name.startswith("tinytorch/opt/")) == []


def test_its_ranges_name_the_tiers_below_with_floor_and_cap() -> None:
    required = distribution("tinytorch-opt").requires or []
    tiers = [line for line in required if line.startswith("tinytorch-")]
    assert sorted(re.split(r"[<>=]", line)[0] for line in tiers) == sorted(BELOW)
    for line in tiers:
        assert re.fullmatch(r"tinytorch-\w+<0\.2,>=0\.1(\.0\.dev0)?", line)


def test_the_version_is_the_one_in_the_metadata() -> None:
    assert distribution("tinytorch-opt").version == tinytorch.opt.__version__


def test_every_module_that_the_tier_announces_is_there() -> None:
    for module in TIER.modules:
        assert importlib.util.find_spec(module.module) is not None, module.module


def test_it_names_no_higher_tier_in_its_imports() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            above = [name for name in names if ".".join(name.split(".")[:2]) in ABOVE]
            assert above == [], path.name


def test_every_module_of_it_imports_without_the_higher_tiers(tmp_path: Path) -> None:
    names = [
        ".".join(["tinytorch", *path.relative_to(HOME.parent).with_suffix("").parts])
        for path in SOURCES
        if "scripts" not in path.parts  # which are copied to where there is no TinyTorch
    ]
    names = [name.removesuffix(".__init__") for name in names]
    program = f"""
import importlib, sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if ".".join(name.split(".")[:2]) in {ABOVE!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
for name in {names}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in {EXTRAS}:
            raise
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=120)
