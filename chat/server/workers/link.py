"""What a server and its workers tell each other, over a pair of sockets that only they have.

A frame is four bytes with the length of what follows, and a list of messages in MessagePack: those of one
turn of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

import msgspec
from msgspec import Struct

from chat.domain.model import Body, Number

M = TypeVar("M")
_LENGTH = 4


class _Message(Struct, frozen=True, array_like=True, tag=True):
    pass


# --- from the worker -----------------------------------------------------------------------------


class Append(_Message, frozen=True, gc=False):
    """Append an entry; ``id`` comes back with it."""

    id: int
    room: str
    body: Body


class Refuse(_Message, frozen=True):
    """The room has refused this entry: `Log.refuse`."""

    room: str
    seq: Number


class Told(_Message, frozen=True):
    """`NotStored` was read: what is appended from here on was appended by those who know of it."""


class Ask(_Message, frozen=True):
    """Read the log; an `Answer` with the same ``id`` comes."""

    id: int
    what: str
    """The name of the method of `Log`."""
    room: str = ""
    arguments: dict[str, int | str | None] = {}


class Ready(_Message, frozen=True):
    """The worker serves."""

    offers: bytes
    """Pickled: a list of `chat.server.serve.Offer`."""


class Failed(_Message, frozen=True):
    """The worker can't serve, and ends."""

    why: str


FromWorker = Append | Refuse | Told | Ask | Ready | Failed

# --- to the worker -------------------------------------------------------------------------------


class Secrets(_Message, frozen=True):
    """What the server shares with its clients, and proves itself with."""

    access: str
    certificate: bytes
    """PEM; b"": without TLS."""
    key: bytes


class Start(_Message, frozen=True):
    """The first message: what the worker is, and what it is to serve."""

    plan: bytes
    """Pickled: a `chat.server.serve.Plan`, without what can't be."""
    secrets: Secrets
    node: str
    """Its name in the log."""
    others: frozenset[str]
    """Those of the other workers."""
    first: bool
    """It also has the seats of nodes that are no more: of earlier runs."""
    serial: int
    """No other process of this server has it, also none that had the same name."""
    generation: str
    """`Log.generation`."""


class Item(Struct, frozen=True, array_like=True, gc=False):
    """An entry that was committed, and who has appended it."""

    room: str
    seq: Number
    at: Number
    body: Body
    serial: int
    id: int


class Batch(_Message, frozen=True):
    """`OnCommitted`: the same bytes for every worker."""

    items: list[Item]


class NotStored(_Message, frozen=True):
    """`OnFailed`. What the worker appends fails with the same error, until it is `Told`."""

    ids: list[int]
    code: str
    why: str
    tell: bool
    """The worker says when it has read this."""


class Answer(_Message, frozen=True):
    """What was asked for, or why it can't be had."""

    id: int
    value: msgspec.Raw
    code: str = ""
    """Of the error; "": there is none."""
    why: str = ""


ToWorker = Start | Secrets | Batch | NotStored | Answer

encode = msgspec.msgpack.Encoder().encode
from_worker: msgspec.msgpack.Decoder[list[FromWorker]] = msgspec.msgpack.Decoder(list[FromWorker])
to_worker: msgspec.msgpack.Decoder[list[ToWorker]] = msgspec.msgpack.Decoder(list[ToWorker])


def encoded(message: ToWorker) -> msgspec.Raw:
    """Return a message in the form in which it can be sent to several workers."""
    return msgspec.Raw(encode(message))


def framed(messages: Sequence[FromWorker | ToWorker | msgspec.Raw]) -> bytes:
    """Return messages as they are written."""
    data = encode(messages)
    return len(data).to_bytes(_LENGTH, "big") + data


class Link(asyncio.Protocol, Generic[M]):
    """One end of the pair."""

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[list[M]],
        receive: Callable[[M], None],
        lost: Callable[[], None],
    ) -> None:
        """Prepare for `asyncio.loop.create_unix_connection`.

        Args:
            decoder: of what comes.
            receive: called with each message.
            lost: called once, when the other end is gone.
        """
        self._decode, self._receive, self._lost = decoder.decode, receive, lost
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()
        self._unwritten: list[FromWorker | ToWorker | msgspec.Raw] = []

    @property
    def unwritten(self) -> int:
        """How many bytes the other end has not taken."""
        return self._transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        read = self._read
        read += data
        start, end = 0, len(read)
        while end - start >= _LENGTH:
            stop = start + _LENGTH + int.from_bytes(read[start : start + _LENGTH], "big")
            if stop > end:
                break
            for message in self._decode(bytes(read[start + _LENGTH : stop])):
                self._receive(message)
            start = stop
        del read[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()

    def send(self, message: FromWorker | ToWorker | msgspec.Raw) -> None:
        """Write a message soon, in order."""
        self._unwritten.append(message)
        if len(self._unwritten) == 1:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits, in one frame."""
        messages, self._unwritten = self._unwritten, []
        if messages and not self._transport.is_closing():
            self._transport.write(framed(messages))

    def close(self) -> None:
        """Write what waits, and end."""
        self.flush()
        self._transport.close()
