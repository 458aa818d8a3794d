"""Polling: how the interval is read, when the next poll is due, and how polls are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

from chat.domain.model import Event
from chat.transport.polling import LONG, POLL, WAIT, read_interval
from chat.transport.polling_client import IDLE, Ask, Page, Polls

EVENT = Event("sent", 2, 1, 0, "ann")
NOTHING = Page([], 2)
NEWEST = Page([EVENT], 2)
BEHIND = Page([EVENT], 9)


class Clock:
    """A clock that stands still except in a rest, and keeps the length of each rest."""

    def __init__(self) -> None:
        self.now = 100.0
        self.rests: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def wait(self, futures: Iterable[Any], *, timeout: float) -> None:  # noqa: ASYNC109  # as in asyncio
        self.rests.append(round(timeout, 6))
        self.now += timeout


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("chat.transport.polling_client.perf_counter", clock)
    monkeypatch.setattr(asyncio, "wait", clock.wait)
    return clock


class Enough(Exception):
    """The server has given all its answers."""


def answers(*pages: Page, took: float = 0.0, clock: Clock | None = None) -> tuple[Ask, list[float]]:
    """Return what answers the polls one after the other, and how long each was told to wait."""
    left, waits = list(pages), []

    async def ask(wait: float) -> Page:
        if not left:
            raise Enough
        waits.append(wait)
        if clock is not None:
            clock.now += took
        return left.pop(0)

    return ask, waits


async def collect(polls: Polls, ask: Ask) -> list[list[Event]]:
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    collected = []
    with suppress(Enough):
        async for events in polls.news(ask, over):
            collected.append(list(events))
    return collected


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1.0), ("0.2", 0.2), ("0.05s", 0.05), ("30", 30.0), ("long", None)]
)
def test_an_interval_is_read(text: str, seconds: float | None) -> None:
    assert read_interval(text) == seconds
    assert POLL.check(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "31s", "0.01", "nan", "inf", "1e99", "often", "1 s s", "LONG"]
)
def test_a_text_that_is_no_interval_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 0\.05 to 30 seconds, or long"):
        read_interval(text)


async def test_polls_are_sent_at_intervals_however_long_each_takes(clock: Clock) -> None:
    ask, waits = answers(NEWEST, NOTHING, NOTHING, took=0.3, clock=clock)
    assert await collect(Polls("1s"), ask) == [[EVENT]]
    assert waits == [0.0, 0.0, 0.0]
    assert clock.rests == [0.7, 0.7, 0.7]


async def test_an_answer_later_than_the_interval_is_followed_at_once(clock: Clock) -> None:
    ask, _ = answers(NOTHING, NOTHING, took=3.0, clock=clock)
    await collect(Polls("1s"), ask)
    assert clock.rests == []


async def test_a_page_that_does_not_reach_the_head_is_followed_at_once(clock: Clock) -> None:
    ask, _ = answers(BEHIND, BEHIND, NEWEST)
    assert await collect(Polls("1s"), ask) == [[EVENT]] * 3
    assert clock.rests == [1.0]


async def test_a_server_that_names_a_later_head_and_sends_nothing_is_not_asked_at_once(clock: Clock) -> None:
    ask, _ = answers(Page([], 9), Page([], 9))
    await collect(Polls("1s"), ask)
    assert clock.rests == [1.0, 1.0]


async def test_a_long_poll_follows_events_at_once(clock: Clock) -> None:
    ask, waits = answers(NEWEST, NEWEST, NOTHING, took=WAIT, clock=clock)
    assert len(await collect(Polls(LONG), ask)) == 2
    assert waits == [WAIT] * 3
    assert clock.rests == []


async def test_a_server_that_does_not_wait_is_not_asked_in_a_tight_loop(clock: Clock) -> None:
    ask, _ = answers(NOTHING, NOTHING, NOTHING)
    assert await collect(Polls(LONG), ask) == []
    assert clock.rests == [IDLE] * 3


async def test_empty_polls_are_counted(clock: Clock) -> None:
    polls = Polls("1s")
    assert (polls.asked, polls.empty) == (0, 0)
    ask, _ = answers(NOTHING, NEWEST, NOTHING, NOTHING)
    await collect(polls, ask)
    assert (polls.asked, polls.empty) == (4, 3)


async def test_a_poll_that_fails_is_not_counted(clock: Clock) -> None:
    polls = Polls("1s")
    ask, _ = answers()
    await collect(polls, ask)
    assert (polls.asked, polls.empty) == (0, 0)


async def test_when_the_client_ends_the_rest_ends_and_no_poll_follows() -> None:
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ask, waits = answers(NOTHING, NOTHING)
    asyncio.get_running_loop().call_soon(over.set_result, None)
    assert [events async for events in Polls("30").news(ask, over)] == []
    assert len(waits) == 1
