"""The terminal and the process: signals, Ctrl+Z, and a terminal that is gone."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bench.terminal import Terminal
from tests.support import tmux
from tests.support.processes import CHAT, PATIENCE, serving, tail

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal, and Windows has none for it", allow_module_level=True)

import termios

GIVEN_BACK = [b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?7h", b"\x1b[?2004l", b"\x1b[<u"] + [
    b"\x1b[?%dl" % mode for mode in (1000, 1003, 1004, 1006, 1015)
]
"""What ends the alternate screen, a hidden cursor, no wrap, pastes, Kitty's keys, focus and mouse reports."""


@pytest.fixture
def server() -> Iterator[str]:
    with serving("--log", "memory") as (_, address):
        yield address


def screen(server: str, nick: str, *options: str) -> list[str]:
    return [*CHAT, "--backend", "tcp", "--server", server, "--as", nick, *options]


def left(server: str, nick: str) -> bool:
    events = tail("--backend", "tcp", "--server", server, "--as", "reader", "--timeout", "0.5")
    return [event["kind"] for event in events if event["author"] == nick][-1:] == ["left"]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT], ids=lambda number: number.name
)
def test_a_signal_gives_back_terminal_and_seat(server: str, number: signal.Signals) -> None:
    nick = f"by-{number.name.lower()}"
    with Terminal(screen(server, nick), dict(os.environ)) as terminal:
        before = termios.tcgetattr(terminal.fd)
        terminal.shows(b"joined (tcp)")
        assert termios.tcgetattr(terminal.fd) != before
        terminal.process.send_signal(number)
        shown = terminal.rest()
        assert terminal.ends() == 128 + number
        assert [mode for mode in GIVEN_BACK if mode not in shown] == []
        assert termios.tcgetattr(terminal.fd) == before
    assert left(server, nick)


def test_what_nohup_ignores_stays_ignored(server: str) -> None:
    command = f"trap '' HUP; exec {shlex.join(screen(server, 'nora'))}"
    with Terminal(["sh", "-c", command], dict(os.environ)) as terminal:
        terminal.shows(b"joined (tcp)")
        terminal.process.send_signal(signal.SIGHUP)
        terminal.press(b"still here\r")
        terminal.shows(b"still here")
        terminal.press(b"/quit\r")
        assert terminal.ends() == 0


def test_a_terminal_that_is_gone_ends_the_program_and_gives_the_seat_back(server: str) -> None:
    with Terminal(screen(server, "gina"), dict(os.environ)) as terminal:
        terminal.shows(b"joined (tcp)")
        terminal.hang_up()
        assert terminal.process.wait(PATIENCE) > 0
    assert left(server, "gina")


def test_a_sigcont_for_a_terminal_that_is_gone_changes_nothing(server: str) -> None:
    """The kernel sends one with the SIGHUP."""
    with Terminal(screen(server, "gwen"), dict(os.environ)) as terminal:
        terminal.shows(b"joined (tcp)")
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.hang_up()
        terminal.process.send_signal(signal.SIGCONT)
        assert terminal.process.wait(PATIENCE) > 0
    assert left(server, "gwen")


def test_a_stopped_program_goes_on_with_one_reader_and_its_own_modes(server: str) -> None:
    """SIGSTOP can't be handled; what it interrupts must not be set up twice."""
    with Terminal(screen(server, "stan"), dict(os.environ)) as terminal:
        before = termios.tcgetattr(terminal.fd)
        terminal.shows(b"joined (tcp)")
        for _ in range(2):
            terminal.process.send_signal(signal.SIGSTOP)
            terminal.press(b"typed while it is stopped ")
            terminal.process.send_signal(signal.SIGCONT)
            terminal.shows(b"\x1b[?1049h")
        text = "".join(f"word{number} " for number in range(60)).strip()
        for letter in text:
            terminal.press(letter.encode())
        terminal.press(b"\r/quit\r")
        assert terminal.ends() == 0
        assert termios.tcgetattr(terminal.fd) == before
    events = tail("--backend", "tcp", "--server", server, "--as", "reader", "--timeout", "0.5")
    sent = [event["text"] for event in events if event["author"] == "stan" and event["kind"] == "sent"]
    assert sent == ["typed while it is stopped " * 2 + text]


# --- job control -------------------------------------------------------------------------------

needs_tmux = pytest.mark.skipif(bool(tmux.MISSING), reason=tmux.MISSING)
ON = ("alternate_on", "mouse_any_flag")


@needs_tmux
def test_ctrl_z_suspends_and_fg_paints_everything_again(server: str, tmp_path: Path) -> None:
    with tmux.shell(tmp_path) as pane:
        pane.line(shlex.join(screen(server, "zoe")))
        pane.shows("zoe joined (tcp)")
        pane.keys("half a line")
        before = pane.shows("half a line")
        pane.keys("C-z")
        pane.shows("Stopped")
        assert pane.flags(*ON, "cursor_flag", "wrap_flag") == dict.fromkeys(ON, False) | dict.fromkeys(
            ["cursor_flag", "wrap_flag"], True
        )
        pane.line("echo the shell is $((6 * 7))")
        pane.shows("the shell is 42")
        pane.line("fg")
        after = pane.until(
            lambda shown: all(part in shown for part in ("half a line", "zoe joined", "─╯", "#lab"))
        )
        assert [line for line in after.split("\n") if "#lab" not in line] == [
            line for line in before.split("\n") if "#lab" not in line
        ]
        assert pane.flags(*ON) == dict.fromkeys(ON, True)
        pane.keys(" and the rest", "Enter")
        pane.shows("half a line and the rest")
        pane.line("/quit")
        pane.shows("$ ")


@needs_tmux
def test_ctrl_z_stops_the_whole_job(server: str, tmp_path: Path) -> None:
    """As with ``make demo``: make waits for chat, and the shell for make."""
    with tmux.shell(tmp_path) as pane:
        pane.line(f"sh -c {shlex.quote(shlex.join(screen(server, 'job')) + '; echo done')}")
        pane.shows("job joined (tcp)")
        pane.keys("C-z")
        pane.shows("Stopped")
        pane.line("fg")
        pane.shows("job joined (tcp)")
        pane.line("/quit")
        pane.shows("done")


def test_ctrl_z_without_a_shell_says_so(server: str) -> None:
    with Terminal(screen(server, "lone"), dict(os.environ)) as terminal:
        terminal.shows(b"joined (tcp)")
        terminal.press(b"\x1a")
        terminal.shows(b"there is no shell to return to")


def test_gnu_screen_is_asked_for_no_mouse(server: str) -> None:
    """Also after SIGSTOP. What it would do with Escape: see `in_gnu_screen`."""
    with Terminal(screen(server, "sty"), {**os.environ, "STY": "1.pts"}) as terminal:
        terminal.shows(b"joined (tcp)")
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.press(b"/quit\r", keep=True)
        assert b"\x1b[?1000h" not in terminal.rest()
