"""The line that is being typed under ``chat --plain``: what arrives is printed above it.

On a terminal, lines are read with readline, if Python has it: it knows what was typed so far.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any
from unicodedata import east_asian_width

from chat.client.lines import out


class TypingLine:
    """Yields the lines that are typed. Use it as a context manager: it leaves the terminal as it was.

    Args:
        readline: Python's module of this name.
        termios: also.
        last: the command behind which no more is read.
    """

    def __init__(self, readline: ModuleType, termios: ModuleType, last: str) -> None:
        self._readline: Any = readline
        self._termios: Any = termios
        self._last = last
        self._typing = False
        self._modes: Any = None

    def __enter__(self) -> TypingLine:
        self._modes = self._termios.tcgetattr(sys.stdin.fileno())
        # From here on readline's buffer is the new line, and no longer the one before it.
        self._readline.set_pre_input_hook(self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        self._readline.set_pre_input_hook(None)  # readline may still wait for keys
        self._termios.tcsetattr(sys.stdin.fileno(), self._termios.TCSADRAIN, self._modes)

    def _begin(self) -> None:
        self._typing = True

    def __iter__(self) -> Iterator[str]:
        while True:
            try:
                line = input()
            except EOFError:
                return
            finally:
                self._typing = False
            yield line + "\n"
            if line.partition(" ")[0] == self._last:
                return  # what is typed behind it is for the shell

    def out(self, line: str) -> None:
        """Print a line, and below it again what was typed."""
        typed: str = self._readline.get_line_buffer() if self._typing else ""
        if not typed:
            out(line)
            return
        cells = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in typed)
        rows = cells // max(1, shutil.get_terminal_size().columns)
        up = f"\x1b[{rows}A" if rows else ""
        sys.stdout.write(f"\r{up}\x1b[J")
        out(line)
        sys.stdout.write(typed)
        sys.stdout.flush()


def typing_line(last: str) -> TypingLine | None:
    """Return the line that is typed at this terminal; None: it is read as a file is, never drawn again."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        return None
    try:
        modules = import_module("readline"), import_module("termios")
    except ImportError:
        return None
    return TypingLine(*modules, last)
