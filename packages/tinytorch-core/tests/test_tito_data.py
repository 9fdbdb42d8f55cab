"""`tito data`: what is listed, fetched, imported and verified, and how it fails."""

import gzip
import json
from pathlib import Path

import pytest
from tito_shell import tito

from tinytorch.datasets import DatasetCorruptError, DownloadError
from tinytorch.tito import main

SHAKESPEARE = "First Citizen: this is not the whole of it."


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as cache, and no data of the user's."""
    monkeypatch.delenv("TINYTORCH_DATA", raising=False)
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_the_list_says_for_each_data_set_where_it_is(alone: Path) -> None:
    done = tito("data", "list", cwd=alone)
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line}
    assert "absent" in rows["mnist"]
    assert "11.6 MB" in rows["mnist"]
    assert "built in" in rows["drawn-digits"]
    assert "Get one: tito data fetch NAME" in done.stdout


def test_the_list_as_json_names_sources_and_licences(alone: Path) -> None:
    listed = json.loads(tito("data", "list", "--json", cwd=alone).stdout)
    assert {entry["name"] for entry in listed} >= {"mnist", "cifar-10", "drawn-digits"}
    assert all(entry["source"] and entry["licence"] for entry in listed)


def test_a_data_set_of_which_a_file_is_missing_is_listed_as_incomplete(alone: Path) -> None:
    folder = alone / "cache" / "mnist"
    folder.mkdir(parents=True)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b""))
    assert "3 of 4 files missing" in tito("data", "list", cwd=alone).stdout


@pytest.mark.parametrize("command", [["fetch"], ["verify"]], ids=" ".join)
def test_an_unknown_name_is_wrong_usage_and_the_known_ones_are_named(
    command: list[str], alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *command, "mnits"]) == 2
    error = capsys.readouterr().err
    assert "no data set is called 'mnits'; there are mnist, fashion-mnist" in error


def test_fetching_says_what_how_much_whence_and_whither_before_it_begins(
    alone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def refuse(*_: object) -> None:
        said.append(capsys.readouterr().out)
        raise DownloadError("no network in a test")

    monkeypatch.setattr("tinytorch.datasets.manage.fetch_file", refuse)
    assert main(["data", "fetch", "tinyshakespeare"]) == 1
    told = " ".join(said[0].split())
    cache = alone / "cache" / "tinyshakespeare"
    assert (
        f"Fetching tinyshakespeare: 1 file, 1.1 MB, from raw.githubusercontent.com to {cache}"
        in told
    )
    assert capsys.readouterr().err == "tito: no network in a test\n"


def test_without_a_network_fetching_fails_and_names_three_ways_out(alone: Path) -> None:
    done = tito("data", "fetch", "tinyshakespeare", cwd=alone)
    assert done.returncode == 1
    assert "could not be downloaded" in done.stderr
    assert "Three ways out" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_unknown_name_among_several_stops_before_any_download(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nothing may be fetched")

    monkeypatch.setattr("tinytorch.datasets.manage.fetch_file", refuse)
    assert main(["data", "fetch", "tinyshakespeare", "mnits"]) == 2


def test_importing_a_wrong_file_fails_and_copies_nothing(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (alone / "input.txt").write_text(SHAKESPEARE, "utf-8")
    assert main(["data", "import", "tinyshakespeare", str(alone / "input.txt")]) == 1
    assert "input.txt" in capsys.readouterr().err
    assert not (alone / "cache" / "tinyshakespeare").exists()


def test_importing_a_good_file_copies_it_into_the_cache(
    alone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = {"tinyshakespeare": lambda file, path: "looks right"}
    monkeypatch.setattr("tinytorch.datasets.manage.CHECKS", checks)
    (alone / "input.txt").write_text(SHAKESPEARE, "utf-8")
    assert main(["data", "import", "tinyshakespeare", str(alone / "input.txt")]) == 0
    copied = alone / "cache" / "tinyshakespeare" / "input.txt"
    assert copied.read_text("utf-8") == SHAKESPEARE
    assert "looks right" in capsys.readouterr().out


def test_importing_what_is_not_there_or_built_in_is_wrong_usage(alone: Path) -> None:
    assert main(["data", "import", "mnist", str(alone / "nowhere")]) == 2
    assert main(["data", "import", "drawn-digits", str(alone)]) == 2


def test_verifying_passes_over_what_is_absent_unless_it_is_named(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "verify"]) == 0
    assert "nothing to verify" in capsys.readouterr().out
    assert main(["data", "verify", "mnist"]) == 1
    assert "problem mnist  train-images-idx3-ubyte.gz" in capsys.readouterr().out


def test_a_damaged_file_fails_the_verification_in_words_and_in_json(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = alone / "cache" / "tinyshakespeare"
    folder.mkdir(parents=True)
    (folder / "tinyshakespeare.txt").write_text(SHAKESPEARE, "utf-8")
    assert main(["data", "verify"]) == 1
    assert "problem tinyshakespeare" in capsys.readouterr().out
    assert main(["data", "verify", "--json"]) == 1
    [report] = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["files"][0]["path"] == str(folder / "tinyshakespeare.txt")


def test_a_corrupt_file_met_by_a_milestone_is_one_sentence_and_no_traceback(
    alone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise DatasetCorruptError("train-images is cut short: fetch it again")

    monkeypatch.setattr("tinytorch.core.milestones.digits.MNIST", damaged)
    monkeypatch.setattr("tinytorch.core.milestones.digits.real_data", lambda *how: "here")
    assert main(["milestone", "run", "1986"]) == 1
    assert capsys.readouterr().err == "tito: train-images is cut short: fetch it again\n"
