"""Encodes an entry of a room's log as an AMQP message, and decodes it.

Only the message's body counts: the entry's body as JSON, with ``at`` in the same object. The properties
repeat some of it for people that look at a queue, and for filters. Anybody with the broker's password may
publish anything. So every reader checks what a server checks before it appends an entry.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pika
from msgspec import Struct

from chat.domain.errors import BadName, BadRequest, BadText
from chat.domain.json_codec import Decoder, decode_body, encode
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
from chat.domain.validation import clean_nick, clean_text, nick_key

MAX_BODY = 1024 * 1024
"""Bytes of an entry's message at most. The checkpoint of a full room has some 400,000."""
APP = "chat"
_SEAT = re.compile(r"[0-9a-f]{24}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a technique, a node, an epoch


class _Time(Struct):
    at: Number = 0


_time: Decoder[_Time] = Decoder(_Time)


def pack(body: Body, at: int) -> bytes:
    """Return the message's body for an entry.

    Args:
        body: the entry's body.
        at: ms UTC.
    """
    return b'{"at":%d,' % at + encode(body)[1:]


def properties(body: Body, at: int, id: str) -> pika.BasicProperties:
    """Return the message's properties.

    Args:
        body: the entry's body.
        at: ms UTC; AMQP's timestamp has seconds.
        id: the ``message_id``; its publisher recognises the message by it.
    """
    return pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        timestamp=at // 1000,
        type=f"{APP}.{kind(body)}",
        message_id=id,
    )


def kind(body: Body) -> str:
    """Return the kind of an entry, e.g. ``sent``."""
    return str(body.__struct_config__.tag)


def unpack(offset: int, data: bytes) -> Entry | None:
    """Return the entry in a message, or None if the message is no entry.

    The answer depends on the bytes alone, because it must be the same for every reader.

    Args:
        offset: the message's offset in the stream. The entry's seq is one more.
        data: the message's body.
    """
    if len(data) > MAX_BODY:
        return None
    try:
        body = decode_body(data)
        at = _time.decode(data).at
        _check(body)
    except (BadRequest, BadText, BadName):
        return None
    return Entry(offset + 1, at, body)


def _check(body: Body) -> None:
    """Raise an error for an entry that no server would have appended."""
    match body:
        case Opened():
            _word(body.epoch)
        case Checkpoint():
            _word(body.epoch)
            for state in body.members:
                _member(state)
        case Joined():
            _member(body)
        case Resumed() | Left():
            _seat(body.seat)
            _nick(body.author)
            _word(body.technique, body.node)
        case Sent() | Edited() | Deleted():
            _seat(body.seat)
            _nick(body.author)
            _word(body.technique)
            if not isinstance(body, Deleted):
                clean_text(body.text)
            if not body.n:
                raise BadRequest("a draft needs a number")


def _member(who: Joined | SeatState) -> None:
    _seat(who.seat)
    _word(who.technique, who.node)
    clean_nick(who.author)
    if who.key != nick_key(who.author):
        raise BadName("the key of a nick is its casefold")


@lru_cache(4096)  # the same few values in every message; an error is not cached
def _seat(name: str) -> None:
    if not _SEAT.fullmatch(name):
        raise BadName("a seat has 24 hexadecimal digits")


@lru_cache(4096)
def _nick(author: str) -> None:
    clean_nick(author)


@lru_cache(4096)
def _word(*words: str) -> None:
    for word in words:
        if not _WORD.fullmatch(word):
            raise BadName(f"no name for a technique, a node or an epoch: {word[:64]!r}")
