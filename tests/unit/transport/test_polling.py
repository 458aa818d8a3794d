"""Polling: when the next question is asked, and how the questions are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from chat.domain.model import Event
from chat.transport.polling import IDLE, LONG, POLL, WAIT, Ask, Polls, read_interval

EVENT = Event("sent", 2, 1, 0, "ann")


class Clock:
    """A clock that stands still but in a rest, of which it keeps the length."""

    def __init__(self) -> None:
        self.now = 100.0
        self.rests: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.rests.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("chat.transport.polling.perf_counter", clock)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


class Enough(Exception):
    """The server has said all that it had to say."""


def answers(*pages: list[Event], took: float = 0.0, clock: Clock | None = None) -> tuple[Ask, list[float]]:
    """Return what answers the questions one after the other, and how long each was told to wait."""
    left, waits = list(pages), []

    async def ask(wait: float) -> list[Event]:
        if not left:
            raise Enough
        waits.append(wait)
        if clock is not None:
            clock.now += took
        return left.pop(0)

    return ask, waits


async def collect(polls: Polls, ask: Ask, page: int = 200) -> list[list[Event]]:
    brought = []
    with suppress(Enough):
        async for events in polls.news(ask, page):
            brought.append(events)
    return brought


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1.0), ("0.2", 0.2), ("0.05s", 0.05), ("30", 30.0), ("long", None)]
)
def test_an_interval_is_read(text: str, seconds: float | None) -> None:
    assert read_interval(text) == seconds
    assert POLL.check(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "31s", "0.01", "nan", "inf", "1e99", "often", "1 s s", "LONG"]
)
def test_what_is_no_interval_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 0\.05 to 30 seconds, or long"):
        read_interval(text)


async def test_questions_come_at_intervals_whatever_they_take(clock: Clock) -> None:
    ask, waits = answers([EVENT], [], [], took=0.3, clock=clock)
    assert await collect(Polls("1s"), ask) == [[EVENT]]
    assert waits == [0.0, 0.0, 0.0]
    assert clock.rests == [0.7, 0.7, 0.7]


async def test_an_answer_later_than_the_interval_is_followed_at_once(clock: Clock) -> None:
    ask, _ = answers([], [], took=3.0, clock=clock)
    await collect(Polls("1s"), ask)
    assert clock.rests == []


async def test_after_a_whole_page_the_next_is_asked_for_at_once(clock: Clock) -> None:
    ask, _ = answers([EVENT] * 3, [EVENT] * 3, [EVENT])
    assert [len(page) for page in await collect(Polls("1s"), ask, page=3)] == [3, 3, 1]
    assert clock.rests == [1.0]


async def test_who_is_behind_asks_on_at_once(clock: Clock) -> None:
    polls = Polls("1s")
    left = [[EVENT], [EVENT], [EVENT]]

    async def ask(wait: float) -> list[Event]:
        if not left:
            raise Enough
        polls.behind = len(left) > 1
        return left.pop()

    assert len(await collect(polls, ask)) == 3
    assert clock.rests == [1.0]


async def test_a_server_that_says_there_is_more_and_brings_nothing_is_not_asked_at_once(clock: Clock) -> None:
    polls = Polls("1s")
    polls.behind = True
    ask, _ = answers([], [])
    await collect(polls, ask)
    assert clock.rests == [1.0, 1.0]


async def test_a_long_poll_follows_news_at_once(clock: Clock) -> None:
    ask, waits = answers([EVENT], [EVENT], [], took=WAIT, clock=clock)
    assert len(await collect(Polls(LONG), ask)) == 2
    assert waits == [WAIT] * 3
    assert clock.rests == []


async def test_a_server_that_does_not_wait_is_not_asked_without_end(clock: Clock) -> None:
    ask, _ = answers([], [], [])
    assert await collect(Polls(LONG), ask) == []
    assert clock.rests == [IDLE] * 3


async def test_questions_in_vain_are_counted(clock: Clock) -> None:
    polls = Polls("1s")
    assert str(polls) == "polls 0, empty 0"
    ask, _ = answers([], [EVENT], [], [])
    await collect(polls, ask)
    assert str(polls) == "polls 4, empty 3"


async def test_a_question_that_fails_is_not_counted(clock: Clock) -> None:
    polls = Polls("1s")
    ask, _ = answers()
    await collect(polls, ask)
    assert str(polls) == "polls 0, empty 0"


async def test_when_it_is_over_a_rest_ends_and_nothing_more_is_asked() -> None:
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ask, waits = answers([], [])
    stop: Callable[[], object] = lambda: over.set_result(None)  # noqa: E731
    asyncio.get_running_loop().call_soon(stop)
    assert [events async for events in Polls("30").news(ask, 200, over)] == []
    assert len(waits) == 1
