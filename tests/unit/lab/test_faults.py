"""Faults at a real tap: each hits what it says, and ends when it is ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

import backends
from chat.domain.errors import BadRequest
from chat.interfaces.address import Address
from lab.faults.plan import FaultPlan
from lab.faults.registry import faults, parse_fault
from lab.wire.tap import Tap


class Line:
    """An echo server, and the way to it through a tap."""

    def __init__(self, tap: Tap, plan: FaultPlan, address: Address) -> None:
        self.tap, self.plan, self.address = tap, plan, address

    async def begin(self, fault: str) -> None:
        await asyncio.to_thread(self.plan.add, parse_fault(fault, "tcp"), self.tap)

    async def end(self) -> None:
        await asyncio.to_thread(self.plan.clear, self.tap)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.address.host, self.address.port)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    plan = FaultPlan(backends.technique("tcp").load_decoder())
    tap = await asyncio.to_thread(Tap, None, plan)
    address = await asyncio.to_thread(tap.relay, Address(*server.sockets[0].getsockname()))
    yield Line(tap, plan, address)
    await asyncio.to_thread(tap.close)
    server.close()
    await asyncio.sleep(0)


async def ask(line: Line, text: bytes = b"hello\n", within: float = 5.0) -> tuple[bytes, float]:
    reader, writer = await line.connect()
    start = time.monotonic()
    try:
        writer.write(text)
        async with asyncio.timeout(within):
            return await reader.readexactly(len(text)), time.monotonic() - start
    finally:
        writer.close()


async def test_latency_is_added_each_way(line: Line) -> None:
    await line.begin("latency 100ms")
    answer, took = await ask(line)
    assert answer == b"hello\n"
    assert took >= 0.2
    await line.end()
    assert (await ask(line))[1] < 0.2


async def test_a_rate_lets_so_many_bytes_pass_a_second(line: Line) -> None:
    await line.begin("rate 10kB/s")
    answer, took = await ask(line, b"x" * 2000)
    assert answer == b"x" * 2000
    assert took >= 0.2  # each way, and in pieces, so that both ways overlap


async def test_what_a_stall_held_passes_when_it_ends(line: Line) -> None:
    reader, writer = await line.connect()
    await line.begin("stall")
    writer.write(b"held\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.readexactly(5)
    await line.end()
    async with asyncio.timeout(5):
        assert await reader.readexactly(5) == b"held\n"
    writer.close()


async def test_a_cut_breaks_what_is_open_and_nothing_else(line: Line) -> None:
    reader, writer = await line.connect()
    writer.write(b"here\n")
    await reader.readexactly(5)
    await line.begin("cut")
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()
    assert line.plan.faults[0].fired == 1
    assert (await ask(line))[0] == b"hello\n"


async def test_who_is_refused_gets_in_again_when_it_ends(line: Line) -> None:
    await line.begin("refuse")
    with pytest.raises(ConnectionRefusedError):
        await line.connect()
    await line.end()
    assert (await ask(line))[0] == b"hello\n"


async def test_a_half_open_line_tells_nobody_and_is_broken_when_it_ends(line: Line) -> None:
    reader, writer = await line.connect()
    await line.begin("half-open")
    writer.write(b"lost\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.read(1)
    await line.end()
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()


async def test_a_seed_repeats_a_run() -> None:
    def hits(seed: int) -> list[bool]:
        plan = FaultPlan(backends.technique("tcp").load_decoder(), seed)
        loss = parse_fault("loss 0.3", "udp")
        return [plan._chance.random() < 0.3 for _ in range(50)] if loss.fired == 0 else []

    assert hits(7) == hits(7)
    assert hits(7) != hits(8)


@pytest.mark.parametrize("name", sorted(faults()))
def test_what_a_transport_cannot_suffer_is_refused_with_the_reason(name: str) -> None:
    kind = faults()[name]
    for transport in ("tcp", "udp"):
        if transport not in kind.transports:
            with pytest.raises(BadRequest) as refused:
                parse_fault(f"{name} 0.5", transport)
            assert kind.instead in str(refused.value)


@pytest.mark.parametrize(
    "text", ["loss", "loss 2", "loss x", "latency", "latency 5m", "rate 0", "stall 3", "lags", ""]
)
def test_a_fault_that_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_fault(text, "udp" if text.startswith("loss") else "tcp")


async def test_a_stream_that_lost_bytes_never_goes_on(line: Line) -> None:
    """Else messages would be missing from a stream whose technique loses none."""
    await line.begin("half-open")
    reader, writer = await line.connect()
    writer.write(b"lost\n")
    (fault,) = line.plan.faults
    while not fault.fired:  # noqa: ASYNC110 - the thread of the tap has no event for it
        await asyncio.sleep(0.01)
    line.plan.faults = ()  # as `clear` begins, before the tap's thread has cut the connections
    writer.write(b"and what follows\n")
    await writer.drain()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await reader.read(1)
    writer.close()
    assert (await ask(line))[0] == b"hello\n"
