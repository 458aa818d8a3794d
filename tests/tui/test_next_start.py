"""What was chosen last is what the picker offers next time, on a real terminal."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from chat.client.last_used import FILE
from lab.bench.terminal import Terminal
from tests.support.processes import CHAT, serving

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="needs a pseudo-terminal, and Windows has none for it"
)


def test_technique_room_name_and_theme_are_kept_until_the_next_start(state_dir: Path) -> None:
    with serving("--log", "memory") as (_, address):
        there = ["--backend", "tcp", "--server", address, "--room", "den", "--as", "quinn"]
        with Terminal([*CHAT, *there, "--theme", "projector"], dict(os.environ)) as terminal:
            terminal.shows(b"quinn joined")
            terminal.press(b"\x11")  # Ctrl+Q
            assert terminal.ends() == 0
    kept = json.loads((state_dir / FILE).read_bytes())
    assert kept == {
        "technique": "tcp",
        "room": "den",
        "nick": "quinn",
        "theme": "projector",
        "rooms": ["den"],
    }
    with Terminal(CHAT, dict(os.environ)) as terminal:
        terminal.shows(b"quinn")
        terminal.press(b"\x11")
        assert terminal.ends() == 0
    assert json.loads((state_dir / FILE).read_bytes()) == kept  # nothing was chosen
