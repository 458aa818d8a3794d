"""Encodes an entry of a room's log as an AMQP message, and decodes it.

Only the message's body counts: the entry's body as JSON, with ``at`` in the same object. The properties
repeat some of it for people that look at a queue, and for filters. Anybody with the broker's password may
publish anything. So every reader checks what a server checks before it appends an entry.
"""

from __future__ import annotations

import re
import struct
from functools import cache, lru_cache
from typing import ClassVar, Literal

from msgspec import Struct
from msgspec.structs import replace

from chat.domain.errors import BadName, BadRequest, BadText, ChatError
from chat.domain.json_codec import Decoder, decode_body, encode, shorten
from chat.domain.model import (
    Body,
    Checkpoint,
    Deleted,
    Edited,
    Entry,
    Joined,
    Left,
    Number,
    Opened,
    Resumed,
    SeatState,
    Sent,
)
from chat.domain.validation import clean_nick, clean_text, nick_key, printable

MAX_BODY = 1024 * 1024
"""Bytes of an entry's message at most. The checkpoint of a full room has some 400,000."""
APP = "chat"
_SEAT = re.compile(r"[0-9a-f]{24}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a technique, a node, an epoch


class _Time(Struct):
    at: Number = 0


_time: Decoder[_Time] = Decoder(_Time)


class _Sent(Struct, gc=False):
    """A ``sent`` entry and its time."""

    kind: Literal["sent"]  # no tag: msgspec 0.22.0 takes an object without one, where the type is no union
    seat: str
    author: str
    technique: str
    n: Number
    text: str
    at: Number = 0


_sent: Decoder[_Sent] = Decoder(_Sent)


class _Joined(Struct, tag_field="kind", tag="joined"):
    """A ``joined`` entry without its key."""

    seat: str
    author: str
    technique: str
    node: str


_joined: Decoder[_Joined] = Decoder(_Joined)


def pack(body: Body, at: int) -> bytes:
    """Return the message's body for an entry.

    Args:
        body: the entry's body.
        at: ms UTC.
    """
    return b'{"at":%d,' % at + encode(body)[1:]


class EntryProperties(Struct):
    """The properties of an entry's message, encoded: pika needs as long for them as for all the rest."""

    INDEX: ClassVar[int] = 60
    """The class of AMQP; pika asks for it where a body takes several frames."""
    encoded: bytes

    def encode(self) -> list[bytes]:
        """Return the pieces of what stands on the wire, as `pika.BasicProperties` does."""
        return [self.encoded]


_BEGIN = b"\x90\xe0\x10application/json\x02"
"""Which properties there are, the content type and the delivery mode (AMQP 0-9-1, 4.2.6.1)."""
_TIME = struct.Struct(">Q")


def properties(body: Body, at: int, id: str) -> EntryProperties:
    """Return the message's properties.

    Args:
        body: the entry's body.
        at: ms UTC; AMQP's timestamp has seconds.
        id: the ``message_id``; its publisher recognises the message by it.
    """
    name = id.encode()
    return EntryProperties(
        b"".join((_BEGIN, bytes((len(name),)), name, _TIME.pack(at // 1000), _type(kind(body))))
    )


@cache
def _type(kind: str) -> bytes:
    """Return the property ``type`` of an entry's message, as it stands on the wire."""
    name = f"{APP}.{kind}".encode()
    return bytes((len(name),)) + name


def kind(body: Body) -> str:
    """Return the kind of an entry, e.g. ``sent``."""
    return str(body.__struct_config__.tag)


class NoEntry(ChatError):
    """A message of a stream is no entry, and every reader ignores it; the text says why."""


def unpack(offset: int, data: bytes) -> Entry:
    """Return the entry in a message.

    The answer depends on the bytes alone, because it must be the same for every reader.

    Args:
        offset: the message's offset in the stream. The entry's seq is one more.
        data: the message's body.

    Raises:
        NoEntry: the message is none.
    """
    if len(data) > MAX_BODY:
        raise NoEntry(f"it has {len(data)} bytes, and at most {MAX_BODY} are read")
    if (said := read_sent(offset, data)) is not None:
        return said
    try:
        body = _keyed(_decode(data))
        at = _time.decode(data).at
        _check(body)
    except (BadRequest, BadText, BadName) as error:
        raise NoEntry(str(error)) from None
    return Entry(offset + 1, at, body)


def read_sent(offset: int, data: bytes) -> Entry | None:
    """Return the entry of a message of somebody, which nearly every one is, in half of the time.

    None: it is another one, or something is wrong with it, which `unpack` tells.
    """
    if b'"sent"' not in data:
        return None
    try:
        said = _sent.decode(data)
        # With the strings of those before it: a reader may hold thousands.
        seat, author, technique = _seat(said.seat), _nick(said.author), _word("technique", said.technique)
        clean_text(said.text)
    except (BadRequest, BadText, BadName):
        return None
    if not said.n:
        return None
    return Entry(offset + 1, said.at, Sent(seat, author, technique, said.n, said.text))


def _decode(data: bytes) -> Body:
    """Return the body. In ``joined`` the key may be missing or of another type: readers ignore it."""
    try:
        return decode_body(data)
    except BadRequest as error:
        if "key`" not in str(error):
            raise
    joined = _joined.decode(data)
    return Joined(joined.seat, joined.author, "", joined.technique, joined.node)


def _keyed(body: Body) -> Body:
    """Return the body with the keys that belong to its authors, whatever its publisher took for them.

    Few languages have the full case folding, and a wrong key would keep a publisher out without a word.
    """
    match body:
        case Joined():
            return replace(body, key=nick_key(body.author))
        case Checkpoint():
            members = tuple(replace(one, key=nick_key(one.author)) for one in body.members)
            return replace(body, members=members)
    return body


def _check(body: Body) -> None:
    """Raise an error for an entry that no server would have appended."""
    match body:
        case Opened():
            _word("epoch", body.epoch)
        case Checkpoint():
            _word("epoch", body.epoch)
            for state in body.members:
                _member(state)
        case Joined() | Resumed() | Left():
            _member(body)
        case Sent() | Edited() | Deleted():
            _seat(body.seat)
            _nick(body.author)
            _word("technique", body.technique)
            if not isinstance(body, Deleted):
                clean_text(body.text)
            if not body.n:
                raise BadRequest("n: the drafts of a seat are counted from 1")


def _member(who: Joined | Resumed | Left | SeatState) -> None:
    _seat(who.seat)
    _nick(who.author)
    _word("technique", who.technique)
    _word("node", who.node)


@lru_cache(4096)  # the same few values in every message, and one string for each; an error is not cached
def _seat(name: str) -> str:
    if not _SEAT.fullmatch(name):
        raise BadName(f"seat {shorten(printable(name), 64)!r}: 24 hexadecimal digits, in lower case")
    return name


@lru_cache(4096)
def _nick(author: str) -> str:
    clean_nick(author)
    return author


@lru_cache(4096)
def _word(field: str, word: str) -> str:
    if not _WORD.fullmatch(word):
        raise BadName(
            f"{field} {shorten(printable(word), 64)!r}: 1 to 64 letters (a-z, A-Z), digits and . _ -, "
            "beginning with a letter or a digit"
        )
    return word
