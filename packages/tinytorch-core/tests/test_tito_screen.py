"""What reaches a terminal: width, colours, bars, plain characters. And what reaches a pipe."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from tito_shell import environment

from tinytorch.tito.plain import PLAIN
from tinytorch.tito.screen import Screen

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_terminal(folder: Path, columns: int, *arguments: str, **variables: str) -> str:
    """What `tito ARGUMENTS` writes to a real terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "tinytorch", *arguments],
        cwd=folder,
        env=environment(folder, **{"TERM": "xterm-256color", "PYTHONUTF8": "1", **variables}),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    ):
        os.close(slave)
        written = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # Linux: nobody holds the other end any more
                break
            if not piece:
                break
            written += piece
    os.close(master)
    return written.decode().replace("\r\n", "\n")


LISTS = [["milestone", "list"], ["data", "list"], []]


@pytest.mark.parametrize("columns", [40, 80, 100])
@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal(
    arguments: list[str], columns: int, tmp_path: Path
) -> None:
    written = CONTROL.sub("", in_terminal(tmp_path, columns, *arguments))
    assert len(written.splitlines()) > 3
    assert [line for line in written.splitlines() if len(line) > columns] == []


def test_a_whole_milestone_fits_40_columns(tmp_path: Path) -> None:
    written = in_terminal(tmp_path, 40, "milestone", "run", "1969", "--recipe", "quick")
    lines = [CONTROL.sub("", piece) for piece in re.split(r"[\r\n]", written)]
    assert "Milestone 1969 passed" in "\n".join(lines)
    assert [line for line in lines if len(line) > 40] == []


def test_a_terminal_sees_colours_and_a_bar(tmp_path: Path) -> None:
    written = in_terminal(tmp_path, 80, "milestone", "run", "1969", "--recipe", "quick")
    assert "\x1b[32mpassed" in written
    assert "━" in written
    assert "\x1b[2K" in written  # the bar is taken away when it is done


def test_no_color_leaves_no_colour(tmp_path: Path) -> None:
    written = in_terminal(
        tmp_path, 80, "milestone", "run", "1969", "--recipe", "quick", NO_COLOR="1"
    )
    assert "Milestone 1969 passed" in written
    assert re.findall(r"\x1b\[[0-9;]*m", written) == []


def test_a_dumb_terminal_gets_neither_colours_nor_bars(tmp_path: Path) -> None:
    written = in_terminal(
        tmp_path, 80, "milestone", "run", "1958", "--recipe", "quick", TERM="dumb"
    )
    assert "\x1b" not in written


def test_wrong_usage_in_a_narrow_terminal_still_names_the_known_ones(tmp_path: Path) -> None:
    written = in_terminal(tmp_path, 40, "milestone", "run", "1999")
    assert "1958 (1957, perceptron)" in " ".join(written.split())


def test_a_pipe_gets_rows_in_one_line_and_no_control_characters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen = Screen()
    with screen.progress("work", 3) as step:
        step("done")
        screen.table(("name", "what"), [("first", ("x" * 90, "good")), ("second", "y")])
    assert capsys.readouterr().out.splitlines() == [
        "name    what",
        "first   " + "x" * 90,
        "second  y",
    ]


def test_numbers_are_aligned_at_their_ends(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().table(("what", "count"), [("a", "7"), ("b", "1234")], right=(1,))
    assert capsys.readouterr().out.splitlines() == ["what  count", "a         7", "b      1234"]


def test_a_quiet_screen_says_notices_only_and_those_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(quiet=True)
    screen.say("nothing")
    screen.table(("a",), [("b",)])
    screen.notice("a download begins")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "a download begins\n"


def test_paths_are_never_broken(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/a/long/path" * 20
    Screen().say(f"the file {path} is there")
    assert path in capsys.readouterr().out


def test_every_character_has_a_plain_form_and_one_in_columns_keeps_its_width() -> None:
    for character, plain in PLAIN.items():
        assert plain.isascii()
        if character in "─━╸╺│┤└█•·×":
            assert len(plain) == 1


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("98 % ≥ 95 %", "ascii", "98 % >= 95 %"),
        ("│•└─", "cp1252", "|•+-"),
        ("José Łukasz", "ascii", "Jose ?ukasz"),
        ("漢", "cp1252", "?"),
    ],
)
def test_what_an_encoding_lacks_is_written_plainly(text: str, encoding: str, expected: str) -> None:
    assert text.encode(encoding, "tinytorch.plain").decode(encoding) == expected
