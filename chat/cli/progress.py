"""How far ``chat send`` is, on a terminal: many lines take a while, because the server limits their rate."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

EVERY = 1.0
"""Seconds between two reports; what is done sooner reports nothing."""


@asynccontextmanager
async def progress(report: Callable[[], str]) -> AsyncIterator[None]:
    """Show a text on stderr every second while the block runs, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    task = asyncio.create_task(_show(report))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _show(report: Callable[[], str]) -> None:
    shown = 0
    try:
        while True:
            await asyncio.sleep(EVERY)
            text = report()
            sys.stderr.write(f"\r{text.ljust(shown)}")
            sys.stderr.flush()
            shown = len(text)
    finally:
        if shown:
            sys.stderr.write(f"\r{' ' * shown}\r")
            sys.stderr.flush()
