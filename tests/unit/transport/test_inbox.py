"""The inbox: events in order, reading paused while too many wait, and the reason of the end at the end."""

from __future__ import annotations

import asyncio

import pytest

from chat.domain.errors import ConnectionLost, SlowReader
from chat.domain.model import Event
from chat.transport.inbox import INBOX, Inbox

EVENTS = [Event("sent", seq, seq - 1, 0, "ann", "8503", "tcp", seq, seq, "x") for seq in range(1, INBOX + 1)]


class Reading:
    """Whether the connection is read, and an inbox that decides about it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.inbox = Inbox(lambda: self.calls.append("pause"), lambda: self.calls.append("resume"))


async def test_a_waiting_consumer_gets_what_comes() -> None:
    inbox = Reading().inbox
    taking = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    inbox.put(EVENTS[:2])
    assert await taking == EVENTS[:2]


async def test_what_came_is_taken_in_one_batch() -> None:
    inbox = Reading().inbox
    for event in EVENTS[:3]:
        inbox.put([event])
    assert await inbox.take() == EVENTS[:3]


async def test_a_full_inbox_pauses_reading_until_it_is_taken() -> None:
    reading = Reading()
    reading.inbox.put(EVENTS[:-1])
    assert reading.calls == []
    reading.inbox.put(EVENTS[-1:])
    reading.inbox.put(EVENTS[-1:])
    assert reading.calls == ["pause"]
    assert len(await reading.inbox.take()) == INBOX + 1
    assert reading.calls == ["pause", "resume"]


async def test_the_reason_is_raised_after_the_last_event() -> None:
    inbox = Reading().inbox
    inbox.put(EVENTS[:1])
    inbox.end(SlowReader("too slow"))
    assert await inbox.take() == EVENTS[:1]
    for _ in range(2):
        with pytest.raises(SlowReader):
            await inbox.take()


async def test_the_end_wakes_a_waiting_consumer() -> None:
    inbox = Reading().inbox
    taking = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    inbox.end(ConnectionLost("gone"))
    with pytest.raises(ConnectionLost):
        await taking


async def test_after_close_the_end_is_no_error() -> None:
    inbox = Reading().inbox
    inbox.close()
    inbox.put(EVENTS[:1])
    inbox.end(ConnectionLost("gone"))
    assert await inbox.take() == EVENTS[:1]
    assert await inbox.take() == []


async def test_close_reads_on_however_much_waits() -> None:
    """The server's answer to a leave comes behind the events."""
    reading = Reading()
    reading.inbox.put(EVENTS)
    reading.inbox.close()
    reading.inbox.put(EVENTS)
    assert reading.calls == ["pause", "resume"]


async def test_after_the_end_nothing_is_resumed() -> None:
    reading = Reading()
    reading.inbox.put(EVENTS)
    reading.inbox.end(ConnectionLost("gone"))
    await reading.inbox.take()
    assert reading.calls == ["pause"]
