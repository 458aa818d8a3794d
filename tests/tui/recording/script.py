"""What is recorded: ann over grpc, whose screen is seen, and bob over udp.

Everybody is as slow as a person. What comes next waits until the screen shows what came before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from chat.domain.errors import ChatError
from lab.bench.terminal import Terminal
from tests.tui.recording.asciicast import Recorder
from tests.tui.recording.screen import Screen

ROOT = Path(__file__).parents[3]
COLS, ROWS = 80, 24
TITLE = "One room over several techniques"
STILL = "F2: what goes over the wire"
"""The chapter at whose end there is most to see."""
PATIENCE = 20.0
"""Seconds that the screen has to show something."""
STROKE, BREATH = 0.055, 1.0
"""Seconds between two keys, and for which something new is looked at."""
BEGIN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC).timestamp()
CLOCK = f"""import time
_clock, _ahead = time.time, {BEGIN} - time.time()
time.time = lambda: _clock() + _ahead
"""
"""What every interpreter runs at its start: when it was recorded is nobody's affair."""
F2, F8, ESCAPE, ENTER = "\x1bOQ", "\x1b[19~", "\x1b", "\r"


def environment(folder: Path) -> dict[str, str]:
    """Return all that the programs know of this machine: a folder, in which there is nothing yet."""
    (folder / "sitecustomize.py").write_text(CLOCK, encoding="utf-8")
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "HOME": str(folder),
        "CHAT_STATE_DIR": str(folder / "state"),
        "CHAT_CONFIG": str(folder / "config.toml"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


class Bob:
    """A client whose screen nobody sees."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        self._terminal.rest()

    def says(self, text: str) -> None:
        os.write(self._terminal.fd, f"{text}{ENTER}".encode())

    def leaves(self) -> None:
        self.says("/quit")
        self._reader.join(PATIENCE)


class Ann:
    """The client that is recorded, and who sits before it."""

    def __init__(self, terminal: Terminal, screen: Screen) -> None:
        self._terminal, self._screen = terminal, screen

    def looks(self, breaths: float = 1.0) -> None:
        self._terminal.settle(BREATH * breaths)

    def sees(self, *texts: str) -> None:
        """Wait until all of this is on the screen. Raises `ChatError`."""
        self.until(lambda shown: all(text in shown for text in texts), " and ".join(texts))

    def until(self, true: Callable[[str], bool], what: str) -> None:
        end = monotonic() + PATIENCE
        while not true(self._screen.text):
            if monotonic() > end:
                raise ChatError(f"ann never saw {what}:\n{self._screen.text}")
            self._terminal.settle(0.02)

    def presses(self, *keys: str) -> None:
        for key in keys:
            self._terminal.press(key.encode())
            self.looks()

    def types(self, text: str) -> None:
        for letter in [*text, ENTER]:
            self._terminal.press(letter.encode())
            self._terminal.settle(STROKE)

    def leaves(self) -> int:
        self.types("/quit")
        return self._terminal.ends()


def play(folder: Path, recorder: Recorder) -> None:
    """Play it, and record what ann sees. Raises `ChatError`."""
    known = environment(folder)
    chat = [sys.executable, "-m", "chat"]
    screen = Screen(COLS, ROWS)
    decoded = bytearray()

    def seen(data: bytes) -> None:
        recorder.output(data)
        decoded.extend(data)
        with suppress(UnicodeDecodeError):  # the rest of a character comes with the next read
            screen.write(decoded.decode())
            decoded.clear()

    try:
        with Terminal([*chat, "--backend", "udp", "--as", "bob"], known, size=(ROWS, COLS)) as bobs:
            bobs.shows(b"bob joined")
            bob = Bob(bobs)
            command = [*chat, "--backend", "grpc", "--as", "ann"]
            with Terminal(command, known, size=(ROWS, COLS), watch=seen) as anns:
                _talk(Ann(anns, screen), bob, recorder)
            bob.leaves()
    finally:
        subprocess.run([*chat, "stop"], env=known, check=True, stdout=subprocess.DEVNULL)


def _talk(ann: Ann, bob: Bob, recorder: Recorder) -> None:
    ann.sees("ann joined")
    recorder.marker("ann: chat --backend grpc      bob: chat --backend udp")
    ann.looks(1.5)
    ann.types("hello bob, I come over grpc")
    ann.sees(" ms ")
    ann.looks()
    bob.says("hello! to me that was one datagram")
    ann.sees("one datagram")
    ann.looks(1.5)

    recorder.marker(STILL)
    ann.presses(F2)
    ann.types("and how large is this?")
    ann.looks(1.5)
    ann.presses(F2, "+", "+", "+")
    ann.looks(1.5)

    recorder.marker("/fault latency 300ms: the same wire, slower on purpose")
    ann.presses(F2)
    ann.types("/fault latency 300ms")
    ann.sees("FAULT")
    ann.looks()
    ann.types("is anybody faster?")
    ann.looks(2)
    ann.types("/fault off")
    ann.sees("no fault any more")
    ann.looks()

    recorder.marker("/backend soap: on over another technique, in the same seat")
    ann.types("/backend soap")
    ann.sees("now over soap")
    ann.looks()
    ann.types("still the same room")
    ann.looks()
    bob.says("and I saw nothing of it")
    ann.sees("nothing of it")
    ann.looks(1.5)

    recorder.marker("F8: two techniques side by side")
    ann.presses(F8)
    ann.types("grpc soap")
    ann.sees("to all 2 lanes")
    ann.looks()
    for text in ("which one is faster?", "and now?"):
        ann.types(text)
        ann.looks(2)
    ann.presses(ESCAPE)
    ann.until(lambda shown: "#lab" in shown and "lanes" not in shown, "the room")
    ann.looks()
    recorder.exit(ann.leaves())
