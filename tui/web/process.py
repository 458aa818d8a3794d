"""One process of `chat` whose terminal is a web page.

Textual's web driver takes the place of the terminal: it reads and writes packets (a letter, four bytes of
length with the highest first, the payload) on standard input and output. `D` is what a terminal gets and
sends, `M` is JSON about it: its size, its focus, its end. textual-serve speaks the same.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chat.domain.validation import printable

DRIVER = "textual.drivers.web_driver:WebDriver"
BEGIN = b"__GANGLION__\n"
"""The line with which the driver begins; what a process writes before it is no packet."""
PROLOGUE = 10
"""Lines before that, at most."""
PATIENCE = 3.0
"""Seconds in which a process that was told to end leaves the room; then it is killed."""
LAST_WORDS = 2000
"""Bytes of standard error that are kept."""


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a page in cells."""

    width: int
    height: int

    @classmethod
    def of(cls, width: Any, height: Any) -> Size:
        """Return a size that a screen can have, whatever was said."""
        return cls(_cells(width, 80, 500), _cells(height, 24, 200))


def _cells(said: Any, usual: int, most: int) -> int:
    try:
        return max(1, min(most, int(said)))
    except (TypeError, ValueError, OverflowError):
        return usual


class ScreenProcess:
    """Runs a command, and is its terminal.

    Args:
        command: the program and its arguments.
        size: of the page.
        language: of the visitor; "": not known.
    """

    def __init__(self, command: Sequence[str], size: Size, language: str = "") -> None:
        self._command = command
        self._size = size
        self.language = language
        """Of the visitor; "": not known."""
        self._process: asyncio.subprocess.Process | None = None
        self._stderr = b""
        self._reading: asyncio.Task[None] | None = None
        self._ends = False  # its screen is over, and it says its last words
        self.ended = asyncio.Event()
        """Set when nothing of the process is left."""

    @property
    def pid(self) -> int:
        """The process's number; 0 before `start`."""
        return self._process.pid if self._process else 0

    @property
    def last_words(self) -> str:
        """What the process has said at its end, as printable lines; "" if nothing."""
        lines = self._stderr.decode(errors="replace").splitlines()
        return "\n".join(printable(line) for line in lines).strip()

    async def start(self) -> None:
        """Start the process. Raises OSError."""
        environment = {
            **os.environ,
            "TEXTUAL_DRIVER": DRIVER,
            "TEXTUAL_FPS": "30",
            "TEXTUAL_COLOR_SYSTEM": "truecolor",
            "COLUMNS": str(self._size.width),
            "ROWS": str(self._size.height),
            **({"CHAT_LANG": self.language} if self.language else {}),
        }
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=sys.platform != "win32",  # Ctrl+C is for the server, which ends it then
        )
        self._reading = asyncio.ensure_future(self._keep_stderr())

    async def _keep_stderr(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(4096):
            self._stderr = (self._stderr + data)[-LAST_WORDS:]

    # --- what the page sends -------------------------------------------------------------------

    async def type(self, text: str) -> None:
        """Hand over what was typed, as a terminal would send it."""
        await self._write(b"D", text.encode(errors="replace"))

    async def resize(self, size: Size) -> None:
        """Say how large the page is."""
        await self._tell({"type": "resize", "width": size.width, "height": size.height})

    async def focus(self, on: bool) -> None:
        """Say whether the page has the focus."""
        await self._tell({"type": "focus" if on else "blur"})

    async def _tell(self, message: dict[str, object]) -> None:
        await self._write(b"M", json.dumps(message).encode())

    async def _write(self, kind: bytes, payload: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(ConnectionError, RuntimeError):  # it has ended: `output` says so
            self._process.stdin.write(kind + len(payload).to_bytes(4, "big") + payload)
            await self._process.stdin.drain()

    # --- what the process draws ----------------------------------------------------------------

    async def output(self) -> AsyncIterator[bytes]:
        """Yield what a terminal would get, until the process ends its screen."""
        assert self._process is not None
        assert self._process.stdout is not None
        stdout = self._process.stdout
        for _ in range(PROLOGUE):
            line = await stdout.readline()
            if not line or line == BEGIN:
                break
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await stdout.readexactly(5)
                payload = await stdout.readexactly(int.from_bytes(head[1:], "big"))
                if head[:1] == b"D":
                    yield payload
                elif head[:1] == b"M" and json.loads(payload).get("type") == "exit":
                    break
        self._ends = True

    # --- its end -------------------------------------------------------------------------------

    async def end(self) -> None:
        """Let the process leave its room, and wait for its end; kill it if it takes too long."""
        if self._process is not None:
            await self._end(self._process)
        self.ended.set()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None and not self._ends:
            if sys.platform == "win32":
                await self._tell({"type": "quit"})  # terminate() would kill it
            else:
                with suppress(ProcessLookupError):
                    process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone(process), PATIENCE)
            return
        with suppress(ProcessLookupError):
            process.kill()
        await self._gone(process)

    async def _gone(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the end of the process; read what it still draws, or it would wait for that."""
        assert process.stdout is not None
        assert process.stdin is not None
        assert self._reading is not None
        while await process.stdout.read(65536):
            pass
        await asyncio.shield(self._reading)
        await process.wait()
        process.stdin.close()
