"""A shell in tmux: a terminal with job control, whose screen a test can read."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import PATIENCE

MISSING = "" if shutil.which("tmux") and shutil.which("bash") else "tmux or bash is missing: apt install tmux"


class Pane:
    """The only pane of a tmux server that belongs to the test."""

    def __init__(self, socket: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", os.devnull]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
            timeout=PATIENCE,
        )
        return done.stdout

    def keys(self, *keys: str) -> None:
        """Press keys by their names in tmux, e.g. ``C-z``, or type texts."""
        self.run("send-keys", *keys)

    def line(self, text: str) -> None:
        self.run("send-keys", "-l", text)
        self.run("send-keys", "Enter")

    def screen(self) -> str:
        return self.run("capture-pane", "-p")

    def flags(self, *names: str) -> dict[str, bool]:
        """Return modes of the terminal, e.g. ``alternate_on``, ``mouse_any_flag``, ``cursor_flag``."""
        values = self.run("display-message", "-p", " ".join(f"#{{{name}}}" for name in names)).split()
        return {name: value == "1" for name, value in zip(names, values, strict=True)}

    def resize(self, width: int, height: int) -> None:
        self.run("resize-window", "-x", str(width), "-y", str(height))

    def until(self, true: Callable[[str], object]) -> str:
        """Wait until the screen is as wanted; return it."""
        deadline = time.monotonic() + PATIENCE
        while not true(screen := self.screen()):
            assert time.monotonic() < deadline, f"the terminal never showed it:\n{screen}"
            time.sleep(0.05)
        return screen

    def shows(self, text: str) -> str:
        return self.until(lambda screen: text in screen)


@contextmanager
def shell(folder: Path, width: int = 80, height: int = 24) -> Iterator[Pane]:
    """Start bash in tmux; its prompt is ``$ ``."""
    pane = Pane(folder / "tmux")
    size = ["-x", str(width), "-y", str(height)]
    bash = "exec env PS1='$ ' HISTFILE= bash --norc --noprofile"
    pane.run("new-session", "-d", *size, bash)
    try:
        pane.shows("$")
        yield pane
    finally:
        pane.run("kill-server")
