"""In a workspace, an ordinary import gives the student's module: in every process, and only there.

Each test looks from processes of its own, because an import happens once in each.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from made_course import NUMBERS, install, student_environment

from tinytorch.course.overlay import MARKER
from tinytorch.course.workspace import Workspace

MINE = NUMBERS.replace("LIMIT = 100", "LIMIT = 7")
LIMIT = "from tinytorch.made.numbers import LIMIT; print(LIMIT)"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return install(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace whose made/numbers.py has joined, with LIMIT = 7; the reference has 100."""
    workspace = Workspace.create(tmp_path / "my")
    workspace.put("made/numbers.py", MINE)
    workspace.join("made/numbers.py")
    return workspace.root


def python(
    pack: Path, folder: Path, code: str, *flags: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run code in a folder, as somebody who has installed the pack."""
    return subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code)],
        cwd=folder,
        env=student_environment(pack, **variables),
        capture_output=True,
        text=True,
        timeout=120,
    )


def limit(pack: Path, folder: Path, *flags: str, **variables: str) -> str:
    """The LIMIT that a new Python sees in a folder."""
    done = python(pack, folder, LIMIT, *flags, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_joined_module_is_the_students_in_the_workspace_and_below_and_nowhere_else(
    pack: Path, root: Path, tmp_path: Path
) -> None:
    (root / "notes" / "deep").mkdir(parents=True)
    assert limit(pack, root) == "7"
    assert limit(pack, root / "notes" / "deep") == "7"
    assert limit(pack, root / "made") == "7"
    assert limit(pack, tmp_path) == "100"


def test_a_file_that_has_not_joined_takes_no_part_unless_it_is_being_built(
    pack: Path, root: Path
) -> None:
    Workspace(root).leave("made/numbers.py")
    assert limit(pack, root) == "100"
    assert limit(pack, root, TINYTORCH_BUILDING="made/numbers.py") == "7"


def test_modules_of_the_reference_use_the_students(pack: Path, root: Path) -> None:
    Workspace(root).put("made/numbers.py", MINE.replace("helper(x) + x", "'mine'"))
    done = python(pack, root, "from tinytorch.made.sums import double; print(double(1))")
    assert done.stdout == "mine\n"


def test_the_others_can_be_left_out(pack: Path, root: Path) -> None:
    assert limit(pack, root, TINYTORCH_WITH="reference") == "100"


def test_the_workspace_can_be_switched_off_and_named_from_elsewhere(
    pack: Path, root: Path, tmp_path: Path
) -> None:
    for off in ("off", "0", "", "OFF"):
        assert limit(pack, root, TINYTORCH_WORKSPACE=off) == "100"
    assert limit(pack, tmp_path, TINYTORCH_WORKSPACE=str(root)) == "7"


def test_a_python_that_promises_not_to_run_the_current_folder_does_not(
    pack: Path, root: Path
) -> None:
    assert limit(pack, root, "-P") == "100"
    assert limit(pack, root, PYTHONSAFEPATH="1") == "100"
    assert limit(pack, root, "-P", TINYTORCH_WORKSPACE=str(root)) == "7"


def test_the_search_stops_at_a_git_repository(pack: Path, root: Path) -> None:
    (root / "other" / ".git").mkdir(parents=True)
    assert limit(pack, root / "other") == "100"
    (root / ".git").mkdir()
    assert limit(pack, root) == "7"


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_processes_of_multiprocessing_see_the_students_module(
    method: str, pack: Path, root: Path, tmp_path: Path
) -> None:
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    script = root / "work.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing, os
            import tinytorch

            def look(queue):
                from tinytorch.made.numbers import LIMIT
                queue.put(LIMIT)

            if __name__ == "__main__":
                os.chdir({str(tmp_path)!r})
                context = multiprocessing.get_context({method!r})
                queue = context.Queue()
                process = context.Process(target=look, args=(queue,))
                process.start()
                print(queue.get(timeout=60))
                process.join()
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=root,
        env=student_environment(pack),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "7\n", done.stderr


def test_a_subprocess_elsewhere_agrees(pack: Path, root: Path, tmp_path: Path) -> None:
    code = f"""
        import subprocess, sys, tinytorch
        subprocess.run([sys.executable, "-c", {LIMIT!r}], cwd={str(tmp_path)!r}, check=True)
    """
    assert python(pack, root, code).stdout == "7\n"


def test_pytest_in_the_workspace_tests_the_students_module(pack: Path, root: Path) -> None:
    (root / "test_mine.py").write_text(
        "from tinytorch.made.numbers import LIMIT\n\n\ndef test_limit():\n    assert LIMIT == 7\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"],
        cwd=root,
        env=student_environment(pack),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


def test_edits_of_one_size_in_quick_succession_are_all_seen(pack: Path, root: Path) -> None:
    file = root / "made" / "numbers.py"
    for i in range(1, 7):
        file.write_text(MINE.replace("LIMIT = 7", f"LIMIT = {i}"))
        os.utime(file, (1_700_000_000, 1_700_000_000))  # a clock too coarse to tell them apart
        assert limit(pack, root) == f"{i}"


def test_source_line_numbers_reload_and_pickles_work_as_ever(pack: Path, root: Path) -> None:
    code = """
        import importlib, inspect, pickle
        import tinytorch.made.numbers as numbers
        assert inspect.getsource(numbers.double).startswith("def double(x):")
        assert pickle.loads(pickle.dumps(numbers.Counter())).step() == 1
        path = numbers.__file__
        text = open(path).read()
        open(path, "w").write(text.replace("LIMIT = 7", "LIMIT = 8"))
        importlib.reload(numbers)
        print(numbers.LIMIT)
    """
    done = python(pack, root, code)
    assert done.stdout == "8\n", done.stderr


def test_a_syntax_error_names_the_students_file_and_line(pack: Path, root: Path) -> None:
    Workspace(root).put("made/numbers.py", "x = 1\ny = = 2\n")
    done = python(pack, root, LIMIT)
    lines = done.stderr.rstrip().splitlines()
    assert lines[-5] == f'  File "{root / "made" / "numbers.py"}", line 2'
    assert lines[-4] == "    y = = 2"
    assert lines[-2] == "SyntaxError: invalid syntax"
    assert lines[-1].startswith(
        "This file is yours. Mend that line; or set TINYTORCH_WORKSPACE=off"
    )
    assert "importlib" not in done.stderr  # the import system's own frames tell a student nothing
    assert len(lines) <= 10  # Python 3.13 marks the import in the program, too


def test_a_syntax_error_is_one_wherever_source_is_asked_for(pack: Path, root: Path) -> None:
    Workspace(root).put("made/numbers.py", "x = 1\ny = = 2\n")
    code = """
        import importlib
        for _ in range(2):
            try:
                importlib.import_module("tinytorch.made.numbers")
            except SyntaxError as error:
                print(error.lineno, len(error.__notes__))
    """
    assert python(pack, root, code).stdout == "2 1\n2 1\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_an_unsafe_workspace_is_never_left_out_silently(pack: Path, root: Path) -> None:
    root.chmod(0o777)
    done = python(pack, root, LIMIT)
    assert done.stdout == "100\n"
    assert "is not used" in done.stderr
    assert f"tito trust {root}" in done.stderr
    trusted = subprocess.run(
        [sys.executable, "-m", "tinytorch", "trust", str(root)],
        cwd=pack,
        env=student_environment(pack),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert trusted.returncode == 0, trusted.stderr
    assert "every user of this machine" in " ".join(trusted.stdout.split())
    done = python(pack, root, LIMIT)
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_a_marker_that_cannot_be_read_stops_what_computes_and_not_tito(
    pack: Path, root: Path
) -> None:
    (root / MARKER).write_text("joined = [\n")
    done = python(pack, root, "import tinytorch; print('here'); tinytorch.Tensor(1)")
    assert done.stdout == "here\n"
    assert done.stderr.rstrip().splitlines()[-1].endswith("Mend it by hand?")
    for arguments in (["list"], ["test", "21"], ["milestone", "run", "1958"]):
        tito = subprocess.run(
            [sys.executable, "-m", "tinytorch", *arguments],
            cwd=root,
            env=student_environment(pack),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert tito.returncode == 1
        assert "tinytorch.toml cannot be read" in tito.stderr
        assert "Traceback" not in tito.stderr


def test_a_workspace_that_is_named_and_not_there_is_an_error(pack: Path, tmp_path: Path) -> None:
    done = python(
        pack,
        tmp_path,
        "import tinytorch; tinytorch.Tensor(1)",
        TINYTORCH_WORKSPACE=str(tmp_path / "gone"),
    )
    assert "there is no tinytorch.toml in it" in done.stderr
