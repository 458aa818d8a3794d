"""Leaving the screen: what was not sent is not lost without a word."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.bench.terminal import Terminal
from tests.support.ports import own_port
from tests.support.processes import CHAT, PATIENCE

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="needs a pseudo-terminal, and Windows has none for it"
)


def test_who_leaves_with_unsent_lines_is_told_and_the_exit_code_is_1() -> None:
    nobody = f"127.0.0.1:{own_port()}"
    command = [*CHAT, "--backend", "tcp", "--server", nobody, "--as", "quinn"]
    with Terminal(command, dict(os.environ)) as terminal:
        terminal.shows(b"nothing listens on")
        terminal.press(b"is anybody there?\r")
        terminal.shows(b"waiting")
        terminal.press(b"/quit\r")
        terminal.shows(
            b"chat: 1 message was not sent or not acknowledged before you left:\r\n  is anybody there?"
        )
        assert terminal.ends() == 1


def test_what_was_begun_and_not_sent_is_named() -> None:
    nobody = f"127.0.0.1:{own_port()}"
    command = [*CHAT, "--backend", "tcp", "--server", nobody, "--as", "quinn"]
    with Terminal(command, dict(os.environ)) as terminal:
        terminal.shows(b"nothing listens on")
        terminal.press(b"half a line\x06and a search\x11")
        terminal.shows(b"what you had begun:\r\n  half a line\r\n  /find and")
        assert terminal.ends() == 0


def test_a_dumb_terminal_gets_lines_instead_of_a_screen() -> None:
    nobody = f"127.0.0.1:{own_port()}"
    command = ["env", "TERM=dumb", *CHAT, "--backend", "tcp", "--server", nobody, "--as", "dan"]
    with Terminal(command, dict(os.environ)) as terminal:
        terminal.shows(b"nothing listens on")
        terminal.process.send_signal(signal.SIGTERM)
        shown = terminal.rest()
        assert b"TERM=dumb has no screen" in shown
        assert b"\x1b" not in shown


def test_the_screen_is_drawn_on_the_terminal_and_not_into_a_file_behind_stderr(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{own_port()}"
    command = shlex.join([*CHAT, "--backend", "tcp", "--server", nobody, "--as", "fay"])
    file = tmp_path / "errors"
    with Terminal(["sh", "-c", f"exec {command} 2>{shlex.quote(str(file))}"], dict(os.environ)) as terminal:
        terminal.shows(b"nothing listens on")
        terminal.press(b"lost\r")
        terminal.shows(b"waiting")
        terminal.press(b"/quit\r")
        assert terminal.ends() == 1
    assert file.read_text() == "chat: 1 message was not sent or not acknowledged before you left:\n  lost\n"


def test_the_screen_runs_where_another_driver_is_the_terminal() -> None:
    """As under textual-serve: the streams are pipes, and a browser draws."""
    nobody = f"127.0.0.1:{own_port()}"
    command = [*CHAT, "--backend", "tcp", "--server", nobody, "--as", "wendy"]
    settings = {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver", "COLUMNS": "80", "ROWS": "24"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **settings}
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        shown = b""
        while b"nothing listens on" not in shown:
            shown += (more := os.read(process.stdout.fileno(), 65536))
            assert more, shown
        assert shown.startswith(b"__GANGLION__\n")
        for kind, data in (b"D", b"half\x11"), (b"M", b'{"type":"exit"}'):
            process.stdin.write(kind + len(data).to_bytes(4, "big") + data)
        process.stdin.flush()
        process.stdout.read()
        assert process.wait(PATIENCE) == 0


def test_what_a_library_writes_to_stderr_does_not_reach_the_screen() -> None:
    """gRPC's core, in C, knows only the file descriptor."""
    code = (
        "import os; from tui.app import ChatApp; from tui.run import run\n"
        "def write(): os.write(2, b'E0000 00:00:00.000000 a line of a library')\n"
        "app = ChatApp(None, techniques=(), on_first_paint=write)\n"
        "raise SystemExit(run(app))"
    )
    with Terminal([sys.executable, "-c", code], dict(os.environ)) as terminal:
        terminal.shows(b"Enter joins")
        terminal.settle(0.2)
        terminal.press(b"\x11", keep=True)
        shown = terminal.rest()
        assert b"Enter joins" in shown
        assert b"E0000" not in shown
        assert terminal.ends() == 0


def test_the_title_of_the_terminal_is_kept_and_given_back() -> None:
    nobody = f"127.0.0.1:{own_port()}"
    command = [*CHAT, "--backend", "tcp", "--server", nobody, "--as", "gil"]
    with Terminal(command, dict(os.environ)) as terminal:
        terminal.shows(b"\x1b[22;2t")
        terminal.shows("\x1b]2;#lab · chat\a".encode())
        terminal.press(b"/quit\r")
        terminal.shows(b"\x1b[23;2t")
        assert terminal.ends() == 0
