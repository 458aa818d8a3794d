"""A TCP server as in a good tutorial, and its broken twins: each is wrong in one method.

`TextbookTcp` keeps what `docs/protocol.md` promises to a client that reads. What is left out: the log on
disk, limits, the access token, TLS, back-pressure, the grace time. Never use a twin to chat.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field

from chat.domain.errors import BadRequest, ChatError
from chat.domain.json_codec import (
    AckMessage,
    ErrorMessage,
    HelloMessage,
    HistoryMessage,
    LeaveMessage,
    MemberListMessage,
    MembersMessage,
    PageMessage,
    PingMessage,
    PongMessage,
    WelcomeMessage,
    decode_request,
    encode,
    encode_lines,
)
from chat.domain.model import Ack, Draft, Event
from chat.interfaces.address import Address
from chat.interfaces.server import ChatServer
from lab.check.textbook_room import TextbookRoom

CHUNK = 1024
"""Bytes of one read, as tutorials have it."""


@dataclass(eq=False, slots=True)
class Person:
    """One connection."""

    writer: asyncio.StreamWriter
    room: TextbookRoom | None = None
    key: str = ""
    rest: bytes = b""
    """The beginning of a line whose end has not come."""
    text: str = ""
    """The same, decoded (`Utf8`)."""
    queue: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    """What waits to be written (`DropSlow`)."""
    unsaved: list[asyncio.TimerHandle] = field(default_factory=list)
    """What is acknowledged and waits to be stored (`LostAck`)."""

    def send(self, message: object) -> None:
        self.writer.write(encode(message) + b"\n")


class TextbookTcp(ChatServer):
    """All as it should be."""

    async def start(self) -> Address:
        self.rooms: dict[str, TextbookRoom] = {}
        self.people: set[Person] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, self.address.host, self.address.port)
        return Address(*self._server.sockets[0].getsockname()[:2])

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        person = Person(writer)
        try:
            while data := await reader.read(CHUNK):
                for line in self.lines(person, data):
                    self.take(person, line)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.people.discard(person)
            self.gone(person)
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self._tasks.discard(task)

    # --- what a twin changes -------------------------------------------------------------------

    def lines(self, person: Person, data: bytes) -> list[bytes]:
        """Return the lines that are complete now."""
        *lines, person.rest = (person.rest + data).split(b"\n")
        return lines

    def unreadable(self, person: Person, error: BadRequest) -> None:
        """Answer what is no message."""
        person.send(ErrorMessage.of(error))

    def draft(self, person: Person, room: TextbookRoom, draft: Draft) -> None:
        """Store a draft, and answer it: with its event, which everybody gets."""
        outcome = room.apply(person.key, draft)
        if isinstance(outcome, Ack):
            person.send(AckMessage.of(outcome))
        else:
            self.publish(room, outcome)

    def deliver(self, person: Person, event: Event) -> None:
        """Hand an event to one connection."""
        person.writer.write(encode_lines([event]))

    def welcomed(self, person: Person) -> None:
        """The connection has its seat."""

    def gone(self, person: Person) -> None:
        """The connection has ended."""

    # --- the rest ------------------------------------------------------------------------------

    def publish(self, room: TextbookRoom, event: Event) -> None:
        for person in list(self.people):
            if person.room is room:
                self.deliver(person, event)

    def take(self, person: Person, line: bytes) -> None:
        if not line.strip():
            return
        try:
            request = decode_request(line)
        except BadRequest as error:
            self.unreadable(person, error)
            return
        room = person.room
        if isinstance(request, HelloMessage):
            self._enter(person, request)
        elif room is None:
            person.writer.close()
        elif isinstance(request, Draft):
            try:
                self.draft(person, room, request)
            except ChatError as error:
                person.send(ErrorMessage.of(error))
        elif isinstance(request, HistoryMessage):
            person.send(PageMessage(request.ref, room.page(request.after, request.before, request.limit)))
        elif isinstance(request, MembersMessage):
            person.send(MemberListMessage(request.ref, list(room.members.values())))
        elif isinstance(request, PingMessage):
            person.send(PongMessage(request.ref))
        elif isinstance(request, LeaveMessage):
            for event in room.leave(person.key):
                self.publish(room, event)
            person.writer.close()

    def _enter(self, person: Person, message: HelloMessage) -> None:
        hello = message.hello()
        room = self.rooms.setdefault(hello.room, TextbookRoom())
        try:
            welcome, person.key, news = room.enter(hello, "tcp")
        except ChatError as error:
            person.send(ErrorMessage.of(error))
            person.writer.close()
            return
        for event in news:
            self.publish(room, event)
        person.send(WelcomeMessage.of(welcome))
        person.writer.write(encode_lines(room.replay(hello)))
        person.room = room
        self.people.add(person)
        self.welcomed(person)


class Framing(TextbookTcp):
    """Takes what one ``recv`` returns for one message."""

    def lines(self, person: Person, data: bytes) -> list[bytes]:
        return [data]

    def unreadable(self, person: Person, error: BadRequest) -> None:
        """Nobody is told."""


class Utf8(TextbookTcp):
    """Decodes each piece by itself. A character that was cut in two becomes something else."""

    def lines(self, person: Person, data: bytes) -> list[bytes]:
        *lines, person.text = (person.text + data.decode("utf-8", "replace")).split("\n")
        return [line.encode() for line in lines]


DISK = 3.0
"""Seconds until `LostAck` stores what it has acknowledged: time enough for a person to close the chat."""


class LostAck(TextbookTcp):
    """Acknowledges at once and stores later. What waits ends with the connection that it came from."""

    def draft(self, person: Person, room: TextbookRoom, draft: Draft) -> None:
        person.send(AckMessage(draft.n, room.head + 1 + len(person.unsaved)))
        disk = float(self.options.settings.get("disk", DISK))
        later = asyncio.get_running_loop().call_later(disk, self._store, person, room, draft)
        person.unsaved.append(later)

    def _store(self, person: Person, room: TextbookRoom, draft: Draft) -> None:
        with suppress(ChatError):  # it was acknowledged: too late to refuse it
            if isinstance(event := room.apply(person.key, draft), Event):
                self.publish(room, event)

    def gone(self, person: Person) -> None:
        for waiting in person.unsaved:
            waiting.cancel()


class DoubleApply(TextbookTcp):
    """Does not keep the numbers of drafts: one that comes again, as its answer was lost, is a new one."""

    def draft(self, person: Person, room: TextbookRoom, draft: Draft) -> None:
        event = room.apply(person.key, draft, numbered=False)
        assert isinstance(event, Event)
        self.publish(room, event)
        person.send(AckMessage(draft.n, event.seq))


LATE = 0.05
"""Seconds that one write of `Reorder` may take, at most."""


class Reorder(TextbookTcp):
    """Writes each event to each connection in a task of its own, without a lock."""

    async def start(self) -> Address:
        self._chance = random.Random(1)
        return await super().start()

    def deliver(self, person: Person, event: Event) -> None:
        late = self._chance.uniform(0, LATE)
        asyncio.get_running_loop().call_later(late, self._write, person, event)

    def _write(self, person: Person, event: Event) -> None:
        if not person.writer.is_closing():
            super().deliver(person, event)


QUEUE = 8
"""Events that may wait for one connection of `DropSlow`."""


class DropSlow(TextbookTcp):
    """Has a queue for each connection. If it is full, the event is dropped, and nobody is told."""

    def draft(self, person: Person, room: TextbookRoom, draft: Draft) -> None:
        outcome = room.apply(person.key, draft)
        person.send(AckMessage(draft.n, outcome.seq))
        if isinstance(outcome, Event):
            self.publish(room, outcome)

    def deliver(self, person: Person, event: Event) -> None:
        with suppress(asyncio.QueueFull):
            person.queue.put_nowait(event)

    def welcomed(self, person: Person) -> None:
        task = asyncio.create_task(self._write(person))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, person: Person) -> None:
        with suppress(ConnectionError):
            while not person.writer.is_closing():
                person.writer.write(encode_lines([await person.queue.get()]))
                await person.writer.drain()
