"""A process of ours that does what the lines of its input say, and answers with lines of its output."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path

from chat.background.process import clean_environment

PATIENCE = 10.0
"""Seconds in which it must have ended after its input has; then it is killed."""
LAST_WORDS = 2000
"""Characters of its standard error that are told."""


class Child:
    """The process, as seen from outside."""

    def __init__(self, process: Process, errors: Path) -> None:
        self.pid = process.pid
        self._process, self._errors = process, errors

    @classmethod
    async def start(cls, module: str, errors: Path, line: int) -> Child:
        """Start it.

        Args:
            module: its name; it runs as a program.
            errors: the file that gets what it says on its standard error.
            line: bytes of its longest answer.
        """
        with errors.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module),
                stdin=PIPE,
                stdout=PIPE,
                stderr=file,
                env=clean_environment(),
                limit=line,
            )
        return cls(process, errors)

    async def write(self, line: bytes) -> None:
        """Write a line of its input."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended: reading says so
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()

    async def read(self, seconds: float) -> bytes:
        """Return the next line of its output, b"" at the end. Raises TimeoutError."""
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            return (await self._process.stdout.readline()).rstrip()

    async def last_words(self) -> str:
        """Return what it has said last on its standard error."""
        return (await asyncio.to_thread(self._errors.read_text, errors="replace"))[-LAST_WORDS:]

    async def stop(self) -> None:
        """End its input, and wait for its end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
