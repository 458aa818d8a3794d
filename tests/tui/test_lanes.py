"""Lanes: the same room over several techniques side by side."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import backends
from chat.client.connect import Detour
from chat.client.session import Session
from chat.domain.errors import ConnectionLost
from lab.wire.wiretap import Wiretap
from tests.support.desk import Desk, Running, chat, chatting, check_golden, lines, text, until, write
from tui.app import ChatApp
from tui.lanes.figures import Figures, level, sparkline
from tui.lanes.screen import HELP, LanesScreen
from tui.opening import Choice


class Hall(Desk):
    """A desk for each lane; what they show is written by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes: dict[str, Desk] = {}

    def open_session(self, choice: Choice, detour: Detour | None = None) -> Session:
        if choice.nick == self.nick:
            return super().open_session(choice, detour)
        assert choice.nick is not None
        self.lanes[choice.technique] = desk = Desk(choice.nick)
        return desk.open_session(choice, detour)


def lanes(pilot: Running) -> LanesScreen:
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, LanesScreen))


@asynccontextmanager
async def in_lanes(
    names: str = "grpc soap", size: tuple[int, int] = (80, 24), **options: Any
) -> AsyncIterator[tuple[Running, Hall]]:
    hall = Hall()
    async with chatting(hall, size, **options) as pilot:
        await write(pilot, f"/lanes {names}")
        await until(pilot, lambda: isinstance(pilot.app.screen, LanesScreen))
        await until(pilot, lambda: all(lane.head.rtt is not None for lane in lanes(pilot).lanes))
        yield pilot, hall


async def say(pilot: Running, said: str) -> None:
    lanes(pilot).composer.insert(said)
    await pilot.press("enter")
    await pilot.pause()


# --- figures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "bar"),
    [(0.0, 0), (0.0001, 0), (0.00033, 0), (0.00035, 1), (0.014, 3), (0.0143, 4), (2.0, 7), (60.0, 7)],
)
def test_a_time_has_its_bar_on_one_logarithmic_scale(seconds: float, bar: int) -> None:
    assert level(seconds) == bar


def test_the_newest_times_are_at_the_right() -> None:
    assert sparkline([0.0001, 2.0, 0.0001], 2) == "█▁"
    assert sparkline([0.0001], 0) == ""


def test_percentiles_are_times_that_were_measured() -> None:
    figures = Figures()
    assert figures.percentile(0.5) is None
    for number in range(1, 101):
        figures.add(number / 1000)
    assert (figures.percentile(0.5), figures.percentile(0.95)) == (0.05, 0.095)


# --- writing -----------------------------------------------------------------------------------


async def test_one_line_goes_over_every_lane_once() -> None:
    async with in_lanes("grpc soap udp") as (pilot, hall):
        await say(pilot, "the same")
        await until(pilot, lambda: all(desk.log for desk in hall.lanes.values()))
        assert {name: [one.text for one in desk.log] for name, desk in hall.lanes.items()} == {
            "grpc": ["the same"],
            "soap": ["the same"],
            "udp": ["the same"],
        }
        assert [desk.nick for desk in hall.lanes.values()] == ["grpc-ann", "soap-ann", "udp-ann"]


async def test_tab_chooses_one_lane_and_then_all_again() -> None:
    async with in_lanes() as (pilot, hall):
        await pilot.press("tab", "tab")
        await say(pilot, "soap only")
        await pilot.press("tab")
        await say(pilot, "both")
        await until(pilot, lambda: len(hall.lanes["soap"].log) == 2 and hall.lanes["grpc"].log)
        assert [one.text for one in hall.lanes["grpc"].log] == ["both"]
        assert [one.text for one in hall.lanes["soap"].log] == ["soap only", "both"]


async def test_f1_names_the_keys_that_are_not_in_the_last_line() -> None:
    async with in_lanes() as (pilot, _):
        await pilot.press("f1")
        await until(pilot, lambda: HELP in text(pilot))
        assert "Tab lane" in lines(pilot)[-1]


async def test_each_lane_shows_its_state_its_times_and_what_waits() -> None:
    async with in_lanes() as (pilot, hall):
        await say(pilot, "measured")
        await until(pilot, lambda: "p50 1.2 ms  p95 1.2 ms" in lines(pilot)[1])
        assert " grpc  ● up" in lines(pilot)[0]
        hall.lanes["soap"].hold = True
        await say(pilot, "held")
        await until(pilot, lambda: "soap  ● up  1 waiting" in lines(pilot)[0])
        hall.lanes["soap"].release()
        await until(pilot, lambda: "waiting" not in lines(pilot)[0])


async def test_a_lane_that_polls_says_how_often() -> None:
    async with in_lanes() as (pilot, _):
        lanes(pilot).lanes[1].head.activity = "polls 40, empty 37"
        lanes(pilot).lanes[1].look()
        await until(pilot, lambda: "polls 40, empty 37" in lines(pilot)[2])


async def test_a_lane_whose_wire_cannot_be_shown_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(wire: Wiretap) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Wiretap, "start", full)
    made = Wiretap(backends.technique("tcp"), {}, tmp_path)
    async with in_lanes(make_wiretap=lambda _: made) as (pilot, hall):
        await pilot.press("f2")
        await until(pilot, lambda: "the wire can't be shown: Too many open files" in text(pilot))
        await say(pilot, "all the same")
        await until(pilot, lambda: all(desk.log for desk in hall.lanes.values()))


async def test_a_fault_of_the_program_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(wire: Wiretap) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(Wiretap, "start", fails)
    made = Wiretap(backends.technique("tcp"), {}, tmp_path)
    async with in_lanes(make_wiretap=lambda _: made) as (pilot, _):
        await pilot.press("f2")
        await until(pilot, lambda: "chat has failed: ValueError('no such thing')" in text(pilot))


async def test_a_lane_that_is_away_keeps_what_is_written_and_says_why() -> None:
    async with in_lanes() as (pilot, hall):
        hall.lanes["soap"].away = ConnectionLost("nothing listens", retry_after=60.0)
        hall.lanes["soap"].breaks("gone")
        await until(pilot, lambda: "soap  ▲ retrying" in lines(pilot)[0])
        await until(pilot, lambda: "nothing listens" in lines(pilot)[2])
        await say(pilot, "later")
        await until(pilot, lambda: "1 waiting" in lines(pilot)[0])


async def test_who_comes_and_goes_takes_no_room_in_a_lane() -> None:
    async with in_lanes() as (pilot, hall):
        for desk in hall.lanes.values():
            desk.joins("bob")
            desk.says("bob", "hello")
        await until(pilot, lambda: text(pilot).count("hello") == 2)
        assert "joined" not in text(pilot)


# --- how many ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("grpc soap udp tcp rest", "5 lanes are too many: 4 are the most"),
        ("grpc grpc", "each technique has one lane"),
        ("grpc sopa", "did you mean soap?"),
    ],
)
async def test_lanes_that_cannot_be_are_refused(names: str, told: str) -> None:
    async with chatting(Hall()) as pilot:
        await write(pilot, f"/lanes {names}")
        await until(pilot, lambda: told in text(pilot))


async def test_lanes_that_are_asked_for_twice_are_opened_once() -> None:
    async with chatting(Hall()) as pilot:
        screen = chat(pilot)
        await asyncio.gather(screen.open_lanes("grpc soap"), screen.open_lanes("grpc soap"))
        await until(pilot, lambda: isinstance(pilot.app.screen, LanesScreen))
        assert sum(isinstance(one, LanesScreen) for one in pilot.app.screen_stack) == 1


async def test_a_narrow_screen_shows_the_lanes_around_the_chosen_one() -> None:
    async with in_lanes("grpc soap udp rest") as (pilot, _):
        assert "2 hidden" in lines(pilot)[-1]
        assert ("grpc" in lines(pilot)[0], "rest" in lines(pilot)[0]) == (True, False)
        await pilot.press("shift+tab")
        await until(pilot, lambda: "▸rest" in lines(pilot)[0])
        assert "grpc" not in lines(pilot)[0]


async def test_a_screen_that_is_too_small_keeps_the_composer() -> None:
    async with in_lanes() as (pilot, hall):
        await pilot.resize_terminal(10, 3)
        await say(pilot, "typed")
        await until(pilot, lambda: all(desk.log for desk in hall.lanes.values()))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "grpc-ann typed" in text(pilot))


# --- leaving -----------------------------------------------------------------------------------


async def test_escape_leaves_the_lanes_and_shows_the_room() -> None:
    async with in_lanes() as (pilot, hall):
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, LanesScreen))
        assert all(desk.sessions[0]._closing for desk in hall.lanes.values())
        await write(pilot, "in the room again")
        await until(pilot, lambda: hall.log)


async def test_what_a_lane_had_not_acknowledged_is_named_at_the_end() -> None:
    async with in_lanes() as (pilot, hall):
        assert isinstance(pilot.app, ChatApp)
        lanes(pilot).linger = 0.01
        hall.lanes["soap"].hold = True
        await say(pilot, "nobody answers soap")
        await until(pilot, lambda: hall.lanes["soap"].held)
        await pilot.press("escape")
        await until(pilot, lambda: "left without an answer to 1" in text(pilot))
        assert pilot.app.rooms.unacknowledged == ["nobody answers soap"]


async def test_quit_leaves_the_lanes_and_the_room() -> None:
    async with in_lanes() as (pilot, hall):
        await say(pilot, "/quit")
        await until(pilot, lambda: not pilot.app.is_running)
        assert all(desk.sessions[0]._closing for desk in [hall, *hall.lanes.values()])


async def test_commands_of_the_room_are_not_for_lanes() -> None:
    async with in_lanes() as (pilot, hall):
        await say(pilot, "/who")
        await until(pilot, lambda: "lanes take no commands but" in text(pilot))
        assert not hall.lanes["grpc"].log


# --- how they look -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "names"),
    [((120, 36), "grpc soap udp rest"), ((80, 24), "grpc soap"), ((60, 20), "grpc soap")],
    ids=["120x36", "80x24", "60x20"],
)
async def test_lanes_look_as_they_were_judged(size: tuple[int, int], names: str) -> None:
    async with in_lanes(names, size) as (pilot, hall):
        for said in ("who is first?", "and a line that is so long that it is broken into several"):
            await say(pilot, said)
            await until(pilot, lambda: not any(lane.session.pending for lane in lanes(pilot).lanes))
        for desk in hall.lanes.values():
            desk.says("bob", "me, too")
        await until(pilot, lambda: text(pilot).count("me, too") == len(names.split()))
        hall.lanes["soap"].hold = True
        await say(pilot, "now?")
        await until(pilot, lambda: "1 waiting" in lines(pilot)[0])
        check_golden(pilot, f"lanes-{size[0]}x{size[1]}")
