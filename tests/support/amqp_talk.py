"""Frames of AMQP that pika has made, and what our decoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pika
from pika import spec

import backends
from backends.rabbitmq import names
from backends.rabbitmq.codec import pack, properties
from backends.rabbitmq.decoder import make_decoder
from chat.domain.model import Sent
from chat.interfaces.frames import Direction, Frame
from tests.support import captures
from tests.support.captures import Piece

RABBITMQ = backends.technique("rabbitmq")
UP, DOWN = Direction
SEAT = "850358367bd6586fd9bf2ccd"
SENT = Sent(SEAT, "ann", "rabbitmq", 1, "hällo")
AT = 1795393822791
LOGIN = [
    (UP, names.PROTOCOL_HEADER),
    (UP, pika.frame.Method(0, spec.Connection.StartOk({}, "PLAIN", "\0ann\0PASSWORD", "en_US")).marshal()),
    (UP, pika.frame.Method(0, spec.Connection.Open("/")).marshal()),
]

Said = tuple[Direction, bytes]


def method(direction: Direction, one: Any, channel: int = 1) -> Said:
    """Return a method frame."""
    return direction, pika.frame.Method(channel, one).marshal()


def message(
    direction: Direction, one: Any, body: bytes, props: pika.BasicProperties, *, parts: int = 1
) -> list[Said]:
    """Return the frames of a message, the body in so many parts."""
    header = pika.frame.Header(1, len(body), props)
    size = max(1, -(-len(body) // parts))
    bodies = [pika.frame.Body(1, body[at : at + size]) for at in range(0, len(body), size)]
    return [(direction, frame.marshal()) for frame in (pika.frame.Method(1, one), header, *bodies)]


def published(entry: Any = SENT, *, parts: int = 1) -> list[Said]:
    """Return an entry as a client publishes it."""
    publish = spec.Basic.Publish(exchange=names.exchange("lab"))
    return message(UP, publish, pack(entry, AT), properties(entry, AT, "id-1"), parts=parts)


def delivered(tag: int, offset: int, entry: Any = SENT) -> list[Said]:
    """Return an entry as a broker delivers it from a stream."""
    props = spec.BasicProperties()
    props.decode(b"".join(properties(entry, AT, "id-1").encode()))
    props.headers = {"x-stream-offset": offset}
    deliver = spec.Basic.Deliver("ctag", tag, False, names.exchange("lab"), "")
    return message(DOWN, deliver, pack(entry, AT), props)


def to_queue(name: str) -> list[Said]:
    """Return an entry that is sent to a queue itself."""
    publish = spec.Basic.Publish(routing_key=name)
    return message(UP, publish, pack(SENT, AT), properties(SENT, AT, "id-1"))


def decode(*said: Said, login: Sequence[Said] = LOGIN) -> list[Frame]:
    """Return the frames after the login, in the order in which they came."""
    decoder = make_decoder("tcp")
    frames = [frame for direction, data in (*login, *said) for frame in decoder.feed(direction, data)]
    frames += [frame for direction in Direction for frame in decoder.end(direction)]
    captures.check_frames(frames, [Piece(0, "tcp", *one) for one in (*login, *said)])
    return frames[len(login) :]
