"""A workspace: what makes one, what changes it, and what survives crashes, races and deletion."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from made_course import student_environment

from tinytorch.course import overlay, workspace
from tinytorch.course.marker import with_list
from tinytorch.course.overlay import MARKER, WorkspaceError
from tinytorch.course.undoing import walk
from tinytorch.course.workspace import Workspace

FILE = "core/tensor.py"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv(overlay.WORKSPACE, raising=False)
    return Workspace.create(tmp_path / "my")


def processes(root: Path, code: str, *each: str) -> list[subprocess.Popen[str]]:
    """Start one Python for each argument, all at the same time, in workspace `root`."""
    return [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(root), argument],
            cwd=root,
            env=student_environment(root.parent),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for argument in each
    ]


def test_a_new_workspace_is_a_marker_and_a_gitignore(mine: Workspace) -> None:
    assert sorted(p.name for p in mine.root.iterdir()) == [".gitignore", MARKER]
    assert mine.joined == []
    assert ".tito/" in (mine.root / ".gitignore").read_text().splitlines()


def test_a_gitignore_that_is_there_is_added_to(tmp_path: Path) -> None:
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / ".gitignore").write_text("notes.txt\n*.pyc")
    Workspace.create(tmp_path / "my")
    lines = (tmp_path / "my" / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["notes.txt", "*.pyc"]
    assert lines.count("*.pyc") == 1
    assert ".tito/" in lines


def test_a_workspace_is_neither_called_tinytorch_nor_made_twice_nor_inside_another(
    mine: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(WorkspaceError, match="must not be called tinytorch"):
        Workspace.create(tmp_path / "tinytorch")
    with pytest.raises(WorkspaceError, match="is a workspace already"):
        Workspace.create(mine.root)
    with pytest.raises(WorkspaceError, match="inside of another workspace"):
        Workspace.create(mine.root / "second")


def test_joining_and_leaving_change_one_list_and_nothing_else_in_the_marker(
    mine: Workspace,
) -> None:
    marker = mine.root / MARKER
    marker.write_text(
        "# mine\njoined = [  # a remark\n]\ncolour = 'blue'\n\n[notes]\njoined = ['x']\n"
    )
    mine.join(FILE)
    mine.join("core/layers.py")
    mine.join(FILE)
    mine.reveal("01 add")
    assert mine.joined == ["core/layers.py", FILE]
    text = marker.read_text()
    for kept in ("# mine\n", "colour = 'blue'", "[notes]\njoined = ['x']"):
        assert kept in text
    mine.leave("core/layers.py")
    assert mine.joined == [FILE]
    assert mine.revealed == ["01 add"]


def test_a_marker_that_cannot_be_changed_safely_is_left_alone() -> None:
    with pytest.raises(WorkspaceError, match="by hand"):
        with_list('text = """\njoined = []\n"""\njoined = ["a"]\n', "joined", ["b"])


@pytest.mark.parametrize("text", ["joined = [", "joined = 3", "joined = [1]", "\xff"])
def test_a_marker_that_cannot_be_read_is_named(mine: Workspace, text: str) -> None:
    (mine.root / MARKER).write_bytes(text.encode("latin-1"))
    with pytest.raises(WorkspaceError, match=r"tinytorch\.toml"):
        _ = mine.joined


def test_what_is_replaced_goes_to_the_attic_byte_for_byte(mine: Workspace) -> None:
    contents = [b"one\r\n", b"\xff\xfe no text \x00", b"three"]
    for content in contents:
        mine.put(FILE, content)
    assert mine.path(FILE).read_bytes() == b"three"
    assert [v.read_bytes() for v in mine.versions(FILE)] == contents[:2]


def test_the_same_content_is_kept_once(mine: Workspace) -> None:
    mine.put(FILE, "one")
    assert mine.keep(FILE) == mine.keep(FILE)
    mine.put(FILE, "two")
    assert [v.read_text() for v in mine.versions(FILE)] == ["one"]


def test_a_dozen_versions_within_a_second_stay_in_order(mine: Workspace) -> None:
    for i in range(13):
        mine.put(FILE, f"{i}")
    assert [v.read_text() for v in mine.versions(FILE)] == [f"{i}" for i in range(12)]


def test_a_result_is_remembered_for_the_file_as_it_was_and_these_checks(
    mine: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.put(FILE, "one")
    mine.remember(FILE, {"passed": True}, mine.hash(FILE))
    assert mine.recall(FILE) == {"passed": True}
    mine.put(FILE, "two")
    assert mine.recall(FILE) is None
    walk(mine, FILE)
    assert mine.recall(FILE) == {"passed": True}
    monkeypatch.setattr(workspace, "__version__", "99")
    assert mine.recall(FILE) is None


def test_an_edit_while_the_checks_ran_is_not_credited(mine: Workspace) -> None:
    mine.put(FILE, "one")
    digest = mine.hash(FILE)
    mine.put(FILE, "two")
    mine.remember(FILE, {"passed": True}, digest)
    assert mine.recall(FILE) is None


def test_deleting_what_tito_keeps_loses_nothing_but_the_attic(mine: Workspace) -> None:
    mine.put(FILE, "one")
    mine.put(FILE, "two")
    mine.join(FILE)
    mine.reveal("01 add")
    mine.remember(FILE, {"passed": True}, mine.hash(FILE))
    shutil.rmtree(mine.root / ".tito")
    assert mine.joined == [FILE]
    assert mine.revealed == ["01 add"]
    assert mine.path(FILE).read_text() == "two"
    assert mine.recall(FILE) is None
    assert mine.versions(FILE) == []
    mine.note("at", 1)
    assert mine.noted("at") == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"results": 3}', '{"results": {"core/tensor.py": 1}}']
)
def test_a_damaged_state_is_forgotten(mine: Workspace, text: str) -> None:
    mine.put(FILE, "one")
    mine.note("at", 1)
    (mine.root / ".tito" / "state.json").write_text(text)
    assert mine.recall(FILE) is None
    mine.remember(FILE, {"passed": True}, mine.hash(FILE))
    assert mine.recall(FILE) == {"passed": True}


def test_a_write_that_fails_leaves_the_old_file_and_no_remains(
    mine: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.put(FILE, "one")

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk is full"):
        workspace.write(mine.path(FILE), "two")
    assert mine.path(FILE).read_text() == "one"
    assert [p.name for p in mine.path(FILE).parent.iterdir()] == ["tensor.py"]


def test_two_processes_at_once_lose_no_change_of_each_other(mine: Workspace) -> None:
    code = """
        import sys
        from pathlib import Path
        from tinytorch.course.workspace import Workspace
        mine, name = Workspace(Path(sys.argv[1])), sys.argv[2]
        print("ready", flush=True)
        input()
        for i in range(25):
            mine.join(f"core/{name}{i}.py")
            mine.note(f"{name}{i}", i)
            mine.put("core/both.py", f"{name}{i}")
    """
    both = processes(mine.root, code, "a", "b")
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    assert len(mine.joined) == 50
    assert all(mine.noted(f"{name}{i}") == i for name in "ab" for i in range(25))
    kept = [v.read_text() for v in mine.versions("core/both.py")]
    assert len({*kept, mine.path("core/both.py").read_text()}) == 50


def test_the_lock_of_a_process_that_was_killed_is_free_at_once(mine: Workspace) -> None:
    code = """
        import sys, time
        from pathlib import Path
        from tinytorch.course.workspace import Workspace
        with Workspace(Path(sys.argv[1])).lock():
            print("held", flush=True)
            time.sleep(60)
    """
    [process] = processes(mine.root, code, "")
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(WorkspaceError, match="another tito"), mine.lock(seconds=0.05):
        pass
    process.kill()
    process.communicate()
    with mine.lock(seconds=0.05):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_folder_that_others_can_write_to_is_used_only_once_it_is_trusted(
    mine: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(overlay, "current_folder_counts", lambda: True)  # tox runs with -P
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(mine.root)
    assert Workspace.current().root == mine.root
    mine.root.chmod(0o777)
    with pytest.raises(WorkspaceError, match=r"every user of this machine.*tito trust"):
        Workspace.current()
    workspace.write(overlay.trust_file(), f"{mine.root}\n")
    assert Workspace.current().root == mine.root
    (mine.root / MARKER).chmod(0o666)
    workspace.write(overlay.trust_file(), "")
    mine.root.chmod(0o755)
    with pytest.raises(WorkspaceError, match=r"tinytorch\.toml"):
        Workspace.current()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such owners")
def test_a_folder_of_another_user_is_exposed(
    mine: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert overlay.exposed(mine.root) == ""
    monkeypatch.setattr(os, "getuid", lambda: mine.root.stat().st_uid + 1)
    assert "belongs to another user" in overlay.exposed(mine.root)


def test_where_there_is_no_workspace_the_way_to_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(overlay.WORKSPACE, raising=False)
    monkeypatch.setattr(overlay, "find", lambda start=None: None)
    with pytest.raises(WorkspaceError, match="tito init my-tinytorch"):
        Workspace.current()
    monkeypatch.setenv(overlay.WORKSPACE, "off")
    with pytest.raises(WorkspaceError, match=r"TINYTORCH_WORKSPACE is 'off'.*unset it"):
        Workspace.current()
