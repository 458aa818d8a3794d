"""What the decoder says of a talk over grpcio is what hyperframe, hpack and protobuf say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.frames import Direction, Frame
from chat.interfaces.technique import Technique
from lab.wire.tap import Tap
from protos import chat_pb2 as pb
from tests.support.captures import decode, pieces
from tests.support.http2_judge import check_frames, content
from tests.support.kit import Serving
from tests.support.people import Person

pytestmark = pytest.mark.parametrize("technique", ["grpc"], indirect=True)

TEXT = "täglich 漢字"


@pytest.fixture
async def frames(
    technique: Technique, make_client: Callable[[Address], ChatClient], server: Serving
) -> list[Frame]:
    tap = await asyncio.to_thread(Tap)
    client = make_client(await asyncio.to_thread(tap.relay, server.address))
    ann = Person(client, await client.connect(Hello("lab", "ann")))
    ann.listen()
    for number in range(20):
        await ann.say(f"{TEXT} {number}")
    await client.history(limit=10)
    await client.members()
    await client.close()
    await ann.stop()
    await asyncio.to_thread(tap.close)
    return decode(technique, pieces(tap.capture.take()))


async def test_frames_and_field_lines(frames: list[Frame]) -> None:
    assert check_frames(frames) > 40


async def test_messages(frames: list[Frame]) -> None:
    said, heard = [], []
    for frame in frames:
        if frame.kind != "DATA" or frame.stream != "stream 1":
            continue
        data = content(frame, "Data")
        while data:
            size = 5 + int.from_bytes(data[1:5], "big")
            if frame.direction is Direction.UP:
                up = pb.ClientFrame.FromString(data[5:size])
                said += [(up.send.n, up.send.text)] if up.WhichOneof("kind") == "send" else []
            else:
                down = pb.ServerFrame.FromString(data[5:size])
                heard += [(event.seq, event.text) for event in down.events.events if event.n]
            data = data[size:]
    assert len(said) == len(heard) == 20
    up_frames = [frame for frame in frames if frame.direction is Direction.UP and frame.drafts]
    assert [(n, text) for one in up_frames for n, text in zip(one.drafts, one.texts, strict=True)] == said
    for seq, text in heard:
        assert any(seq in frame.seqs and text in frame.texts for frame in frames if frame.answer)
