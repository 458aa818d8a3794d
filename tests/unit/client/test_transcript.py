"""The history of a room, read over a session and kept for an export."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from chat.client.session import Session
from chat.client.transcript import Transcript, read_history
from chat.domain.errors import ChatError, StaleCursor
from chat.domain.model import Cursor, Event, Hello, Kind, Missing, MissingEvents
from tests.support.fake_client import FakeClient, FakeRoom


@pytest.fixture
def transcript() -> Iterator[Transcript]:
    with Transcript("lab") as transcript:
        yield transcript


async def kept(transcript: Transcript) -> list[Event]:
    return await asyncio.to_thread(lambda: list(transcript.events()))


def session(room: FakeRoom, **options: Any) -> Session:
    return Session(room.dial, Hello("lab", "ann", Cursor(0)), jitter=lambda: -0.5, **options)


def event(kind: Kind, seq: int, text: str = "", id: int = 0) -> Event:
    return Event(kind, seq, seq - 1, 0, "eve", "s9", "tcp", seq, id or seq, text)


async def test_everything_up_to_the_coming_of_the_reader_is_read(
    room: FakeRoom, transcript: Transcript
) -> None:
    said = [room.happen("sent", text=f"line {number}") for number in range(1500)]
    assert await read_history(session(room), transcript, pytest.fail) == 0
    assert await kept(transcript) == [room.events[0], *said]
    assert transcript.epoch == "e1"


async def test_the_coming_of_the_reader_is_not_part_of_it(room: FakeRoom, transcript: Transcript) -> None:
    room.happen("joined", "ann", room.seat)
    assert await read_history(session(room), transcript, pytest.fail) == 0
    assert [one.kind for one in await kept(transcript)] == ["opened"]


async def test_what_others_say_meanwhile_is_not_waited_for(room: FakeRoom, transcript: Transcript) -> None:
    dial = room.dial

    async def dial_then_speak() -> Any:
        client = await dial()
        connect = client.connect

        async def connect_then_speak(hello: Hello) -> Any:
            welcome = await connect(hello)
            room.happen("sent", text="too late")
            return welcome

        client.connect = connect_then_speak  # type: ignore[method-assign]
        return client

    room.dial = dial_then_speak  # type: ignore[method-assign]
    assert await read_history(session(room), transcript, pytest.fail) == 0
    assert [one.kind for one in await kept(transcript)] == ["opened"]


async def test_events_that_were_lost_are_counted(
    room: FakeRoom, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("one", "two", "three"):
        room.happen("sent", text=text)

    async def events(self: FakeClient) -> AsyncIterator[Any]:
        yield [room.events[0], MissingEvents((Missing(2, 1), Missing(3, 2)))]
        yield [room.events[2], room.events[3]]  # one of them came late
        await self.gone

    monkeypatch.setattr(FakeClient, "events", events)
    assert await read_history(session(room), transcript, pytest.fail) == 1
    assert [one.text for one in await kept(transcript)] == ["", "two", "three"]


@pytest.mark.usefixtures("at_once")
async def test_a_room_that_begins_anew_meanwhile_is_read_anew(room: FakeRoom, transcript: Transcript) -> None:
    await asyncio.to_thread(transcript.add, [event("sent", 7, "of the room before")])
    room.refusals = [StaleCursor("another log")]
    assert await read_history(session(room), transcript, lambda line: None) == 0
    assert [one.kind for one in await kept(transcript)] == ["opened"]


async def test_a_refusal_is_the_error(room: FakeRoom, transcript: Transcript) -> None:
    room.refusals = [ChatError("wrong token")]
    with pytest.raises(ChatError, match="wrong token"):
        await read_history(session(room), transcript, pytest.fail)


def test_messages_are_shown_as_they_are_now(transcript: Transcript) -> None:
    transcript.add([event("edited", 6, "second", id=2), event("sent", 2, "one")])  # in whatever order
    transcript.add([event("joined", 1), event("sent", 3, "two"), event("sent", 4, "three")])
    transcript.add([event("edited", 5, "first", id=2), event("deleted", 7, id=3)])
    shown = [(line.text, line.edited, line.deleted) for line in transcript.lines()]
    assert shown == [
        ("", False, False),
        ("second", True, False),
        ("", False, True),
        ("three", False, False),
    ]
    assert [one.seq for one in transcript.events()] == [1, 2, 3, 4, 5, 6, 7]


def test_a_text_that_no_server_should_send_is_kept(transcript: Transcript) -> None:
    bad = event("sent", 1, "\ud800 \x1b[31m \u202e")
    transcript.add([bad])
    assert list(transcript.events()) == [bad]
