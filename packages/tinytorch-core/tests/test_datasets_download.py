"""Downloading, from a server on this machine: right files are kept, anything else explained."""

import gzip
import hashlib
import http.server
import sys
import threading
from pathlib import Path

import pytest

from tinytorch.datasets import DatasetCorruptError, DatasetMissingError, DownloadError
from tinytorch.datasets.catalogue import DataFile, Entry
from tinytorch.datasets.download import fetch_file, obtain
from tinytorch.datasets.folders import cache_folder
from tinytorch.datasets.progress import PoochBar, TerminalProgress

CONTENT = bytes(range(256)) * 1024 + b"end"  # four whole pieces of a download, and a bit
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def check(file, path):
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != file.sha256:
        raise DatasetCorruptError(f"{path}: SHA-256 is {found}; expected {file.sha256}")
    return "right"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content, announced = CONTENT, len(CONTENT)
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/wrong":
            content = b"x" + CONTENT[1:]
        if self.path == "/cut":
            content = CONTENT[:100_000]
        if self.path == "/page":
            content = b"<html>log in first</html>"
            announced = len(content)
        self.send_response(200)
        if self.path == "/encoded":
            content = gzip.compress(CONTENT)
            announced = len(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.asked = []
    serving.address = f"http://127.0.0.1:{serving.server_port}"
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYTORCH_DATA", raising=False)
    return tmp_path / "cache"


def entry_of(*mirrors):
    file = DataFile("made-up.bin", len(CONTENT), mirrors, sha256=SHA256)
    return Entry("made-up", "", "", "", ("made-up",), (file,))


def fetch(*mirrors, progress=None):
    entry = entry_of(*mirrors)
    return fetch_file(entry, entry.files[0], check, progress)


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_right_file_is_kept_under_its_name_and_not_fetched_again(server, cache):
    entry = entry_of(f"{server.address}/right")
    path = obtain(entry, entry.files[0], check)
    assert path.read_bytes() == CONTENT
    assert obtain(entry, entry.files[0], check) == path
    assert server.asked == ["/right"]
    assert everything_below(cache) == ["made-up", str(Path("made-up", "made-up.bin"))]


def test_progress_rises_to_the_whole_size_and_ends_there(server):
    heard = []
    fetch(f"{server.address}/right", progress=lambda *report: heard.append(report))
    done = [report[1] for report in heard]
    assert len(heard) >= 4
    assert done == sorted(set(done))
    assert heard[-1] == ("made-up.bin", len(CONTENT), len(CONTENT))
    assert {report[0] for report in heard} == {"made-up.bin"}


@pytest.mark.parametrize("bad", ["missing", "wrong", "cut", "page"])
def test_the_next_mirror_serves_where_one_fails(server, bad):
    path = fetch(f"{server.address}/{bad}", f"{server.address}/right")
    assert path.read_bytes() == CONTENT
    assert server.asked == [f"/{bad}", "/right"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("missing", "404"),
        ("wrong", f"SHA-256 is [0-9a-f]*; expected {SHA256}"),
        ("cut", "100000 bytes read|IncompleteRead|SHA-256"),
        ("page", "SHA-256 is"),
    ],
)
def test_a_failure_names_file_address_reason_and_the_three_ways_out(server, cache, bad, reason):
    address = f"{server.address}/{bad}"
    with pytest.raises(DownloadError, match=reason) as caught:
        fetch(address)
    message = str(caught.value)
    for part in (
        "made-up.bin of made-up",
        address,
        "TINYTORCH_DATA",
        "tito data import made-up PATH",
        "DrawnDigits()",
    ):
        assert part in message
    assert ".download-" not in message
    assert everything_below(cache) == ["made-up"]


def test_a_server_that_is_down_is_named_with_every_address(server):
    closed = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    closed.server_close()
    address = f"http://127.0.0.1:{closed.server_port}/right"
    with pytest.raises(DownloadError, match="ConnectionError") as caught:
        fetch(address, f"{server.address}/missing")
    assert address in str(caught.value)
    assert f"{server.address}/missing" in str(caught.value)


def test_a_bad_download_leaves_the_file_that_was_there(server):
    path = fetch(f"{server.address}/right")
    with pytest.raises(DownloadError):
        fetch(f"{server.address}/wrong")
    assert path.read_bytes() == CONTENT


def test_a_right_download_replaces_the_file_that_was_there(server):
    path = fetch(f"{server.address}/right")
    path.write_bytes(b"old")
    assert fetch(f"{server.address}/right").read_bytes() == CONTENT


def test_a_server_that_unpacks_on_the_way_still_gives_a_right_content(server):
    assert fetch(f"{server.address}/encoded").read_bytes() == CONTENT


def test_without_leave_to_download_nothing_is_asked_of_the_network(server):
    entry = entry_of(f"{server.address}/right")
    with pytest.raises(DatasetMissingError, match=r"download=False(?s:.*)TINYTORCH_DATA"):
        obtain(entry, entry.files[0], check, download=False)
    assert server.asked == []


def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match=r"no place to go(?s:.*)TINYTORCH_CACHE"):
        fetch("http://127.0.0.1:9/never-asked")


def test_the_cache_is_where_pooch_keeps_its_own(monkeypatch):
    import pooch

    monkeypatch.delenv("TINYTORCH_CACHE")
    assert cache_folder() == Path(pooch.os_cache("tinytorch"))


def test_a_bar_is_drawn_on_a_terminal_and_one_line_is_written_elsewhere(capsys, monkeypatch):
    show = TerminalProgress()
    for done in (0, 500_000, 1_000_000):
        show("made-up.bin", done, 1_000_000)
    assert capsys.readouterr().err == "downloaded made-up.bin, 1,000,000 bytes\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for done in (0, 500_000, 1_000_000):
        show("made-up.bin", done, 1_000_000)
    drawn = capsys.readouterr().err
    assert f"[{'#' * 15:<30}] 0.5 of 1.0 MB" in drawn
    assert drawn.endswith(f"[{'#' * 30}] 1.0 of 1.0 MB\n")


def test_a_download_of_unknown_length_still_reports_bytes():
    heard = []
    bar = PoochBar("made-up.bin", lambda *report: heard.append(report))
    bar.update(10)
    bar.update(10)
    assert heard == [("made-up.bin", 10, 0), ("made-up.bin", 20, 0)]
