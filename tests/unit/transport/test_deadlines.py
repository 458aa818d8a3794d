"""Deadlines that share one timer of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from chat.transport import deadlines
from chat.transport.deadlines import Deadlines


class Due:
    """What was due, in order."""

    def __init__(self, awaited: int) -> None:
        self.keys: list[str] = []
        self.all = asyncio.Event()
        self._awaited = awaited

    def __call__(self, key: str) -> None:
        self.keys.append(key)
        if len(self.keys) == self._awaited:
            self.all.set()


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "GRAIN", 0.001)


async def test_each_is_due_once_the_earliest_first() -> None:
    due = Due(3)
    some: Deadlines[str] = Deadlines(due)
    for key, seconds in (("late", 0.02), ("first", 0.001), ("next", 0.01)):
        some.set(key, seconds)
    await due.all.wait()
    assert due.keys == ["first", "next", "late"]
    assert not some


async def test_what_was_dropped_or_set_anew_is_not_due_then() -> None:
    due = Due(1)
    some: Deadlines[str] = Deadlines(due)
    some.set("dropped", 0.001)
    some.set("again", 0.001)
    some.set("again", 60.0)
    some.set("due", 0.002)
    some.drop("dropped")
    some.drop("never set")
    await due.all.wait()
    assert due.keys == ["due"]
    assert some.take_all() == ["again"]
    some.stop()


async def test_what_is_due_may_drop_and_set_others() -> None:
    heard = Due(2)

    def due(key: str) -> None:
        heard(key)
        if key == "one":
            some.drop("two")
            some.set("three", 0.001)

    some: Deadlines[str] = Deadlines(due)
    some.set("one", 0.0)
    some.set("two", 0.0)
    await heard.all.wait()
    assert heard.keys == ["one", "three"]


async def test_many_that_are_dropped_in_time_cost_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers = asyncio.get_running_loop(), []
    call_at = loop.call_at

    def counted(when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, callback)

    monkeypatch.setattr(loop, "call_at", counted)
    some: Deadlines[str] = Deadlines(Due(1))
    for key in map(str, range(100)):
        some.set(key, 60.0)
        some.drop(key)
    some.stop()
    assert len(timers) == 1


async def test_after_stop_nothing_is_due() -> None:
    due = Due(1)
    some: Deadlines[str] = Deadlines(due)
    some.set("stopped", 0.0)
    some.stop()
    some.set("due", 0.0)
    await due.all.wait()
    assert due.keys == ["due"]
