"""A stopped wire: what waits at a real tap, and what becomes of it by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

import backends
from chat.domain.errors import BadRequest
from chat.domain.json_codec import encode
from chat.domain.model import Say
from chat.interfaces.address import Address
from chat.interfaces.frames import Frame
from lab.wire import by_hand
from lab.wire.by_hand import Deed
from lab.wire.capture import Transport
from lab.wire.tap import Tap
from lab.wire.trace import Trace


class Stopped:
    """A server that only listens, and the way to it through a tap whose wire is stopped."""

    def __init__(self, transport: Transport) -> None:
        self.transport: Transport = transport
        self.tap = Tap(loop=asyncio.get_running_loop())
        self.trace = Trace(self.tap.capture, backends.technique(transport).load_decoder())
        self.got: list[str] = []
        self._news = asyncio.Event()
        self._ends: list[Any] = []

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        listener: asyncio.BaseTransport | asyncio.Server
        if self.transport == "udp":
            listener, _ = await loop.create_datagram_endpoint(
                lambda: _Listener(self), local_addr=("127.0.0.1", 0)
            )
            where = listener.get_extra_info("sockname")
        else:
            listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            where = listener.sockets[0].getsockname()
        here = await asyncio.to_thread(self.tap.relay, Address(*where[:2]), self.transport)
        if self.transport == "udp":
            self._client, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(here.host, here.port)
            )
            self._send = self._client.sendto
        else:
            _, self._client = await asyncio.open_connection(here.host, here.port)  # type: ignore[assignment]
            self._send = self._client.write  # type: ignore[attr-defined]
        self._ends = [self._client, listener]
        await self.freeze(True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            async for line in reader:
                self.heard(line)
        writer.close()

    def heard(self, data: bytes) -> None:
        self.got.append(data.decode(errors="replace").split('"text":"')[1].split('"')[0])
        self._news.set()

    async def freeze(self, frozen: bool) -> None:
        await asyncio.to_thread(self.tap.freeze, frozen)

    async def say(self, *texts: str) -> list[Frame]:
        """Send messages, each by itself; return their frames when they are at the tap."""
        for text in texts:
            self._send(encode(Say(text, 1)) + (b"\n" if self.transport == "tcp" else b""))
            while not any(text in frame.texts for frame in self.trace.frames):
                self.trace.update()
                await asyncio.sleep(0.005)
        return [next(frame for frame in self.trace.frames if text in frame.texts) for text in texts]

    async def do(self, deed: Deed, frame: Frame, byte: int = 0) -> str:
        return await asyncio.to_thread(by_hand.do, self.tap, deed, frame, byte)

    async def hears(self, *texts: str) -> None:
        async with asyncio.timeout(5):
            while len(self.got) < len(texts):
                self._news.clear()
                await self._news.wait()
        assert self.got == list(texts)

    async def waiting(self) -> set[int]:
        held = await asyncio.to_thread(by_hand.waiting, self.tap)
        return by_hand.waiting_frames(self.trace.frames, held)

    async def close(self) -> None:
        await asyncio.to_thread(self.tap.close)
        for end in self._ends:
            end.close()
        await asyncio.sleep(0.01)


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, stopped: Stopped) -> None:
        self._stopped = stopped

    def datagram_received(self, data: bytes, _: object) -> None:
        self._stopped.heard(data)


@pytest.fixture(params=["tcp", "udp"])
def transport(request: pytest.FixtureRequest) -> str:
    backends.technique(request.param).load_decoder()
    return str(request.param)


@pytest.fixture
async def wire(transport: Transport) -> AsyncIterator[Stopped]:
    wire = Stopped(transport)
    await wire.start()
    yield wire
    await wire.close()


async def test_what_waits_is_known_and_passes_in_its_order_when_the_wire_goes_on(wire: Stopped) -> None:
    frames = await wire.say("a", "b", "c")
    assert await wire.waiting() == {frame.number for frame in frames}
    assert wire.got == []
    await wire.freeze(False)
    await wire.hears("a", "b", "c")
    assert await wire.waiting() == set()


async def test_one_frame_passes_the_one_that_waited_longest(wire: Stopped) -> None:
    frames = await wire.say("a", "b")
    held = await asyncio.to_thread(by_hand.waiting, wire.tap)
    assert by_hand.oldest(wire.trace.frames, held) is frames[0]
    await wire.do("pass", frames[0])
    await wire.hears("a")
    assert await wire.waiting() == {frames[1].number}


async def test_what_is_delayed_passes_by_itself(wire: Stopped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "DELAY", 0.1)
    first, _ = await wire.say("a", "b")
    await wire.do("delay", first)
    await wire.hears("a")


async def test_a_byte_is_changed(wire: Stopped) -> None:
    (frame,) = await wire.say("a")
    await wire.do("change", frame, frame.data.index(b'"a"') + 1)
    await wire.freeze(False)
    await wire.hears("`")  # "a" with its lowest bit flipped


@pytest.mark.parametrize("transport", ["tcp"])
async def test_a_stream_can_lose_double_and_swap_nothing_and_says_why(wire: Stopped) -> None:
    first, second = await wire.say("a", "b")
    for deed in by_hand.NOT_ON_A_STREAM:
        with pytest.raises(BadRequest, match="stream"):
            await wire.do(deed, first)
    assert "stream keeps its order" in await wire.do("pass", second)
    await wire.hears("a", "b")


@pytest.mark.parametrize("transport", ["tcp"])
async def test_a_changed_byte_under_tls_is_refused_with_the_reason(wire: Stopped) -> None:
    (frame,) = await wire.say("a")
    with pytest.raises(BadRequest, match="TLS"):
        by_hand.do(wire.tap, "change", frame, encrypted=True)


@pytest.mark.parametrize("transport", ["udp"])
async def test_a_datagram_is_dropped_doubled_and_swapped(wire: Stopped) -> None:
    first, second, third, fourth = await wire.say("a", "b", "c", "d")
    with pytest.raises(BadRequest, match="none waits behind it"):
        await wire.do("swap", fourth)
    await wire.do("drop", first)
    await wire.do("duplicate", second)
    await wire.hears("b", "b")
    await wire.do("swap", third)
    await wire.freeze(False)
    await wire.hears("b", "b", "d", "c")


async def test_what_has_passed_can_not_be_changed_any_more(wire: Stopped) -> None:
    (frame,) = await wire.say("a")
    await wire.do("pass", frame)
    with pytest.raises(BadRequest, match="has passed"):
        await wire.do("pass", frame)


async def test_a_closed_tap_lets_pass_what_waits(wire: Stopped) -> None:
    await wire.say("a")
    await asyncio.to_thread(wire.tap.close)
    await wire.hears("a")
