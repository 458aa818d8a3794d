"""Our reading of frames, beside pika's: the same deliveries and confirms, wherever the bytes are cut."""

from __future__ import annotations

import asyncio
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import exceptions, frame, spec

from backends.rabbitmq.codec import kind
from backends.rabbitmq.codec import properties as entry_properties
from backends.rabbitmq.pika_connection import BatchingConnection, read_stream_offset, stream_offset
from chat.domain.model import Body, Deleted, Opened, Sent

ROOT = Path(__file__).parents[4]
CHANNEL, TAG = 3, "ctag3.0"
OFFSET = {"x-stream-offset": pika.data.long(2**40 + 5)}
OURS = {
    "content_type": "application/json",
    "delivery_mode": 2,
    "timestamp": 1_700_000_000,
    "type": "chat.sent",
}


def properties(**more: Any) -> spec.BasicProperties:
    return spec.BasicProperties(headers=OFFSET, **(OURS | {"message_id": "node-17"} | more))


def delivery(
    body: bytes = b"hello", *, channel: int = CHANNEL, tag: str = TAG, number: int = 1, pieces: int = 1
) -> list[bytes]:
    """Return the frames of a delivery."""
    size = -(-len(body) // pieces) or 1
    return [
        frame.Method(channel, spec.Basic.Deliver(tag, number, False, "chat.room.lab", "")).marshal(),
        frame.Header(channel, len(body), properties(message_id=f"node-{number}")).marshal(),
        *(frame.Body(channel, body[at : at + size]).marshal() for at in range(0, len(body), size)),
    ]


def confirm(number: int, *, channel: int = CHANNEL, multiple: bool = False) -> bytes:
    return bytes(frame.Method(channel, spec.Basic.Ack(number, multiple)).marshal())


class Connection(BatchingConnection):
    """Ours, without a broker; what it leaves to pika is noted."""

    def __init__(self, *, quick: bool = True) -> None:
        parameters = pika.ConnectionParameters()
        super().__init__(
            parameters, custom_ioloop=asyncio.get_running_loop(), internal_connection_workflow=False
        )
        self.heard: list[tuple[object, ...]] = []
        self.left: list[Any] = []
        self._content: list[Any] = []
        if quick:
            self.streams[CHANNEL, TAG.encode()] = self._quickly
            self.confirms[CHANNEL] = lambda number, multiple: self.heard.append((number, multiple))

    def _quickly(self, number: int, properties: bytes, body: bytes) -> None:
        self.heard.append((number, *read_stream_offset(properties), body))

    def _process_frame(self, value: Any) -> None:
        """Note a frame that pika has decoded; put the frames of a delivery together as its channels do."""
        self.left.append(value)
        if isinstance(value, frame.Method) and isinstance(value.method, spec.Basic.Ack):
            self.heard.append((value.method.delivery_tag, value.method.multiple))
        elif isinstance(value, frame.Method):
            self._content = [value]
        elif isinstance(value, frame.Header | frame.Body):
            self._content.append(value)
            method, header, *parts = self._content
            body = b"".join(part.fragment for part in parts)
            if len(body) == header.body_size:
                self.heard.append((method.method.delivery_tag, *stream_offset(header.properties), body))

    def feed(self, data: bytes) -> None:
        self._on_data_available(data)


TRAFFIC = b"".join(
    [
        *delivery(number=1),
        confirm(1),
        *delivery(b"in two", number=2, pieces=2),
        *delivery(b"", number=3),
        *delivery(b"another's", number=1, tag="ctag4.0", channel=4),
        confirm(5, multiple=True),
        confirm(1, channel=4),
        frame.Heartbeat().marshal(),
        *delivery(b"x" * 3000, number=4),
    ]
)


@pytest.fixture
async def pika_alone() -> list[tuple[object, ...]]:
    connection = Connection(quick=False)
    connection.feed(TRAFFIC)
    return connection.heard


async def test_wherever_the_bytes_are_cut_it_is_what_pika_reads(pika_alone: list[tuple[object, ...]]) -> None:
    assert len(pika_alone) == 8
    for size in (*range(1, 200, 3), 1000, len(TRAFFIC)):
        connection = Connection()
        for at in range(0, len(TRAFFIC), size):
            connection.feed(TRAFFIC[at : at + size])
        assert connection.heard == pika_alone
        assert connection.bytes_received == len(TRAFFIC)


async def test_what_is_whole_needs_no_object_of_pika() -> None:
    connection = Connection()
    connection.feed(
        b"".join([*delivery(number=1), confirm(1), *delivery(number=2), confirm(2, multiple=True)])
    )
    assert [one[0] for one in connection.heard] == [1, 1, 2, 2]
    assert connection.left == []


async def test_a_channel_that_has_ended_is_pikas_again() -> None:
    connection = Connection()
    connection.streams[4, b"ctag4.0"] = lambda *_: None
    connection.forget(CHANNEL)
    assert list(connection.streams) == [(4, b"ctag4.0")]
    connection.feed(b"".join([*delivery(), confirm(1)]))
    assert len(connection.left) == 4


@pytest.mark.parametrize("end", range(3))
async def test_a_frame_without_its_end_is_an_error_as_in_pika(end: int) -> None:
    frames = delivery()
    frames[end] = frames[end][:-1] + b"\0"
    with pytest.raises(exceptions.InvalidFrameError):
        Connection().feed(b"".join(frames))


async def test_nothing_is_read_behind_the_end_of_a_connection() -> None:
    connection = Connection()

    def ends(number: int, multiple: bool) -> None:
        connection._frame_buffer = b""  # as pika does it
        connection.heard.append((number, multiple))

    connection.confirms[CHANNEL] = ends
    connection.feed(confirm(1) + confirm(2))
    assert connection.heard == [(1, False)]
    assert connection._frame_buffer == b""


@pytest.mark.parametrize("mandatory", [True, False])
@pytest.mark.parametrize(("exchange", "key"), [("chat.room.lab", ""), ("", "chat.user.lab.ann")])
async def test_a_message_is_written_as_pika_writes_it(exchange: str, key: str, mandatory: bool) -> None:
    ours, theirs = Connection(), Connection()
    for connection in (ours, theirs):
        connection._body_max_length = 100
    body, sent = b"hello", properties()
    assert ours.publish(CHANNEL, exchange, key, body, sent, mandatory)
    publish = spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
    theirs._send_message(CHANNEL, publish, (sent, body))
    assert b"".join(ours._frames) == b"".join(theirs._frames)
    assert (ours.bytes_sent, ours.frames_sent) == (theirs.bytes_sent, theirs.frames_sent)
    assert not ours.publish(CHANNEL, exchange, key, b"", sent, mandatory)  # these are pika's
    assert not ours.publish(CHANNEL, exchange, key, bytes(101), sent, mandatory)


@pytest.mark.parametrize(
    "body", [Sent("5ea7", "zoë", "tcp", 1, "hi"), Opened("e"), Deleted("5ea7", "zoë", "tcp", 2, 1)]
)
def test_the_properties_of_an_entry_are_as_pika_encodes_them(body: Body) -> None:
    ours = entry_properties(body, 1_700_000_000_123, "node-17")
    theirs = spec.BasicProperties(**OURS | {"message_id": "node-17", "type": f"chat.{kind(body)}"})
    assert b"".join(ours.encode()) == b"".join(theirs.encode())
    assert frame.Header(1, 7, ours).marshal() == frame.Header(1, 7, theirs).marshal()


ANY = st.fixed_dictionaries(
    {},
    optional={
        "content_type": st.text(max_size=20),
        "content_encoding": st.text(max_size=20),
        "delivery_mode": st.sampled_from([1, 2]),
        "priority": st.integers(0, 255),
        "correlation_id": st.text(max_size=20),
        "expiration": st.text(max_size=20),
        "message_id": st.text(max_size=60),
        "timestamp": st.integers(0, 2**40),
        "type": st.text(max_size=20),
        "app_id": st.text(max_size=20),
    },
)


@given(ANY, st.integers(0, 2**62), st.booleans())
def test_any_properties_are_read_as_pika_reads_them(given_: dict[str, Any], offset: int, more: bool) -> None:
    headers = {"x-stream-offset": pika.data.long(offset), **({"who": "else"} if more else {})}
    sent = spec.BasicProperties(headers=headers, **given_)
    assert read_stream_offset(b"".join(sent.encode())) == stream_offset(sent)


def test_the_version_is_bounded() -> None:
    """A newer pika is installed only after somebody has run these tests with it."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (bound,) = [one.partition("<")[2] for one in dependencies if one.startswith("pika")]
    assert bound == "1.5"
    assert version("pika").startswith("1.4.")
