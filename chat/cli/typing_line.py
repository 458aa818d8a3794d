"""The line that is being typed under ``chat --plain``: what arrives is printed above it.

On a terminal, lines are read with readline, if Python has it: it knows what was typed so far.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any
from unicodedata import combining, east_asian_width

from chat.client.lines import out


class TypingLine:
    """Yields the lines that are typed. Use it as a context manager: it leaves the terminal as it was.

    Args:
        readline: Python's module of this name.
        termios: also.
        last: the command behind which no more is read.
        comes_back: tells whether a line will be printed as an event: the typed one is erased then, so that it
            does not stand there twice. It is called in another thread.
    """

    def __init__(
        self, readline: ModuleType, termios: ModuleType, last: str, comes_back: Callable[[str], bool]
    ) -> None:
        self._readline: Any = readline
        self._termios: Any = termios
        self._last = last
        self._comes_back = comes_back
        self._printing = threading.Lock()
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
                with self._printing:
                    self._typing = False
                    if line.isprintable() and self._comes_back(line):
                        # Behind a full row readline adds no other one.
                        self._erase(_rows(line[:-1]) + 1)
            except EOFError:
                return
            finally:
                self._typing = False
            yield line + "\n"
            if line.partition(" ")[0] == self._last:
                return  # what is typed behind it is for the shell

    def out(self, line: str) -> None:
        """Print a line, and below it again what was typed."""
        with self._printing:
            self._out(line)

    def _out(self, line: str) -> None:
        typed: str = self._readline.get_line_buffer() if self._typing else ""
        if not typed:
            out(line)
            return
        self._erase(_rows(typed))
        out(line)
        sys.stdout.write(typed)
        sys.stdout.flush()

    @staticmethod
    def _erase(rows: int) -> None:
        """Erase the row of the cursor, and so many above it."""
        up = f"\x1b[{rows}A" if rows else ""
        sys.stdout.write(f"\r{up}\x1b[J")
        sys.stdout.flush()


def _rows(typed: str) -> int:
    """Return how many rows the cursor has gone down while this was typed."""
    cells = sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in typed)
    return cells // max(1, shutil.get_terminal_size().columns)


def typing_line(last: str, comes_back: Callable[[str], bool]) -> TypingLine | None:
    """Return the line that is typed at this terminal; None: it is read as a file is, never drawn again."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        return None
    try:
        modules = import_module("readline"), import_module("termios")
    except ImportError:
        return None
    return TypingLine(*modules, last, comes_back)
