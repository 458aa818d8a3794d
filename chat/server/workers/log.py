"""The log of a worker: that of the server that started it, reached over their link.

Every worker gets every entry, in one order, and decides about it by itself; so their rooms are the same. What
the workers refuse they all report, and the log stores it once.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

import msgspec

from chat.domain.errors import ERRORS, Closing
from chat.domain.model import Body, Entry
from chat.interfaces.log import Committed, Log, OnCommitted, OnFailed, Pending
from chat.server.workers.link import (
    Answer,
    Append,
    Ask,
    Batch,
    FromWorker,
    Item,
    Link,
    NotStored,
    Refuse,
    Secrets,
    Start,
    Told,
    ToWorker,
    to_worker,
)

_ENTRIES = msgspec.msgpack.Decoder(list[Entry])
_PAGE = msgspec.msgpack.Decoder(tuple[int, list[Entry]])
_NAMES = msgspec.msgpack.Decoder(list[str])
_END: msgspec.msgpack.Decoder[int | None] = msgspec.msgpack.Decoder(int | None)


class WorkerLog(Log):
    """Appends and reads over the link. If the server that started the worker is gone, the worker ends."""

    shared = True
    nodes_return = True

    def __init__(self, connection: socket.socket, start: Start) -> None:
        """Prepare.

        Args:
            connection: the worker's end of the pair; what comes before ``start`` was read.
            start: the first message.
        """
        self.node = start.node
        self.generation = start.generation
        self.secrets = start.secrets
        """The newest; a signal has told the server to take them."""
        self._others, self._first, self._serial = start.others, start.first, start.serial
        self._connection = connection
        self._link: Link[ToWorker] | None = None
        self._open = False
        self._next = 0
        self._handed_back: dict[str, int] = {}
        """Per room that was read or written: the seq up to which entries were handed back."""
        self._in_flight: dict[int, Pending | None] = {}
        self._asked: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._idle = asyncio.Event()

    def owns(self, node: str) -> bool:
        """Return whether a node's seats are this one's; the first has those of nodes that are no more."""
        return node == self.node or (self._first and node not in self._others)

    async def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        self._committed, self._failed = committed, failed
        loop = asyncio.get_running_loop()
        _, self._link = await loop.create_unix_connection(
            lambda: Link(to_worker, self._received, self._lost), sock=self._connection
        )
        self._open = True

    def tell(self, message: FromWorker) -> None:
        """Send a message to the server that started the worker."""
        assert self._link is not None
        self._link.send(message)

    async def stop(self) -> None:
        self._open = False
        if self._link is None:
            return
        if self._in_flight:
            self._idle.clear()
            await self._idle.wait()
        self._link.close()

    # --- appending ------------------------------------------------------------------------------

    def append(self, room: str, body: Body, pending: Pending | None) -> None:
        if not self._open:
            raise Closing("the log is closed")
        self._next += 1
        self._in_flight[self._next] = pending
        self.tell(Append(self._next, room, body))

    def refuse(self, room: str, seq: int) -> None:
        if self._link is not None:
            self._link.send(Refuse(room, seq))

    def _received(self, message: ToWorker) -> None:
        match message:
            case Batch(items):
                self._committed(list(map(self._back, items)))
            case NotStored(ids, code, why, tell):
                if tell:
                    self.tell(Told())  # first: who is told now may append again
                pending = [self._in_flight.pop(id, None) for id in ids]
                self._failed([one for one in pending if one is not None], ERRORS[code](why))
            case Answer():
                if (asked := self._asked.pop(message.id, None)) is None or asked.done():
                    return
                if message.code:
                    asked.set_exception(ERRORS[message.code](message.why))
                else:
                    asked.set_result(message.value)
            case Secrets():
                self.secrets = message
                if sys.platform != "win32":
                    signal.raise_signal(signal.SIGHUP)
            case _:
                raise AssertionError(message)
        if not self._in_flight:
            self._idle.set()

    def _back(self, item: Item) -> Committed:
        self._handed_back[item.room] = item.seq
        own = self._in_flight.pop(item.id, None) if item.serial == self._serial else None
        return Committed(item.room, Entry(item.seq, item.at, item.body), own)

    def _lost(self) -> None:
        """The server that started this worker is gone: nothing can be stored, and nobody waits for it."""
        self._in_flight.clear()
        self._idle.set()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(Closing("the server is going down"))
        self._asked.clear()
        if self._open:
            signal.raise_signal(signal.SIGTERM)

    # --- reading --------------------------------------------------------------------------------

    async def _ask(self, what: str, room: str = "", **arguments: int | str | None) -> msgspec.Raw:
        if not self._open:
            raise Closing("the log is closed")
        self._next += 1
        answer: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._asked[self._next] = answer
        self.tell(Ask(self._next, what, room, arguments))
        return await answer

    async def rooms(self) -> list[str]:
        return _NAMES.decode(await self._ask("rooms"))

    async def tail(self, room: str, count: int) -> list[Entry]:
        end = self._handed_back.get(room)
        entries = _ENTRIES.decode(await self._ask("tail", room, count=count))
        if end is not None:
            return [entry for entry in entries if entry.seq <= end]
        if entries:  # some may be handed back, too: the hub knows them
            self._handed_back[room] = max(entries[-1].seq, self._handed_back.get(room, 0))
        return entries

    async def read(
        self, room: str, *, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, list[Entry]]:
        # What comes back meanwhile stays out: the room may refuse it, and the answer would not know that.
        if (end := self._handed_back.get(room)) is not None and (before is None or before > end):
            before = end + 1
        return _PAGE.decode(await self._ask("read", room, after=after, before=before, limit=limit))

    async def end_of(self, room: str, generation: str) -> int | None:
        return _END.decode(await self._ask("end_of", room, generation=generation))
