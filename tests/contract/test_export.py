"""The whole history of a room, as `chat export` reads it: the same over every technique."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from chat.client.session import Session
from chat.client.transcript import Transcript, read_history
from chat.domain.model import Cursor, Hello, Limits
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.technique import Technique
from tests.support.kit import Serving
from tests.support.people import Person


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0, page=10, replay=5)


async def test_the_history_of_a_room_is_read_from_its_beginning(
    technique: Technique, make_client: Callable[[Address], ChatClient], server: Serving, ann: Person
) -> None:
    said = [await ann.say(f"line {number}") for number in range(25)]
    await ann.edit(said[3].seq, "changed")
    await ann.delete(said[4].seq)

    async def dial() -> ChatClient:
        return make_client(server.address)

    session = Session(dial, Hello("lab", "eve", Cursor(0)), resend=technique.traits.resend)
    with await asyncio.to_thread(Transcript, "lab") as transcript:
        assert await read_history(session, transcript, pytest.fail) == 0
        lines = await asyncio.to_thread(lambda: list(transcript.lines()))
    texts = [line.text for line in lines if line.event.kind == "sent"]
    assert texts == ["line 0", "line 1", "line 2", "changed", "", *(f"line {n}" for n in range(5, 25))]
    assert [line.event.kind for line in lines if line.event.kind != "sent"] == ["opened", "joined"]
