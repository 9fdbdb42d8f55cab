"""What tinytorch-core promises as a package: its files, its front doors, and that it stands alone.

Left out: the mixes of wheels and editable installs (`tox -e editable`), and that nothing above core
is installed in core's own environment (`.ci/isolated.py`).
"""

import ast
import builtins
import subprocess
import sys
import sysconfig
from importlib import import_module
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest

import tinytorch
from tinytorch._lazy import LESSONS

HIGHER_TIERS = ("tinytorch.arch", "tinytorch.opt", "tinytorch.olympics")
HOME = Path(tinytorch.__file__).parent
DOORS = tuple(
    f"tinytorch{door}"
    for door in ("", ".nn", ".nn.functional", ".optim", ".data", ".datasets", ".kernels")
)

# put before a program: whoever touches a higher tier finds that it is not installed
HIDE_HIGHER_TIERS = f"""
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if ".".join(name.split(".")[:2]) in {HIGHER_TIERS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
"""


def python(program: str, folder: Path) -> str:
    """Run `program` in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def own_sources() -> list[Path]:
    """Core's Python files, wherever other tiers may be installed beside them."""
    above = {HOME / tier.rpartition(".")[2] for tier in HIGHER_TIERS}
    return [path for path in sorted(HOME.rglob("*.py")) if not above & set(path.parents)]


def imports(tree: ast.AST) -> list[str]:
    """Full names of what a file imports when it runs (not under TYPE_CHECKING)."""
    names: list[str] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        names += imports(node)
    return names


def seen_by_type_checkers(door: str) -> dict[str, str]:
    """name -> module, from the `if TYPE_CHECKING` block of a front door."""
    tree = ast.parse(Path(import_module(door).__file__ or "").read_text("utf-8"))
    blocks = [n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    return {
        name: node.module or ""
        for node in blocks[0].body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        for name in ([alias.name] if alias.name != "*" else import_module(node.module).__all__)
    }


def offered_by_table(door: str) -> dict[str, str]:
    """name -> module, from the call of `lazy_exports` in a front door."""
    tree = ast.parse(Path(import_module(door).__file__ or "").read_text("utf-8"))
    [call] = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_exports"
    ]
    expression = ast.unparse(call.args[1])
    table = eval(expression, vars(import_module(door)))
    whole = [ast.literal_eval(word.value) for word in call.keywords if word.arg == "modules"]
    offered = {name: module for module, names in table.items() for name in names}
    return offered | {
        module.rpartition(".")[2]: module.rpartition(".")[0] for module in sum(whole, ())
    }


ALL_NAMES = [
    (door, name, module) for door in DOORS for name, module in offered_by_table(door).items()
]


def test_importing_tinytorch_imports_the_overlay_and_no_module_of_the_framework(
    tmp_path: Path,
) -> None:
    loaded = python("import sys, tinytorch; print(*sys.modules)", tmp_path).split()
    assert {name for name in loaded if name.startswith(("tinytorch", "numpy"))} == {
        "tinytorch",
        "tinytorch._lazy",
        "tinytorch._version",
        "tinytorch.course",
        "tinytorch.course.overlay",  # a student's modules stand in from the first import on
    }


def test_a_tensor_file_that_does_not_parse_leaves_tinytorch_importable(tmp_path: Path) -> None:
    program = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "tinytorch.core.tensor":
            raise SyntaxError("in the student's file")
sys.meta_path.insert(0, Broken())
import tinytorch
print(tinytorch.__version__)
try:
    tinytorch.Tensor
except SyntaxError as error:
    print(error)
"""
    assert python(program, tmp_path).splitlines() == [
        tinytorch.__version__,
        "in the student's file",
    ]


@pytest.mark.parametrize(
    ("door", "name", "module"), [row for row in ALL_NAMES if row[2] not in LESSONS]
)
def test_every_name_of_core_resolves_to_its_definition(door: str, name: str, module: str) -> None:
    value = getattr(import_module(door), name)
    if module != door:
        assert value is getattr(import_module(module), name)
    hidden = name in vars(builtins)  # `import *` shall not replace sum() and max()
    assert (name in import_module(door).__all__) is not hidden
    assert name in dir(import_module(door))


@pytest.mark.parametrize("door", DOORS)
def test_type_checkers_see_the_names_that_the_table_offers(door: str) -> None:
    assert seen_by_type_checkers(door) == offered_by_table(door)


@pytest.mark.parametrize(
    ("door", "name", "module"), [row for row in ALL_NAMES if row[2] in LESSONS]
)
def test_a_name_of_an_absent_tier_says_what_to_install(
    door: str, name: str, module: str, tmp_path: Path
) -> None:
    program = f"""
try:
    from {door} import {name}
except ImportError as error:
    print(error)
import {door} as door
print({name!r} in dir(door), {name!r} in door.__all__)
"""
    distribution_name = "-".join(module.split(".")[:2])
    assert python(HIDE_HIGHER_TIERS + program, tmp_path).splitlines() == [
        f"{name} is module {LESSONS[module]}, in {distribution_name}, which is not installed: "
        f"install {distribution_name} from where tinytorch-core came from (see its README)",
        "False False",
    ]


def test_a_name_that_the_installed_tier_lacks_asks_for_an_upgrade(tmp_path: Path) -> None:
    (tmp_path / "arch").mkdir()
    (tmp_path / "arch" / "__init__.py").touch()
    program = f"""
import tinytorch.nn
tinytorch.__path__[:] = [{str(tmp_path)!r}]
try:
    tinytorch.nn.Conv2d
except ImportError as error:
    print(error)
"""
    assert python(program, tmp_path) == (
        "Conv2d is module 09, in tinytorch-arch, but the version installed does not have it: "
        "install a newer tinytorch-arch from where tinytorch-core came from (see its README)"
    )


def test_an_empty_folder_left_behind_is_no_installed_tier(tmp_path: Path) -> None:
    (tmp_path / "arch").mkdir()
    program = f"""
import tinytorch.nn
tinytorch.__path__[:] = [{str(tmp_path)!r}]
try:
    tinytorch.nn.Conv2d
except ImportError as error:
    print(error)
"""
    assert "which is not installed" in python(program, tmp_path)


def test_a_fault_inside_a_tier_is_shown_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "arch").mkdir()
    (tmp_path / "arch" / "__init__.py").touch()
    (tmp_path / "arch" / "convolutions.py").write_text("import surely_not_there\n", "utf-8")
    program = f"""
import tinytorch.nn
tinytorch.__path__[:] = [{str(tmp_path)!r}]
try:
    tinytorch.nn.Conv2d
except ImportError as error:
    print(error)
"""
    assert python(program, tmp_path) == "No module named 'surely_not_there'"


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'tinytorch.nn' has no attribute 'Liner'"):
        import_module("tinytorch.nn").Liner  # noqa: B018


def test_core_names_no_higher_tier_in_its_imports() -> None:
    guilty = [
        (path.name, name)
        for path in own_sources()
        for name in imports(ast.parse(path.read_text("utf-8")))
        if ".".join(name.split(".")[:2]) in HIGHER_TIERS
    ]
    assert guilty == []


def test_every_module_of_core_imports_without_the_higher_tiers(tmp_path: Path) -> None:
    names = [
        ".".join(["tinytorch", *path.relative_to(HOME).with_suffix("").parts])
        for path in own_sources()
        if path.name != "__main__.py"
    ]
    names = [name.removesuffix(".__init__") for name in names]
    program = (
        f"import importlib\nfor name in {names}:\n    importlib.import_module(name)\nprint('all')"
    )
    assert python(HIDE_HIGHER_TIERS + program, tmp_path) == "all"


def test_the_wheel_holds_every_file_of_the_source() -> None:
    installed = {str(file) for file in distribution("tinytorch-core").files or ()}
    if "tinytorch/__init__.py" not in installed:
        pytest.skip("tinytorch-core is installed editable: there is no wheel to look into")
    source = Path(__file__).parents[1] / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in source.rglob("[!.]*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"tinytorch/py.typed", "tinytorch/core/primitive.py"} <= expected
    assert sorted(expected - installed) == []
    assert any(name.endswith("licenses/LICENSE") for name in installed)


def test_the_version_is_the_one_in_the_metadata() -> None:
    assert distribution("tinytorch-core").version == tinytorch.__version__


def test_python_3_11_is_the_floor_and_there_is_no_cap() -> None:
    assert distribution("tinytorch-core").metadata["Requires-Python"] == ">=3.11"


def test_core_announces_itself_as_a_tier() -> None:
    [point] = entry_points(group="tinytorch.tiers", name="core")
    assert point.value == "tinytorch.core.tier:TIER"
    assert point.load().name == "core"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["no-such-command"]], ids=" ".join
)
def test_python_m_tinytorch_equals_tito(arguments: list[str], tmp_path: Path) -> None:
    tito = Path(sysconfig.get_path("scripts")) / "tito"
    ways = [[str(tito)], [sys.executable, "-m", "tinytorch"]]
    by_command, by_module = (
        subprocess.run(way + arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        for way in ways
    )
    assert by_command.stdout + by_command.stderr != ""
    assert by_module.stdout == by_command.stdout
    assert by_module.stderr == by_command.stderr
    assert by_module.returncode == by_command.returncode
