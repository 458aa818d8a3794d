"""Runs the command that would send a message, as somebody who has pasted it into a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from tests.support.processes import PATIENCE

HOSTILE = 'it\'s "q" $(touch owned) `touch owned` \\n %s !! {[<&\nEND\n\té 漢字 🚀 # ; exit 3'
"""What a shell, printf, Python, JSON, XML or the end of a document could take for its own."""


def run_by_hand(
    technique: Technique, address: Address, text: str, folder: Path, *changes: tuple[str, str], **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder; ``changes`` are made in it first, e.g. where a program is."""
    command = technique.load_by_hand()(address.host, address.port, "lab", text)
    for old, new in changes:
        assert old in command
        command = command.replace(old, new)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "NO_PROXY": "127.0.0.1", "PYTHONUTF8": "1", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert "owned" not in os.listdir(folder)
    return done
