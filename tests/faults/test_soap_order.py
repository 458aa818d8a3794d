"""What is said over SOAP stays in order when something is refused for the moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import backends
from chat.domain.errors import NotStored
from chat.domain.model import Say
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.kit import Connect


@pytest.fixture
def technique() -> Technique:
    label = backends.technique("soap")
    label.load_client()  # before the loop runs: libraries look at files
    label.load_server()
    return label


async def test_what_waits_behind_a_draft_does_not_overtake_it_when_it_is_refused_for_the_moment(
    connect: Connect, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = await connect("ann")
    append = hub.log.append

    def full(room: str, body: Any, pending: Any) -> None:
        monkeypatch.setattr(hub.log, "append", append)  # there is room again
        pending.failed(NotStored("the disk is full"))

    monkeypatch.setattr(hub.log, "append", full)
    drafts = [Say(f"m{n}", n) for n in (1, 2, 3)]
    outcomes = await asyncio.gather(*map(client.send, drafts), return_exceptions=True)
    assert [(type(one), getattr(one, "n", 0)) for one in outcomes] == [(NotStored, n) for n in (1, 2, 3)]
    acks = await asyncio.gather(*map(client.send, drafts))
    assert [ack.n for ack in acks if ack] == [1, 2, 3]
    said = await client.history(before=None, limit=3)
    assert [event.text for event in said] == ["m1", "m2", "m3"]
