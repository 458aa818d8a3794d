"""Line mode with a lossy technique: missing events are lines, an unconfirmed text is an exit code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.cli import plain as lines
from chat.client.session import Session
from chat.domain.errors import Unconfirmed
from chat.domain.model import Ack, Draft, Event, Hello, Missing, MissingEvents
from tests.support.fake_client import FakeClient, FakeRoom

MISSING = MissingEvents((Missing(2, 1), Missing(3, 2, "joined")))
LAST = Event("sent", 4, 3, 0, "eve", "s9", "udp", 1, 4, "after it")


@pytest.fixture
def lossy(room: FakeRoom, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose replay misses events, and whose texts with "lost" in them get no answer."""
    real_events, real_send = FakeClient.events, FakeClient.send

    async def events(self: FakeClient) -> AsyncIterator[Any]:
        source = real_events(self)
        yield await anext(source)
        yield [MISSING, LAST]
        async for batch in source:
            yield batch

    async def send(self: FakeClient, draft: Draft) -> Ack:
        if "lost" in getattr(draft, "text", ""):
            raise Unconfirmed("no answer in 3 s")
        return await real_send(self, draft)

    monkeypatch.setattr(FakeClient, "events", events)
    monkeypatch.setattr(FakeClient, "send", send)
    return Session(room.dial, Hello("lab", "ann"), resend=False)


async def test_tail_prints_missing_events_as_an_object(
    lossy: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lines.tail(lossy, count=2, seconds=None, as_json=True) == 0
    opened, missing, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (opened["kind"], last["text"]) == ("opened", "after it")
    assert missing == {
        "room": "lab",
        "epoch": "e1",
        "kind": "gap",
        "seqs": [2, 3],
        "kinds": ["sent", "joined"],
    }


async def test_tail_prints_missing_events_for_people(
    lossy: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await lines.tail(lossy, count=2, seconds=None, as_json=False)
    assert capsys.readouterr().out.splitlines()[1] == ("! 1 message missing: 2; 1 event missing: 3 (joined)")


async def test_send_names_the_line_that_nobody_confirmed(
    lossy: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lines.send(lossy, ["one", "lost", "three"]) == 1
    assert capsys.readouterr().err == "line 2 is unconfirmed: no answer in 3 s\n"


async def test_send_is_content_when_it_turns_up_after_all(
    lossy: Session, room: FakeRoom, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(self: FakeClient, draft: Draft) -> Ack:
        room.happen("sent", "ann", room.seat, draft.n, "late")
        raise Unconfirmed("no answer in 3 s")

    monkeypatch.setattr(FakeClient, "send", send)
    assert await lines.send(lossy, ["late"]) == 0
    assert capsys.readouterr().err == ""


async def test_plain_says_both(lossy: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert await lines.plain(lossy, input=["this is lost\n"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "! 1 message missing: 2; 1 event missing: 3 (joined)" in said
    assert "! unconfirmed: 'this is lost': no answer in 3 s" in said
