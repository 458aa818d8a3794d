"""Signals that end a command: a client leaves the room first, and what has servers of its own ends them."""

from __future__ import annotations

import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import click

from chat.cli.options import SIGNALLED


def ending_signals() -> list[signal.Signals]:
    """Return SIGTERM, and SIGHUP if it is not ignored, as it is under nohup. Windows has no SIGHUP."""
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def run(command: Coroutine[Any, Any, int]) -> int:
    """Run a command of a client on an event loop of its own.

    The first signal cancels the command, which then leaves its room; a second one ends the process at once.

    Returns:
        The exit code: the command's, or 128 and the number of the signal, as shells say it.
    """
    import asyncio

    received: list[signal.Signals] = []

    async def watched() -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(command)

        def end(number: signal.Signals) -> None:
            received.append(number)
            for other in numbers:
                loop.remove_signal_handler(other)
            task.cancel()

        numbers = ending_signals()
        with suppress(NotImplementedError):  # Windows: the process ends at once, as Windows does it
            for number in numbers:
                loop.add_signal_handler(number, end, number)
        return await task

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        return SIGNALLED + received[0]


@contextmanager
def as_interrupt() -> Iterator[None]:
    """Let the signals that end a command do what Ctrl+C does: so the processes that it has started end, too.

    Raises:
        Exit: a signal came. The exit code is 128 and its number, as shells say it.
    """
    received: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        received.append(number)
        signal.raise_signal(signal.SIGINT)  # asyncio's own handler of it lets every task end

    before = {number: signal.signal(number, end) for number in ending_signals()}
    try:
        yield
    except KeyboardInterrupt:
        if not received:
            raise
        raise click.exceptions.Exit(SIGNALLED + received[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
