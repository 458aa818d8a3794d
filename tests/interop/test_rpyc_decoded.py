"""What the RPyC library says on the wire, decoded: as a client of ours, and between its own two sides."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import rpyc
from rpyc.core import brine, channel
from rpyc.utils.server import OneShotServer

from backends import technique
from backends.rpyc.decoding_brine import read
from backends.rpyc.server import RpycServer
from chat.interfaces.address import Address
from chat.interfaces.frames import Direction, Frame
from chat.server.hub import Hub
from lab.wire.masking import walk
from lab.wire.tap import Tap
from tests.support.captures import check_frames, decode, pieces, same, split
from tests.support.processes import PATIENCE

T = TypeVar("T")

HEADER = channel.Channel.FRAME_HEADER


def frames_of(tap: Tap) -> list[Frame]:
    """Return the frames of what the tap has captured, each judged by the library's own reader."""
    label = technique("rpyc")
    capture = pieces(tap.capture.take())
    frames = decode(label, capture)
    check_frames(frames, capture)
    same(decode(label, split(capture, None)), frames)
    assert [frame.problem for frame in frames if frame.problem] == []
    for frame in frames:
        _, deflated = HEADER.unpack_from(frame.data)
        message = frame.data[HEADER.size : -1]
        message = zlib.decompress(message) if deflated else message
        assert read(message, 1).value == brine.load(message[1:])
    return frames


def through_a_tap(address: Address, speak: Callable[[Address], T]) -> tuple[T, list[Frame]]:
    """Return what ``speak`` returned, and the frames of what it said."""
    with Tap() as tap:
        said = speak(tap.relay(address))
        return said, frames_of(tap)


def talk(address: Address) -> int:
    """Say two things with the library alone, and return the seq of the first."""
    connection = rpyc.connect(address.host, address.port)
    thread = threading.Thread(target=connection.serve_all)
    thread.start()
    left = threading.Event()

    def on_event(**event: Any) -> None:
        if event["kind"] == "left":
            left.set()

    connection.root.login("me", "lab", on_event)
    seq = connection.root.send("typed by hand", 1)
    connection.root.send("y" * 3500, n=2)  # the library deflates what is longer than 3,000 bytes
    connection.root.history(None, None, 5)
    connection.root.leave()
    assert left.wait(PATIENCE)
    thread.join(PATIENCE)
    connection.close()
    return int(seq)


async def test_a_stock_client_in_our_room(hub: Hub) -> None:
    server = RpycServer(hub, Address("127.0.0.1", 0))
    seq, frames = await asyncio.to_thread(through_a_tap, await server.start(), talk)
    await server.stop()
    up = [frame for frame in frames if frame.direction is Direction.UP]
    down = [frame for frame in frames if frame.direction is Direction.DOWN]
    (sent,) = [frame for frame in up if "typed by hand" in frame.texts]
    assert (sent.drafts, sent.call and sent.call.name) == ({1}, "call send")
    assert any(seq in frame.seqs and frame.stream == sent.stream for frame in down if frame.answer)
    (event,) = [frame for frame in down if seq in frame.seqs and frame.kind == "MSG_REQUEST"]
    assert any(seq in frame.seqs and frame.stream == event.stream for frame in up if frame.answer)
    (deflated,) = [frame for frame in up if "y" * 3500 in frame.texts]
    assert deflated.drafts == {2}
    assert len(deflated.data) < 500
    assert any(field.secret for frame in down for field in walk(frame.root))


class Textbook(rpyc.Service):  # type: ignore[misc]
    """A service that is not the chat's: it returns an object by reference, and raises."""

    def exposed_items(self) -> list[int]:
        return [1, 2, 3]

    def exposed_echo(self, text: str) -> str:
        return text

    def exposed_fail(self) -> None:
        raise KeyError("gone")


def talk_with_a_stranger(address: Address) -> None:
    connection = rpyc.connect(address.host, address.port)
    connection.ping()
    items = connection.root.items()
    assert list(items) == [1, 2, 3]
    assert len(items) == 3
    assert "1" in repr(items)
    assert connection.root.echo("x" * 5000) == "x" * 5000
    try:
        connection.root.fail()
    except KeyError:
        connection.close()


def test_the_library_with_itself() -> None:
    server = OneShotServer(Textbook, hostname="127.0.0.1", port=0, protocol_config={"allow_all_attrs": True})
    thread = threading.Thread(target=server.start)
    thread.start()
    _, frames = through_a_tap(Address("127.0.0.1", server.port), talk_with_a_stranger)
    thread.join(PATIENCE)
    names = {frame.call.name.partition(" ")[0] for frame in frames if frame.call}
    assert names >= {"ping", "getroot", "getattr", "call", "inspect", "repr"}
    (failed,) = [frame for frame in frames if frame.kind == "MSG_EXCEPTION" and "KeyError" in frame.summary]
    assert failed.summary.startswith("call fail builtins.KeyError: gone")
    assert {frame.call.name for frame in frames if frame.call} >= {"call items", "call echo", "call fail"}
