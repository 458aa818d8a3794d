"""One log for several workers: it appends what they send, and hands every committed entry to all of them.

It decides nothing about entries: each worker does, in the order of the log.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from chat.domain.errors import ChatError
from chat.domain.room import Outcome
from chat.interfaces.log import Committed, Log, Pending
from chat.server.workers.link import (
    Answer,
    Append,
    Ask,
    Batch,
    Failed,
    FromWorker,
    Item,
    Link,
    NotStored,
    Ready,
    Refuse,
    Secrets,
    Start,
    Told,
    encode,
    encoded,
    from_worker,
)

MAX_UNREAD = 64 * 1024 * 1024
"""Bytes of entries that wait for a worker to read them; then it is frozen, and is given up."""
_NOTHING = msgspec.Raw(encode(None))


class _Appended(Pending):
    """An entry of a worker, which waits for it."""

    __slots__ = ("id", "line")

    def __init__(self, line: Line, id: int) -> None:
        self.line, self.id = line, id

    def decided(self, outcome: Outcome) -> None:
        """Never called: the workers decide."""

    def failed(self, error: ChatError) -> None:
        """Never called: see `Relay.failed`."""


class Line:
    """The relay's end of the link to one worker."""

    def __init__(self, relay: Relay, serial: int, told: Callable[[Ready | Failed], None]) -> None:
        """Prepare.

        Args:
            relay: that has the log.
            serial: see `Start`.
            told: called with what is not about the log.
        """
        self.serial = serial
        self.gone = asyncio.Event()
        """The worker's end is closed, or it was given up."""
        self._relay, self._tell = relay, told
        self._refusing: NotStored | None = None  # what the worker has not read; what it appends fails, too
        self._unread = 0  # so many times it was told
        self._answering: set[asyncio.Task[None]] = set()

    async def open(self, connection: socket.socket) -> None:
        """Take the relay's end of the pair."""
        connection.setblocking(False)
        _, self._link = await asyncio.get_running_loop().create_unix_connection(
            lambda: Link(from_worker, self._received, self._lost), sock=connection
        )

    def begin(self, start: Start) -> None:
        """Send the first message; from here on the worker gets every entry that is committed."""
        self._link.send(start)
        self._link.flush()  # alone: it is read before there is a link
        self._relay.lines[self.serial] = self

    def send(self, secrets: Secrets) -> None:
        self._link.send(secrets)

    def write(self, batch: msgspec.Raw) -> None:
        """Write entries."""
        self._link.send(batch)
        if self._link.unwritten > MAX_UNREAD:
            self._lost()

    def not_stored(self, ids: list[int], error: ChatError) -> None:
        """Tell the worker that the log has not stored these."""
        self._unread += 1
        self._refusing = NotStored(ids, error.code, str(error), tell=True)
        self._link.send(self._refusing)

    def close(self) -> None:
        self._relay.lines.pop(self.serial, None)
        self._link.close()

    def _lost(self) -> None:
        self._relay.lines.pop(self.serial, None)
        self.gone.set()

    def _received(self, message: FromWorker) -> None:
        match message:
            case Append(id, room, body):
                if self._refusing is not None:  # it must not pass an entry that failed
                    self._link.send(NotStored([id], self._refusing.code, self._refusing.why, tell=False))
                else:
                    self._relay.log.append(room, body, _Appended(self, id))
            case Refuse(room, seq):
                self._relay.log.refuse(room, seq)
            case Told():
                self._unread -= 1
                if not self._unread:
                    self._refusing = None
            case Ask():
                task = asyncio.create_task(self._answer(message))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case Ready() | Failed():
                self._tell(message)

    async def _answer(self, ask: Ask) -> None:
        try:
            value = await self._relay.read(ask)
        except ChatError as error:
            answer = Answer(ask.id, _NOTHING, error.code, str(error))
        else:
            answer = Answer(ask.id, msgspec.Raw(encode(value)))
        self._link.send(answer)


class Relay:
    """Gives a log to several workers."""

    def __init__(self, log: Log) -> None:
        """Prepare; ``log`` is not started yet."""
        self.log = log
        self.lines: dict[int, Line] = {}
        """By serial: those of workers that run."""

    async def start(self) -> None:
        """Open the log. Raises `ChatError`."""
        await self.log.start(self._committed, self._failed)

    async def stop(self) -> None:
        """Commit what is enqueued, and close the log."""
        await self.log.stop()

    async def read(self, ask: Ask) -> Any:
        """Return what a worker asks for. Raises `ChatError`."""
        if ask.what == "rooms":
            return await self.log.rooms()
        return await getattr(self.log, ask.what)(ask.room, **ask.arguments)

    def _committed(self, batch: list[Committed]) -> None:
        items = []
        for one in batch:
            entry, appended = one.entry, one.pending
            assert isinstance(appended, _Appended)
            items.append(Item(one.room, entry.seq, entry.at, entry.body, appended.line.serial, appended.id))
        written = encoded(Batch(items))
        for line in list(self.lines.values()):
            line.write(written)

    def _failed(self, pending: Sequence[Pending], error: ChatError) -> None:
        by_line: dict[Line, list[int]] = {}
        for one in pending:
            assert isinstance(one, _Appended)
            by_line.setdefault(one.line, []).append(one.id)
        for line, ids in by_line.items():
            line.not_stored(ids, error)
