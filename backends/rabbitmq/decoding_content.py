"""A message of AMQP for the decoder: its method, content header and body, and what it means to the chat."""

from __future__ import annotations

from typing import Any

from backends.rabbitmq.codec import APP, MAX_BODY
from backends.rabbitmq.decoding_values import derived
from chat.domain.json_codec import EVENT_KINDS
from chat.interfaces.frames import MASK, Direction, Field, Frame, Role
from chat.transport.decoding.json_fields import add_json, summary_of, take_note
from chat.transport.decoding.secrets import mark_secrets
from chat.transport.decoding.stream import Undecodable

OFFSET = "x-stream-offset"
"""The header of a delivery that has its place in the stream (https://www.rabbitmq.com/docs/streams)."""
MAX_PARTS = 2_000
"""Frames of one message."""
MAX_HELD = 16 * 1024 * 1024
"""Bytes of all messages of a connection that are not complete."""

_JSON = "application/json"
_DRAFTS = ("sent", "edited", "deleted")
_SEATS = ("opened", "joined", "resumed", "left")
_QUEUES: dict[str, Role] = {
    f"{APP}.will.": "control",
    f"{APP}.node.": "setup",
    f"{APP}.rooms": "control",
}
"""What is sent to a queue itself, by the beginning of its name; see `backends.rabbitmq.names`."""


class Held:
    """The bytes of the messages of a connection that are not complete."""

    def __init__(self) -> None:
        self.size = 0


class Content:
    """A message that is published, delivered or returned: several frames that follow each other."""

    def __init__(self, direction: Direction, arguments: dict[str, Any], call: Field, held: Held) -> None:
        self.direction, self.arguments, self.call = direction, arguments, call
        self.stream = ""
        """See `Frame.stream`."""
        self.drafts: set[int] = set()
        self.seqs: set[int] = set()
        self.complete = False
        self._frames: list[Frame] = []
        self._held, self._holds = held, 0
        self._given_up = False
        self._properties: dict[str, Any] = {}
        self._size = 0
        self._body = bytearray()
        self._parts: list[tuple[Field, int]] = []  # the field of each part of the body, and where it begins

    @property
    def role(self) -> Role:
        """What the message is for, as far as its method tells."""
        key = str(self.arguments.get("routing-key", ""))
        if self.arguments.get("exchange", "") == "":
            for begin, role in _QUEUES.items():
                if key.startswith(begin):
                    return role
        return "message"

    def add(self, frame: Frame) -> None:
        """Add a frame of the message."""
        frame.call, frame.role = self.call, self.role
        frame.stream = self.stream or frame.stream
        if not self._given_up:
            self._frames.append(frame)
            self._holds += len(frame.data)
            self._held.size += len(frame.data)
            if len(self._frames) > MAX_PARTS or self._held.size > MAX_HELD:
                self._give_up()

    def _give_up(self) -> None:
        """Keep nothing of the message: it is too long."""
        self._given_up = True
        self.release()

    def release(self) -> None:
        """Let go of the frames: the message is complete, or its end will not come."""
        self._held.size -= self._holds
        self._holds = 0
        self._frames.clear()
        self._body.clear()
        self._parts.clear()

    def header(self, size: int, properties: dict[str, Any], field: Field) -> None:
        """Take note of the content header.

        Args:
            size: bytes of the body.
            properties: by name.
            field: of the properties.
        """
        self._size, self._properties = size, properties
        self.call.fields.append(derived(field))
        self.call.fields[-1].name = "properties"
        if size > MAX_BODY:  # no reader takes it for an entry, see `codec.unpack`
            self._give_up()
        elif not size and not self._given_up:
            self._finish()

    def body(self, frame: Frame, field: Field, data: bytes) -> None:
        """Take note of a frame of the body.

        Args:
            frame: that carries it.
            field: of the part of the body in it.
            data: the part.
        """
        if self._given_up:
            mark_secrets(field, data, field.span[0] if field.span else 0, before=b"")
            frame.summary = f"content body, {len(data)} of {self._size} bytes"
            return
        self._parts.append((field, len(self._body)))
        self._body += data
        if len(self._body) > self._size:
            raise Undecodable(f"a body of more than the {self._size} bytes that were announced")
        if len(self._body) == self._size:
            self._finish()
        else:  # a seat key may be in it; what it means shows at its end
            field.value, field.secret = MASK, True
            frame.summary = f"content body, part of {self._size} bytes"

    def _finish(self) -> None:
        self.complete = True
        last, data = self._frames[-1], bytes(self._body)
        whole = Field("body", f"{len(data)} bytes", (0, len(data)), "envelope")
        value: Any = None
        chat = str(self._properties.get("type", "")).startswith(f"{APP}.")
        if self._properties.get("content-type") == _JSON or chat or data[:1] == b"{":
            try:
                value = add_json(whole, data)
            except Undecodable as error:
                whole.fields.clear()
                mark_secrets(whole, data)
                if self._properties.get("content-type") == _JSON:
                    last.problem = str(error)
        else:
            mark_secrets(whole, data)
        for field, start in self._parts:
            assert field.span is not None
            size = field.span[1] - field.span[0]
            field.value, field.secret = f"{size} bytes", False
            _clip(whole, field, (start, start + size), field.span[0] - start)
        if self._parts:
            last.summary = f"content body, {summary_of(value) if value is not None else whole.value}"
            self.call.fields.append(derived(whole))
        if isinstance(value, dict):
            self._note(value, last)
        self.release()

    def _note(self, value: dict[str, Any], last: Frame) -> None:
        """Take note of an entry: of its draft when it is published, of its seq when it is delivered."""
        kind, n = value.get("kind"), value.get("n")
        role: Role = self.role
        if self.direction is Direction.UP:
            if kind in _DRAFTS and type(n) is int and n > 0 and role == "message":
                self.drafts.add(n)
            elif kind in _SEATS and role == "message":
                role = "setup"
        offset = (self._properties.get("headers") or {}).get(OFFSET)
        if kind in EVENT_KINDS and type(offset) is int and offset >= 0:
            self.seqs.add(offset + 1)
        if kind == "checkpoint":
            role = "control"
        noted = Frame("", "", b"", Field(""))
        take_note(noted, {**value, "seq": 0})
        last.texts += noted.texts
        for frame in self._frames:
            frame.role = role
            frame.drafts |= self.drafts
            frame.seqs |= self.seqs


def _clip(source: Field, target: Field, window: tuple[int, int], shift: int) -> None:
    """Copy the fields below ``source`` that have bytes in the window, to their place in a frame."""
    for one in source.fields:
        if one.span is None or one.span[1] <= window[0] or one.span[0] >= window[1]:
            continue
        span = max(one.span[0], window[0]) + shift, min(one.span[1], window[1]) + shift
        _clip(one, target.add(one.name, one.value, span, one.part, secret=one.secret), window, shift)
