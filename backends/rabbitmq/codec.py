"""An entry of a room's log as an AMQP message, and back.

The body alone decides: the entry's body as JSON, with ``at`` in the same object. The properties say the
same to people who look at a queue, and to filters. Whoever has the broker's password may publish anything,
so everything that a server of ours would refuse at its door is refused here, by every reader alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

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
"""Bytes of a message that can be an entry: a checkpoint of a full room has some 400,000."""
APP = "chat"
_SEAT = re.compile(r"[0-9a-f]{24}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a technique, a node, an epoch


class _Time(Struct):
    at: Number = 0


_time: Decoder[_Time] = Decoder(_Time)


def pack(body: Body, at: int) -> bytes:
    """Return the message's body for an entry of that time (ms UTC)."""
    return b'{"at":%d,' % at + encode(body)[1:]


def properties(body: Body, at: int, id: str) -> pika.BasicProperties:
    """Return the properties that go with it; ``id`` is how its publisher recognises it."""
    return pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        timestamp=at // 1000,
        type=f"{APP}.{kind(body)}",
        message_id=id,
    )


def kind(body: Body) -> str:
    return str(body.__struct_config__.tag)


def unpack(offset: int, data: bytes) -> Entry | None:
    """Return the entry at this offset of the stream, or None for a message that is none.

    Every reader must arrive at the same answer, so it depends on the bytes alone.
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


def offset_of(headers: Mapping[str, Any] | None) -> int:
    """Return a delivered message's offset. Raises KeyError where it did not come from a stream."""
    return int((headers or {})["x-stream-offset"])


def _check(body: Body) -> None:
    """Raise an error for what no server of ours would have written."""
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


@lru_cache(4096)  # the same few, with every message; what raises is not kept
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
