"""What the decoder says of a talk over pika and RabbitMQ is what pamqp says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.frames import Direction
from chat.interfaces.technique import Technique
from lab.wire.tap import Tap
from tests.support.amqp_judge import check_frames
from tests.support.captures import decode, pieces
from tests.support.kit import Serving
from tests.support.people import Person

pytestmark = pytest.mark.parametrize("technique", ["rabbitmq"], indirect=True)


async def test_frames_arguments_properties_and_bodies(
    technique: Technique, make_client: Callable[[Address], ChatClient], server: Serving
) -> None:
    tap = await asyncio.to_thread(Tap)
    client = make_client(await asyncio.to_thread(tap.relay, server.address))
    ann = Person(client, await client.connect(Hello("lab", "ann")))
    ann.listen()
    said = [await ann.say(f"täglich 漢字 {number}") for number in range(10)]
    await client.close()
    await ann.stop()
    await asyncio.to_thread(tap.close)
    frames = decode(technique, pieces(tap.capture.take()))
    assert check_frames(frames) > 500
    confirmed = [frame for frame in frames if frame.kind == "Basic.Ack" and frame.direction is Direction.DOWN]
    for one in said:
        kinds = [frame.kind for frame in frames if one.n in frame.drafts]
        assert kinds[:3] == ["Basic.Publish", "content header", "content body"]
        assert any(one.n in frame.drafts and frame.answer for frame in confirmed)
        kinds = [frame.kind for frame in frames if one.seq in frame.seqs]
        assert kinds[-3:] == ["Basic.Deliver", "content header", "content body"]
