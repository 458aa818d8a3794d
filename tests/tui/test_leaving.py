"""Leaving the screen: what was not sent is not lost without a word."""

from __future__ import annotations

import os
import sys

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
        terminal.shows(b"chat: 1 message was not sent or not acknowledged")
        assert terminal.process.wait(PATIENCE) == 1
