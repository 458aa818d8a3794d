"""``--plain`` and ``send`` at a terminal: the line that is being typed, and how far many lines are."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from tests.support import tmux
from tests.support.processes import CHAT, chat, serving

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal, and Windows has none for it", allow_module_level=True)

from lab.bench.terminal import Terminal


@pytest.mark.skipif(bool(tmux.MISSING), reason=tmux.MISSING)
@pytest.mark.parametrize("typed", ["half typed", "0123456789" * 15], ids=["short", "over two rows"])
def test_what_arrives_is_printed_above_what_is_typed(typed: str, tmp_path: Path) -> None:
    with serving("--log", "memory") as (_, address), tmux.shell(tmp_path) as pane:
        pane.line(shlex.join([*CHAT, "--plain", "--server", address, "--as", "ann"]))
        pane.shows("you are ann")
        pane.run("send-keys", "-l", typed)
        pane.until(lambda screen: screen.replace("\n", "").rstrip().endswith(typed[-20:].strip()))
        assert chat("send", "--server", address, "--as", "bob", "an arrival").returncode == 0
        screen = pane.until(lambda screen: "bob left" in screen and screen.rstrip().endswith(typed[-5:]))
        assert "bob (tcp): an arrival\n" in screen
        assert screen.replace("\n", "").count(typed.replace("\n", "")) == 1
        pane.keys(" and sent", "Enter")
        pane.until(lambda screen: "ann (tcp): " in screen)
        shown = pane.screen().replace("\n", "")
        assert f"ann (tcp): {typed} and sent" in shown
        assert shown.count("and sent") == 1  # what was typed is not there a second time
        pane.line("/quit")
        pane.line("echo the shell is $((6 * 7))")
        assert "$ echo the shell" in pane.shows("the shell is 42")  # the terminal echoes as before


@pytest.mark.skipif(bool(tmux.MISSING), reason=tmux.MISSING)
def test_an_own_line_is_there_once_and_a_command_stays(tmp_path: Path) -> None:
    """Also if it fills a row to its last cell, or has wide letters."""
    texts = ["hello", "x" * 80, "漢字" * 25]
    with serving("--log", "memory") as (_, address), tmux.shell(tmp_path) as pane:
        pane.line(shlex.join([*CHAT, "--plain", "--server", address, "--as", "ann"]))
        pane.shows("you are ann")
        for text in texts:
            pane.line(text)
            pane.until(lambda screen, text=text: f"ann (tcp): {text}" in screen.replace("\n", ""))  # type: ignore[misc]  # its default is bound here
        pane.line("/who")
        shown = pane.shows("* ann (tcp)")
        assert [shown.replace("\n", "").count(text) for text in texts] == [1] * len(texts)
        assert "/who\n" in shown
        assert "you are ann" in shown  # not a row too many was erased
        pane.line("/quit")
        pane.until(lambda screen: screen.rstrip().endswith("$"))


def test_many_lines_show_how_far_they_are(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text("".join(f"line {number}\n" for number in range(80)))
    with serving("--log", "memory") as (_, address):
        command = shlex.join([*CHAT, "send", "--server", address, "--as", "ann"])
        shell = ["sh", "-c", f"exec {command} < {shlex.quote(str(lines))}"]
        with Terminal(shell, dict(os.environ)) as terminal:
            terminal.shows(b"lines are in the room, ")
            assert terminal.ends() == 0


def test_one_line_shows_no_progress() -> None:
    with serving("--log", "memory") as (_, address):
        command = [*CHAT, "send", "--server", address, "--as", "ann", "hi", "there"]
        with Terminal(command, dict(os.environ)) as terminal:
            assert terminal.rest() == b""
            assert terminal.ends() == 0
