"""Decodes AMQP 0-9-1 for whoever looks at the wire: a frame for each of its frames.

The files beside it do the parts: what pika knows of the methods, the values, and messages over several
frames. https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf is the specification.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, NamedTuple

from backends.rabbitmq.decoding_content import Content, Held
from backends.rabbitmq.decoding_spec import Method, methods, properties
from backends.rabbitmq.decoding_values import Reader, derived
from backends.rabbitmq.names import PROTOCOL_HEADER
from chat.interfaces.frames import MASK, Direction, Field, Frame, Role, raw_frame
from chat.transport.decoding.secrets import TAIL, mark_secrets
from chat.transport.decoding.stream import StreamDecoder, Undecodable
from chat.transport.decoding.text import one_line

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
"""The types of frames (AMQP 0-9-1, 4.2.3)."""
FRAME_END = 0xCE
HEAD = 7
"""Bytes before the payload of a frame: its type, channel and size."""
MAX_CHANNELS = 256
"""Channels that are remembered; for one more the oldest is forgotten."""
MAX_UNANSWERED = 20_000
"""Messages of a connection whose acknowledgement is waited for."""
MAX_CALLS = 100
"""Calls of a channel whose answer is waited for; a client waits for each before the next."""

_TYPES = {METHOD: "METHOD", HEADER: "HEADER", BODY: "BODY", HEARTBEAT: "HEARTBEAT"}
_CONNECTION = 10
"""The class of logging in; what is not known of it may hold a password."""
_SECRETS = {
    "Connection.StartOk": ("response",),
    "Connection.SecureOk": ("response",),
    "Connection.UpdateSecret": ("new-secret",),
}
"""Arguments that hold a password, whatever the mechanism (SASL, RFC 4422)."""
_SETUP = (
    *("Connection.", "Channel.", "Exchange.", "Queue.", "Confirm."),
    *("Basic.Consume", "Basic.Qos", "Basic.Cancel"),
)
_CONTROL = ("Connection.Blocked", "Connection.Unblocked", "Channel.Flow")
_ACKS = ("Basic.Ack", "Basic.Nack", "Basic.Reject")


def make_decoder(transport: str) -> AmqpDecoder:
    """Return the decoder of one connection; what carries it is always TCP."""
    return AmqpDecoder()


class AmqpDecoder(StreamDecoder):
    """AMQP 0-9-1, as RabbitMQ and its clients speak it."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = [False, False]
        self._foreign = [False, False]  # it does not speak AMQP
        self._tails: list[bytes | None] = [None, None]  # the end of what nothing could decode
        self._open = False  # nothing that comes now holds a password
        self._channels: OrderedDict[int, _Channel] = OrderedDict()
        self._held, self._waiting = Held(), _Waiting()

    def parse(self, direction: Direction, data: bytearray, ended: bool) -> Frame | None:
        if not self._begun[direction]:
            if PROTOCOL_HEADER.startswith(data[:4]):
                return self._protocol_header(direction, data)
            if direction is Direction.UP or data[0] != METHOD:
                self._foreign[direction] = True
                raise Undecodable("not AMQP 0-9-1: no protocol header")
        if data[0] not in _TYPES:
            raise Undecodable(f"a frame of the type {data[0]}")
        if len(data) < HEAD:
            return None
        size = HEAD + int.from_bytes(data[3:HEAD], "big") + 1
        if len(data) < size:
            self.wait_for(direction, size)
            return None
        if data[size - 1] != FRAME_END:
            raise Undecodable(f"the last octet of a frame is {data[size - 1]:#04x}, and not 0xce")
        self._begun[direction] = True
        return self._frame(direction, bytes(data[:size]))

    def _protocol_header(self, direction: Direction, data: bytearray) -> Frame | None:
        size = len(PROTOCOL_HEADER)
        if len(data) < size:
            return None
        header = bytes(data[:size])
        self._begun[direction] = True
        version = "-".join(str(byte) for byte in header[5:])
        root = Field("protocol header", f"AMQP {version}", (0, size))
        root.add("name", "AMQP", (0, 4))
        root.add("protocol id", header[4], (4, 5))
        root.add("version", version, (5, 8), "envelope")
        frame = Frame("AMQP", "protocol header", header, root, f"AMQP {version}", "setup")
        frame.answer = direction is Direction.DOWN
        return frame

    def raw(self, direction: Direction, data: bytes, problem: str) -> Frame:
        frame = raw_frame(data, problem)
        if self._open or self._foreign[direction]:
            before = self._tails[direction]
            if before is None and not self._foreign[direction]:
                before = b""  # it begins in the middle of something
            mark_secrets(frame.root, data, before=before)
            self._tails[direction] = ((before or b"") + data)[-TAIL:]
        else:  # a login may be in it
            frame.root.value, frame.root.secret = MASK, True
        return frame

    def _frame(self, direction: Direction, data: bytes) -> Frame:
        kind, number, end = data[0], int.from_bytes(data[1:3], "big"), len(data) - 1
        root = Field(f"{_TYPES[kind].lower()} frame", f"channel {number}, {end - HEAD} bytes", (0, len(data)))
        root.add("type", f"{kind} {_TYPES[kind]}", (0, 1))
        root.add("channel", number, (1, 3), "envelope")
        root.add("size", end - HEAD, (3, HEAD))
        frame = Frame("AMQP", _TYPES[kind].lower(), data, root)
        frame.stream = f"channel {number}" if number else ""
        channel = self._channel(number)
        try:
            match kind:
                case 1:
                    self._method(direction, channel, frame)
                case 2:
                    _content_header(direction, channel, frame)
                case 3:
                    _content_body(direction, channel, frame)
                case _:
                    root.add("payload", f"{end - HEAD} bytes", (HEAD, end))
                    frame.summary = "heartbeat"
        except Undecodable as error:
            self._damaged(direction, channel, frame, str(error))
        root.add("frame-end", "0xce", (end, end + 1))
        return frame

    def _channel(self, number: int) -> _Channel:
        if number not in self._channels:
            if len(self._channels) >= MAX_CHANNELS:
                _, old = self._channels.popitem(last=False)
                old.forget()
            self._channels[number] = _Channel(number, self._held, self._waiting)
        return self._channels[number]

    def _damaged(self, direction: Direction, channel: _Channel, frame: Frame, reason: str) -> None:
        """Note that a frame's payload makes no sense; those that follow may."""
        channel.drop(direction)
        del frame.root.fields[3:]
        payload = frame.root.add("undecodable", "", (HEAD, len(frame.data) - 1), "envelope")
        if self._open:
            mark_secrets(payload, frame.data[HEAD:-1], HEAD, before=b"")
        else:
            payload.value, payload.secret = MASK, True
        frame.problem, frame.role = reason, "raw"
        frame.summary = f"{frame.kind}, undecodable: {reason}"

    # --- methods -------------------------------------------------------------------------------

    def _method(self, direction: Direction, channel: _Channel, frame: Frame) -> None:
        data, end = frame.data, len(frame.data) - 1
        reader = Reader(data, HEAD, end)
        ids = reader.number(2), reader.number(2)
        method = methods().get(ids)
        if method is None:
            method = Method(f"class {ids[0]} method {ids[1]}", (), False, False)
        frame.kind = method.name
        channel.drop(direction)  # a method ends a message that is not complete
        field = frame.root.add(method.name, "", (HEAD, end), "envelope")
        field.add("class", ids[0], (HEAD, HEAD + 2))
        field.add("method", ids[1], (HEAD + 2, HEAD + 4))
        values = reader.arguments(field, method.arguments, _SECRETS.get(method.name, ()))
        if reader.at < end:
            rest = field.add("more arguments", "", (reader.at, end))
            if ids[0] == _CONNECTION:
                rest.value, rest.secret = MASK, True
            else:
                mark_secrets(rest, data[reader.at : end], reader.at)
        if method.name == "Connection.Open":
            self._open = True
        frame.call = derived(field)
        del frame.call.fields[:2]  # its class and itself are the name
        _lift_bits(frame.call)
        frame.role = _role(method.name)
        frame.summary = one_line(f"{method.name} {_brief(frame.call)}".rstrip())
        channel.take(direction, method, values, frame)


def _role(name: str) -> Role:
    if name in ("Basic.Get", "Basic.GetEmpty"):
        return "poll"
    if name.startswith(_CONTROL) or not name.startswith((*_SETUP, "Basic.")):
        return "control"
    if name.startswith(_SETUP):
        return "setup"
    return "control" if name in _ACKS else "message"


def _lift_bits(call: Field) -> None:
    """Show each bit as an argument of its own."""
    lifted: list[Field] = []
    for one in call.fields:
        lifted += one.fields if one.name == "bits" else [one]
    call.fields = lifted


def _brief(call: Field) -> str:
    """Return the arguments that say something on a line."""
    parts = []
    for one in call.fields:
        value = one.value
        if one.fields:
            value = "{" + ", ".join(f"{below.name}: {below.value}" for below in one.fields[:8]) + "}"
        if value and value not in ("0", "0 fields"):
            parts.append(f"{one.name}={value}")
    return " ".join(parts)


# --- messages ------------------------------------------------------------------------------------


def _content_header(direction: Direction, channel: _Channel, frame: Frame) -> None:
    data, end = frame.data, len(frame.data) - 1
    frame.kind = "content header"
    field = frame.root.add("content header", "", (HEAD, end), "envelope")
    reader = Reader(data, HEAD, end)
    field.add("class-id", reader.number(2), (HEAD, HEAD + 2), "framing")
    field.add("weight", reader.number(2), (HEAD + 2, HEAD + 4), "framing")
    size = reader.number(8)
    field.add("body size", size, (HEAD + 4, HEAD + 12), "framing")
    known, start = properties(), reader.at
    flags = reader.number(2)
    if flags & 1:
        raise Undecodable("property flags that the class Basic does not have")
    field.add("property flags", f"0x{flags:04x}", (start, reader.at), "framing")
    listing = field.add("property list", "", (reader.at, end), "envelope")
    there = [one for place, one in enumerate(known) if flags >> 15 - place & 1]
    values = reader.arguments(listing, there)
    if reader.at < end:
        raise Undecodable(f"{end - reader.at} bytes after the last property")
    frame.summary = one_line(f"content header, {size} bytes of body {_brief(derived(listing))}".rstrip())
    content = channel.contents[direction]
    if content is None:
        raise Undecodable("a content header without a method before it")
    content.add(frame)
    content.header(size, values, listing)
    if content.complete:
        channel.drop(direction)


def _content_body(direction: Direction, channel: _Channel, frame: Frame) -> None:
    end = len(frame.data) - 1
    frame.kind = "content body"
    content = channel.contents[direction]
    if content is None:
        raise Undecodable("a content body without a content header before it")
    field = frame.root.add("content body", f"{end - HEAD} bytes", (HEAD, end), "envelope")
    content.add(frame)
    content.body(frame, field, frame.data[HEAD:end])
    if content.complete:
        channel.drop(direction)


class _Call(NamedTuple):
    """A call that waits for its answer."""

    name: str
    stream: str
    role: Role


class _Waiting:
    """How many messages of a connection wait for their acknowledgement."""

    def __init__(self) -> None:
        self.count = 0


class _Channel:
    """One channel: the messages under way, and what waits for its answer."""

    def __init__(self, number: int, held: Held, waiting: _Waiting) -> None:
        self.contents: list[Content | None] = [None, None]
        """The message of each direction whose frames have not all come."""
        self._number = number
        self._held, self._waiting = held, waiting
        self._confirms = False
        self._published = 0
        self._calls: tuple[deque[_Call], ...] = (deque(), deque())  # by direction
        self._called = 0
        # The drafts and seqs of messages that may be acknowledged, by delivery tag.
        self._unanswered: tuple[OrderedDict[int, tuple[set[int], set[int]]], ...] = (
            OrderedDict(),  # those that were published
            OrderedDict(),  # those that were delivered
        )

    def drop(self, direction: Direction) -> None:
        """Let go of the message of a direction."""
        content = self.contents[direction]
        if content is not None:
            content.release()
            self.contents[direction] = None

    def forget(self) -> None:
        """Let go of everything."""
        for direction in Direction:
            self.drop(direction)
            self._waiting.count -= len(self._unanswered[direction])

    def take(self, direction: Direction, method: Method, values: dict[str, Any], frame: Frame) -> None:
        """Take note of a method: it begins a message, acknowledges some, asks or answers."""
        if method.content:
            assert frame.call is not None
            content = self.contents[direction] = Content(direction, values, frame.call, self._held)
            self._number_of(direction, method, values, frame, content)
            content.stream = frame.stream
            content.add(frame)
        elif method.name in _ACKS:
            self._acknowledge(direction.back, values, frame)
        elif not self._answers(direction, method, frame) and method.synchronous:
            if method.name == "Confirm.Select":
                self._confirms = True
            if values.get("passive"):  # it only asks whether something is there: our ping
                frame.role = "control"
            self._called += 1
            frame.stream = f"channel {self._number}, {method.name} {self._called}"
            if not values.get("no-wait") and len(self._calls[direction]) < MAX_CALLS:
                self._calls[direction].append(_Call(method.name, frame.stream, frame.role))

    def _number_of(
        self, direction: Direction, method: Method, values: dict[str, Any], frame: Frame, content: Content
    ) -> None:
        """Give a message the number that an acknowledgement of it will name."""
        if method.name == "Basic.Publish" and self._confirms:
            self._published += 1
            tag, what = self._published, "publish"
        elif method.name == "Basic.GetOk":
            self._answers(direction, method, frame)
            tag, what = values["delivery-tag"], "delivery"
        elif method.name == "Basic.Deliver":
            tag, what = values["delivery-tag"], "delivery"
        else:
            return
        frame.stream = f"channel {self._number}, {what} {tag}"
        waiting = self._unanswered[direction]
        self._waiting.count += tag not in waiting
        waiting[tag] = content.drafts, content.seqs
        if self._waiting.count > MAX_UNANSWERED:
            waiting.popitem(last=False)
            self._waiting.count -= 1

    def _acknowledge(self, direction: Direction, values: dict[str, Any], frame: Frame) -> None:
        """Mark an acknowledgement with what it acknowledges of the messages of a direction."""
        tag = values["delivery-tag"]
        what = "publish" if direction is Direction.UP else "delivery"
        frame.stream, frame.answer = f"channel {self._number}, {what} {tag}", True
        waiting = self._unanswered[direction]
        if values.get("multiple"):
            tags = [one for one in waiting if one <= tag or not tag]
        else:
            tags = [tag] if tag in waiting else []
        for one in tags:
            drafts, seqs = waiting.pop(one)
            frame.drafts |= drafts
            frame.seqs |= seqs
        self._waiting.count -= len(tags)
        if frame.drafts:
            frame.role = "message"  # the broker answers a draft

    def _answers(self, direction: Direction, method: Method, frame: Frame) -> bool:
        """Return whether a method answers a call of the other side; if so, pair them."""
        calls = self._calls[direction.back]
        if not calls or method.name == calls[0].name or not method.name.startswith(calls[0].name):
            if method.name == "Channel.Close":  # what waited on this channel is not answered any more
                calls.clear()
            return False
        call = calls.popleft()
        frame.stream, frame.answer = call.stream, True
        if call.role == "control":
            frame.role = "control"
        return True
