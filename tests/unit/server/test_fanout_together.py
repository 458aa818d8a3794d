"""Fan-out: what is done once for several, who come together or in one gap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pytest

import chat.server.fanout
from chat.domain.errors import ChatError
from chat.domain.model import Event
from chat.domain.room_replica import EventRing
from chat.interfaces.server import Sink
from chat.server.backlog import Backlog
from chat.server.fanout import Channel, Mailbox


class Peer(Sink[str]):
    """A connection whose peer takes everything at once."""

    coalescing = 3600.0
    encoded: ClassVar[list[str]]

    def __init__(self) -> None:
        self.got: list[str] = []

    @classmethod
    def encode(cls, events: Sequence[Event]) -> str:
        page = " ".join(str(each.seq) for each in events)
        cls.encoded.append(page)
        return page

    def write(self, blob: str) -> None:
        self.got.append(blob)

    def buffered(self) -> int:
        return 0

    def close(self, reason: ChatError) -> None:
        raise AssertionError(f"nobody is cut here: {reason}")


class Stage:
    def __init__(self) -> None:
        class Kind(Peer):
            encoded: ClassVar[list[str]] = []

        self.kind = Kind
        self.ring = EventRing()
        self.channel = Channel(Kind, self.ring, 0, lambda _: None, Backlog(0))
        self.head = 0

    def happen(self, count: int) -> None:
        """Let the room accept events, as the hub does it."""
        for _ in range(count):
            event = Event("sent", self.head + 1, self.head, 0)
            self.head += 1
            self.ring.append(event)
            self.channel.pending.append(event)
        self.channel.flush()

    def attach(self, after: int = 0) -> Peer:
        peer = self.kind()
        Mailbox(peer, self.channel, after, lambda _: None).pump()
        return peer


async def test_the_gap_ends_when_enough_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.server.fanout, "ENOUGH", 5)
    stage = Stage()
    peer = stage.attach()
    stage.happen(2)
    await asyncio.sleep(0)  # all connections have had their turn
    stage.happen(4)
    assert peer.got == ["1 2"]
    stage.happen(1)
    assert peer.got == ["1 2", "3 4 5 6 7"]


async def test_those_who_come_at_the_same_time_get_one_encoding() -> None:
    stage = Stage()
    for _ in range(3):
        stage.happen(1)
    first, second, other = stage.attach(), stage.attach(), stage.attach(after=1)
    assert (first.got, second.got, other.got) == (["1 2 3"], ["1 2 3"], ["2 3"])
    assert stage.kind.encoded == ["1 2 3", "2 3"]


async def test_who_comes_later_gets_what_was_written_since() -> None:
    stage = Stage()
    stage.happen(1)
    first = stage.attach()
    stage.happen(1)
    later = stage.attach()
    assert (first.got, later.got) == (["1", "2"], ["1 2"])
