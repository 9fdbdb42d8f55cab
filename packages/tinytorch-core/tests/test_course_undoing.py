"""Undo and redo: every version of a file that was kept, back to the oldest and forward again."""

from pathlib import Path

import pytest

from tinytorch.course import overlay
from tinytorch.course.overlay import WorkspaceError
from tinytorch.course.undoing import walk
from tinytorch.course.workspace import Workspace

FILE = "core/tensor.py"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv(overlay.WORKSPACE, raising=False)
    return Workspace.create(tmp_path / "my")


def test_undo_walks_back_to_the_oldest_version_and_redo_forward_to_the_newest(
    mine: Workspace,
) -> None:
    for text in ("one", "two", "three\n", "four"):
        mine.put(FILE, text)
    steps = []
    for expected in ("three\n", "two", "one"):
        steps.append(walk(mine, FILE))
        assert mine.path(FILE).read_text() == expected
    assert [(step.number, step.count, step.changed) for step in steps] == [
        (3, 4, 1),
        (2, 4, 1),
        (1, 4, 1),
    ]
    with pytest.raises(WorkspaceError, match=r"no earlier .* All 4 that were kept"):
        walk(mine, FILE)
    for expected in ("two", "three\n", "four"):
        walk(mine, FILE, forward=True)
        assert mine.path(FILE).read_text() == expected
    with pytest.raises(WorkspaceError, match="no later"):
        walk(mine, FILE, forward=True)


def test_an_edit_after_an_undo_is_kept_and_undone_to_what_the_undo_gave(mine: Workspace) -> None:
    for text in ("one", "two", "three"):
        mine.put(FILE, text)
    walk(mine, FILE)
    mine.path(FILE).write_text("by hand")
    walk(mine, FILE)
    assert mine.path(FILE).read_text() == "two"
    walk(mine, FILE)
    assert mine.path(FILE).read_text() == "one"
    assert {v.read_text() for v in mine.versions(FILE)} == {"one", "two", "three", "by hand"}


def test_what_is_replaced_after_an_undo_begins_the_walk_anew(mine: Workspace) -> None:
    for text in ("one", "two", "three"):
        mine.put(FILE, text)
    walk(mine, FILE)
    walk(mine, FILE)
    mine.path(FILE).write_text("by hand")
    mine.put(FILE, "skeleton")
    walk(mine, FILE)
    assert mine.path(FILE).read_text() == "by hand"


def test_undo_passes_over_a_copy_of_what_is_there(mine: Workspace) -> None:
    mine.put(FILE, "one")
    mine.put(FILE, "two")
    mine.keep(FILE)  # as `tito complete` does
    walk(mine, FILE)
    assert mine.path(FILE).read_text() == "one"


def test_undo_brings_a_deleted_file_back_and_says_when_there_is_nothing(mine: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"there is no earlier core/tensor\.py"):
        walk(mine, FILE)
    mine.put(FILE, "one")
    mine.keep(FILE)
    mine.path(FILE).unlink()
    walk(mine, FILE)
    assert mine.path(FILE).read_text() == "one"
