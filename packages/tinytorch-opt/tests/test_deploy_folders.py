"""What writing a bundle must never do: lose a file that somebody else wrote."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra [onnx]")

from bundle_helper import small_bundle

from tinytorch.opt.deploy import folders

FORCED = pytest.mark.parametrize("force", [False, True], ids=["", "forced"])


def all_of(folder: Path) -> dict[str, Any]:
    """Every path below a folder, with what a file holds."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def life_s_work(folder: Path) -> dict[str, Any]:
    for name in (".git", "sub"):
        (folder / name).mkdir(parents=True)
        (folder / name / "HEAD").write_text("here")
    (folder / "thesis.txt").write_text("years")
    return all_of(folder)


@FORCED
def test_a_folder_that_is_no_bundle_is_always_refused(tmp_path: Path, force: bool) -> None:
    before = life_s_work(tmp_path / "mine")
    with pytest.raises(FileExistsError, match="is no bundle, so nothing in it is touched") as told:
        small_bundle(tmp_path / "mine", force=force)
    assert "force" not in str(told.value)
    assert all_of(tmp_path / "mine") == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@FORCED
@pytest.mark.parametrize("here", [".", "sub", "sub/deeper"])
def test_the_folder_one_is_in_is_refused_even_if_it_is_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool, here: str
) -> None:
    folder = small_bundle(tmp_path / "b").folder
    (folder / here).mkdir(parents=True, exist_ok=True)
    before = all_of(tmp_path)
    monkeypatch.chdir(folder / here)
    told = "the folder you are in, or one around it"
    for target in (folder, tmp_path, Path()):
        with pytest.raises(FileExistsError, match=told):
            small_bundle(target, force=force)
    with pytest.raises(FileExistsError, match=told):
        folders.refuse_to_replace(Path(folder.root), force)  # asked only: nothing would be written
    assert all_of(tmp_path) == before


@FORCED
def test_the_home_folder_is_refused_even_if_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    with pytest.raises(FileExistsError, match="your home folder"):
        small_bundle(tmp_path / "home", force=force)
    assert all_of(tmp_path) == {"home": None}


@FORCED
def test_a_file_is_refused(tmp_path: Path, force: bool) -> None:
    (tmp_path / "b").write_text("mine")
    with pytest.raises(FileExistsError, match="is a file"):
        small_bundle(tmp_path / "b", force=force)
    assert all_of(tmp_path) == {"b": b"mine"}


@FORCED
@pytest.mark.parametrize(
    "manifest",
    [
        "[]",
        "no json",
        '{"format": "another", "files": {}}',
        '{"format": "tinytorch-bundle-1", "files": {"../thesis.txt": {"sha256": "0"}}}',
        '{"format": "tinytorch-bundle-1", "files": {"thesis.txt": 3}}',
    ],
)
def test_a_manifest_that_is_none_makes_no_bundle(
    tmp_path: Path, force: bool, manifest: str
) -> None:
    life_s_work(tmp_path / "mine")
    (tmp_path / "mine/MANIFEST.json").write_text(manifest)
    before = all_of(tmp_path)
    with pytest.raises(FileExistsError, match="no bundle"):
        small_bundle(tmp_path / "mine", force=force)
    assert all_of(tmp_path) == before


@FORCED
def test_what_was_added_to_a_bundle_stays_in_place(tmp_path: Path, force: bool) -> None:
    folder = small_bundle(tmp_path / "b", labels=["x", "y", "z"], sample=("s.txt", b"s")).folder
    added = life_s_work(folder / "photos") and all_of(folder / "photos")
    (folder / "notes.txt").write_text("mine")
    made = small_bundle(folder, force=force)
    assert json.loads((folder / "labels.json").read_text()) == ["a", "b", "c"]
    assert all_of(folder / "photos") == added
    assert (folder / "notes.txt").read_text() == "mine"
    assert made.kept == {}
    assert {path.name for path in folder.iterdir()} == {
        *made.manifest["files"], "MANIFEST.json", "photos", "notes.txt",
    }  # fmt: skip  # and s.txt, which was ours, went
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_what_was_changed_is_refused_and_when_forced_kept_beside(tmp_path: Path) -> None:
    folder = small_bundle(tmp_path / "b").folder
    for name in ("infer.py", "README.md"):
        (folder / name).write_text("mine")
    before = all_of(folder)
    with pytest.raises(FileExistsError, match=r"README.md, infer.py changed .* force=True"):
        small_bundle(folder)
    assert all_of(folder) == before
    made = small_bundle(folder, force=True)
    assert made.kept == {"README.md": "README.md.bak", "infer.py": "infer.py.bak"}
    assert (folder / "infer.py.bak").read_text() == "mine"
    assert made.self_test().endswith("self-test passed\n")
    (folder / "infer.py").write_text("mine again")
    assert small_bundle(folder, force=True).kept == {"infer.py": "infer.py.bak2"}
    assert (folder / "infer.py.bak").read_text() == "mine"
    assert (folder / "infer.py.bak2").read_text() == "mine again"


def test_a_file_of_ones_own_that_a_new_bundle_would_have_is_kept_too(tmp_path: Path) -> None:
    folder = small_bundle(tmp_path / "b").folder
    (folder / "s.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"s\.txt changed"):
        small_bundle(folder, sample=("s.txt", b"s"))
    assert (folder / "s.txt").read_text() == "mine"
    assert small_bundle(folder, sample=("s.txt", b"s"), force=True).kept == {"s.txt": "s.txt.bak"}
    assert (folder / "s.txt.bak").read_text() == "mine"


def test_what_was_changed_and_is_not_written_again_is_kept_too(tmp_path: Path) -> None:
    folder = small_bundle(tmp_path / "b", sample=("s.txt", b"s")).folder
    (folder / "s.txt").write_text("mine")
    assert small_bundle(folder, force=True).kept == {"s.txt": "s.txt.bak"}
    assert (folder / "s.txt.bak").read_text() == "mine"


def test_links_and_folders_in_place_of_files_are_the_users(tmp_path: Path) -> None:
    folder = small_bundle(tmp_path / "b").folder
    elsewhere = tmp_path / "labels.json"
    os.rename(folder / "labels.json", elsewhere)
    (folder / "labels.json").symlink_to(elsewhere)
    os.unlink(folder / "paper.py")
    life_s_work(folder / "paper.py")
    before = elsewhere.read_bytes()
    made = small_bundle(folder, labels=["x", "y", "z"], force=True)
    assert made.kept.keys() == {"labels.json", "paper.py"}
    assert elsewhere.read_bytes() == before
    assert (folder / "paper.py.bak/thesis.txt").read_text() == "years"


def test_an_edit_while_the_bundle_is_made_is_seen(tmp_path: Path) -> None:
    folder = small_bundle(tmp_path / "b").folder
    contents = {"labels.json": b"[]"}
    folders.refuse_to_replace(folder, False)
    (folder / "labels.json").write_text("mine")
    with pytest.raises(FileExistsError, match=r"labels\.json changed"):
        folders.write_folder(folder, contents)
    assert (folder / "labels.json").read_text() == "mine"


@pytest.mark.parametrize("at", [0, 1, 2, 9, 20])
def test_a_failure_leaves_the_old_folder_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    folder = small_bundle(tmp_path / "b").folder
    (folder / "infer.py").write_text("mine")
    before = all_of(folder)
    replace, calls = os.replace, iter(range(1000))

    def failing(source: Any, target: Any) -> None:
        if next(calls) == at:
            raise OSError("the disk is full")
        replace(source, target)

    monkeypatch.setattr(folders.os, "replace", failing)
    with pytest.raises(OSError, match="the disk is full"):
        small_bundle(folder, labels=["x", "y", "z"], force=True)
    assert all_of(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_an_empty_folder_is_filled_and_self_tests_leave_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    made = small_bundle(tmp_path / "b")
    before = all_of(made.folder)
    made.self_test()
    assert all_of(made.folder) == before


@pytest.mark.parametrize("edit", [('"name": "Sequential"', '"name": "Mine"'), ("\n}", "\n\n}")])
def test_a_manifest_that_was_edited_is_kept_too(tmp_path: Path, edit: tuple[str, str]) -> None:
    manifest = small_bundle(tmp_path / "b").folder / "MANIFEST.json"
    small_bundle(tmp_path / "b")  # untouched, it is written again
    mine = manifest.read_text().replace(*edit)
    assert mine != manifest.read_text()
    manifest.write_text(mine)
    with pytest.raises(FileExistsError, match=r"MANIFEST\.json changed"):
        small_bundle(tmp_path / "b")
    assert manifest.read_text() == mine
    kept = small_bundle(tmp_path / "b", force=True).kept
    assert kept == {"MANIFEST.json": "MANIFEST.json.bak"}
    assert manifest.with_name("MANIFEST.json.bak").read_text() == mine
