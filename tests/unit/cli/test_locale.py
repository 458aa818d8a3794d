"""A locale that is not UTF-8: no escapes on the terminal, and JSON that is still JSON."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests.support.processes import CHAT, chat, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX locales")

ASCII = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
TEXT = "grüße 日本"


def test_what_the_encoding_lacks_is_a_question_mark() -> None:
    with serving("--log", "memory") as (_, address):
        assert chat("send", "--server", address, "--as", "zoë", TEXT).returncode == 0
        done = chat("tail", "--server", address, "--as", "eve", "--count", "3", **ASCII)
        assert "zo? (tcp): gr??e ??" in done.stdout
    for arguments in (["explain", "größe"], ["tail", "--server", "größe..x"]):
        done = chat(*arguments, PYTHONIOENCODING="ascii")
        assert "\\x" not in done.stderr + done.stdout
        assert "\\u" not in done.stderr + done.stdout
        assert "gr??e" in done.stderr


def test_json_is_the_same_in_every_encoding() -> None:
    with serving("--log", "memory") as (_, address):
        assert chat("send", "--server", address, "--as", "zoë", TEXT).returncode == 0
        tail = ["tail", "--server", address, "--as", "eve", "--after", "0", "--count", "3", "--json"]
        shown = chat(*tail, **ASCII)
        assert shown.stdout.isascii()
        events = [json.loads(line) for line in shown.stdout.splitlines()]
    assert events[2]["text"] == TEXT
    assert events[2]["author"] == "zoë"


def test_a_terminal_without_utf8_gets_lines_and_is_told_why() -> None:
    import pty

    with serving("--log", "memory") as (_, address):
        pid, terminal = pty.fork()
        if not pid:
            os.execvpe(CHAT[0], [*CHAT, "--server", address, "--as", "ann"], {**os.environ, **ASCII})
        shown = b""
        while b"/help shows" not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, b"/quit\n")
        try:
            while data := os.read(terminal, 4096):
                shown += data
        except OSError:  # Linux says the end in this way
            pass
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"the screen needs UTF-8" in shown
    assert b"LC_ALL=C.UTF-8" in shown
    assert b"\x1b[?" not in shown, "no screen; only a line that is being typed may be drawn again"
    assert b"\\u" not in shown
