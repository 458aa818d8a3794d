"""The capture file of every technique, as Wireshark and scapy read it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.utils import rdpcap

from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.frames import Frame
from chat.interfaces.technique import Technique
from lab.wire.pcapng import CaptureFile
from lab.wire.tap import Tap
from lab.wire.trace import Trace
from tests.support.kit import Serving
from tests.support.people import Person
from tests.support.tshark import DECODE_AS, SEEN, check_packets, dissect, dissected

TOKEN = "a token that no file may show"
TEXT = "täglich > \"quoted\" & 'more'"


@pytest.fixture
def access() -> str:
    return TOKEN


@pytest.fixture
async def trace(technique: Technique, make_client: Callable[[Address], ChatClient], server: Serving) -> Trace:
    """What passed while somebody came, talked and left."""
    if find_spec(technique.decoder.partition(":")[0]) is None:
        pytest.skip(f"{technique.name} has no decoder yet")
    tap = await asyncio.to_thread(Tap)
    address = await asyncio.to_thread(tap.relay, server.address, technique.traits.transport)
    client = make_client(address)
    ann = Person(client, await client.connect(Hello("lab", "ann", access=TOKEN)))
    ann.listen()
    said = await ann.say(TEXT)
    await ann.edit(said.seq, "changed")
    await ann.until(lambda seen: any(event.kind == "edited" for event in seen))
    await client.ping()
    await client.close()
    await ann.stop()
    await asyncio.to_thread(tap.close)
    trace = Trace(tap.capture, technique.load_decoder())
    while tap.capture.waiting or trace.behind:
        trace.update()
    return trace


def written(trace: Trace, technique: Technique, path: Path, *, secrets: bool) -> Path:
    with path.open("wb") as file:
        capture = CaptureFile(file, trace.capture.began, port=technique.dissected_at, secrets=secrets)
        capture.add(trace.frames, trace.connections)
    return path


@pytest.mark.parametrize("secrets", [False, True], ids=["masked", "with secrets"])
async def test_wireshark_has_nothing_to_complain_of(
    technique: Technique, trace: Trace, tmp_path: Path, secrets: bool
) -> None:
    file = await asyncio.to_thread(written, trace, technique, tmp_path / "x.pcapng", secrets=secrets)
    packets = await dissected(file)
    check_packets(packets)
    seen = set[str]().union(*(packet.protocols for packet in packets))
    assert SEEN.get(technique.name, set()) <= seen
    comments = {packet.comment for packet in packets}
    assert {about(frame) for frame in trace.frames if frame.data} <= comments


async def test_wireshark_shows_it_on_the_real_port_if_it_is_told_what_that_is(
    technique: Technique, trace: Trace, tmp_path: Path
) -> None:
    def file() -> Path:
        path = tmp_path / "x.pcapng"
        with path.open("wb") as opened:
            capture = CaptureFile(opened, trace.capture.began)
            capture.add(trace.frames, trace.connections)
        return path

    _, _, port = next(iter(trace.connections.values())).server.rpartition(":")
    name = DECODE_AS.get(technique.name, "")
    told = f"{technique.traits.transport}.port=={port},{name}" if name else ""
    packets = await asyncio.to_thread(lambda: dissect(file(), decode_as=told))
    check_packets(packets)
    seen = set[str]().union(*(packet.protocols for packet in packets))
    assert SEEN.get(technique.name, {name} - {""}) <= seen


def about(frame: Frame) -> str:
    return f"{frame.protocol} {frame.kind}: {frame.summary}"


async def test_scapy_reads_every_byte_and_no_secret(
    technique: Technique, trace: Trace, tmp_path: Path
) -> None:
    """With the secrets the bytes are those of the frames; without them they are as many."""
    for secrets in (True, False):
        file = await asyncio.to_thread(written, trace, technique, tmp_path / "x.pcapng", secrets=secrets)
        packets = await asyncio.to_thread(rdpcap, str(file))
        layer = UDP if technique.traits.transport == "udp" else TCP
        payloads = [bytes(packet[layer].payload) for packet in packets]
        read = b"".join(payloads)
        passed = b"".join(frame.data for frame in trace.frames)
        assert len(read) == len(passed)
        assert (read == passed) is secrets
        if not secrets:
            assert TOKEN.encode() not in await asyncio.to_thread(file.read_bytes)
