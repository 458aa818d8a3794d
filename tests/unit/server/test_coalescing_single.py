"""Fan-out: how long an event waits that comes alone, over a technique that reads one message in a turn."""

from __future__ import annotations

import asyncio

import pytest

from chat.server.fanout import Channel
from tests.support.channel_stage import Peer, Stage


class PeerOfTurns(Peer):
    coalescing = 0.0
    coalescing_single = 3600.0


async def test_messages_that_are_read_one_in_a_turn_form_a_batch() -> None:
    stage = Stage(PeerOfTurns)
    peer = stage.attach(PeerOfTurns())
    for _ in range(3):
        stage.happen(1)
        await asyncio.sleep(0)
    assert (peer.got, peer.writes) == ([1], 1)
    stage.settle()
    assert (peer.got, peer.writes) == ([1, 2, 3], 2)


async def test_the_first_event_after_a_burst_waits_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    released = asyncio.Event()
    release = Channel._release

    def told(channel: Channel) -> None:
        release(channel)
        released.set()

    monkeypatch.setattr(Channel, "_release", told)
    stage = Stage(PeerOfTurns)
    peer = stage.attach(PeerOfTurns())
    stage.happen(2)
    await released.wait()
    stage.happen(1)
    assert peer.got == [1, 2]
    stage.happen(1)
    stage.settle()
    assert (peer.got, peer.writes) == ([1, 2, 3, 4], 2)
