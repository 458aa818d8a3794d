"""A log under test with what it handed back, in this process or in one to be killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chat.domain.errors import ChatError
from chat.domain.model import Body, Sent
from chat.domain.room import Outcome
from chat.interfaces.log import Committed, Log, Pending
from chat.server.logs.sqlite import SqliteLog


def said(text: str = "hello") -> Sent:
    return Sent("5ea7", "zoë", "tcp", 1, text)


@dataclass(frozen=True)
class Mark(Pending):
    """Tells one append from another."""

    value: object

    def decided(self, outcome: Outcome) -> None:
        raise AssertionError("a log never calls what is pending")

    def failed(self, error: ChatError) -> None:
        raise AssertionError("a log never calls what is pending")


def marks(pending: Iterable[Pending | None]) -> list[object]:
    """Return the values that the appends were given."""
    return [one.value for one in pending if isinstance(one, Mark)]


class LogBook:
    """Starts the log, appends to it, notes what comes back, and stops it.

    ``refuse``: seqs to refuse as soon as they come back, as the hub does.
    """

    def __init__(self, log: Log, refuse: Collection[int] = ()) -> None:
        self.log = log
        self.committed: list[Committed] = []
        self.batches = 0
        self.failed: list[tuple[list[Pending], ChatError]] = []
        self._refuse = refuse
        self._open = 0
        self._settled = asyncio.Event()

    async def __aenter__(self) -> LogBook:
        await self.log.start(self._on_committed, self._on_failed)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.log.stop()

    def append(self, room: str, body: Body, mark: object = None) -> None:
        self._open += 1
        self._settled.clear()
        self.log.append(room, body, Mark(mark))

    async def settled(self) -> None:
        """Wait until every append has come back, committed or failed."""
        if self._open:
            await self._settled.wait()

    async def say(self, *texts: str, room: str = "lab") -> list[int]:
        """Append messages, wait for them, and return the seqs of those that are committed."""
        start = len(self.committed)
        for text in texts:
            self.append(room, said(text), text)
        await self.settled()
        return [item.entry.seq for item in self.committed[start:]]

    def _on_committed(self, batch: list[Committed]) -> None:
        self.committed += batch
        self.batches += 1
        for item in batch:
            if item.entry.seq in self._refuse:
                self.log.refuse(item.room, item.entry.seq)
        self._back(len(batch))

    def _on_failed(self, pending: list[Pending], error: ChatError) -> None:
        self.failed.append((pending, error))
        self._back(len(pending))

    def _back(self, count: int) -> None:
        self._open -= count
        if not self._open:
            self._settled.set()


async def fill(path: Path, *texts: str) -> None:
    """Make a log with these messages in room lab."""
    async with LogBook(SqliteLog(path)) as book:
        await book.say(*texts)


async def refusal(path: Path) -> str:
    """Return what the log says that can't be opened."""
    with pytest.raises(ChatError) as error:
        await SqliteLog(path).start(lambda batch: None, lambda notes, error: None)
    assert str(path) in str(error.value)
    return str(error.value)


async def texts(path: Path) -> list[str]:
    async with LogBook(SqliteLog(path)) as book:
        _, page = await book.log.read("lab", after=0, limit=10_000)
    return [getattr(entry.body, "text", "") for entry in page]


def run_child(code: str, *args: object, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Run Python code in a process of its own, by way of the command ``before``."""
    imports = "import asyncio, sys\nfrom chat.server.logs.sqlite import SqliteLog\n"
    imports += "from tests.support.logbook import LogBook\n"
    return subprocess.Popen(
        [*before, sys.executable, "-c", imports + textwrap.dedent(code), *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@contextmanager
def child_holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that has the log open, until the block ends or it is killed."""
    child = run_child(
        """
        async def main():
            async with LogBook(SqliteLog(sys.argv[1])) as book:
                await book.say("held")
                print("ready", flush=True)
                await asyncio.Event().wait()
        asyncio.run(main())
        """,
        path,
    )
    assert child.stdout
    with child, child.stdout:
        try:
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()
