"""The board: a room on a projector, at each size, without a seat in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC

import pytest

from chat.domain.errors import ConnectionLost
from chat.domain.model import Event, Member
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.watcher import Watcher
from tests.support.desk import Desk, Running, check_golden, lines, text, until
from tui.board import Board
from tui.screens.board import BoardApp

SIZES = [(120, 36), (80, 24), (60, 20)]


class Looking(Watcher):
    """A watcher of a desk's room."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(Address("127.0.0.1", 8000), ClientOptions(), "lab", "")
        self.desk = desk
        self.lost = asyncio.Event()
        self.error: Exception = ConnectionLost("the server closed the connection")
        self.behind: dict[str, int] = {}

    async def epoch(self) -> str:
        return f"{self.desk.epoch}.1"

    async def newest(self) -> list[Event]:
        return list(self.desk.log)

    async def after(self, seq: int) -> list[Event]:
        while not (news := [event for event in self.desk.log if event.seq > seq]):
            if self.lost.is_set():
                self.lost.clear()
                raise self.error
            await asyncio.sleep(0.01)
        return news

    async def members(self) -> tuple[list[Member], dict[str, int]]:
        here: dict[str, Member] = {}
        for event in self.desk.log:
            if event.kind == "joined":
                here[event.author] = Member(event.seat, event.author, event.technique)
            elif event.kind == "left":
                here.pop(event.author, None)
        return list(here.values()), self.behind

    async def close(self) -> None:
        pass


def class_of_twelve() -> Desk:
    desk = Desk("teacher")
    desk.opens()
    desk.joins("teacher", "tcp")
    for number, technique in enumerate(["grpc", "rest", "tcp", "soap"] * 3, 1):
        desk.joins(f"student{number:02}", technique)
    desk.says("student01", "is it the same room, over all of them?")
    desk.says("student02", "yes: one log, one order. What differs is how it gets here, and what that costs.")
    desk.says("teacher", "/class to grpc")
    desk.says("student04", "/class hand")
    desk.says("student07", "/class hand")
    desk.says("teacher", "/class freeze")
    desk.says("teacher", "/class fault 60 stall 5s")
    desk.says("teacher", "look at who waits now")
    return desk


@asynccontextmanager
async def projected(
    desk: Desk, size: tuple[int, int], *, theme: str | None = None
) -> AsyncIterator[tuple[Running, Looking]]:
    watcher = Looking(desk)

    async def connect() -> Watcher:
        return watcher

    board = Board("lab", join="chat join 192.168.1.5", order=("tcp", "udp", "grpc", "rest", "soap"), zone=UTC)
    app = BoardApp(board, connect, theme, now=lambda: desk.time + 1)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: board.head == desk.log[-1].seq and board.members)
        yield pilot, watcher


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_board_at_each_size(size: tuple[int, int]) -> None:
    async with projected(class_of_twelve(), size) as (pilot, _):
        await until(pilot, lambda: "look at who waits now" in text(pilot))
        check_golden(pilot, f"board-{size[0]}x{size[1]}")


async def test_it_follows_the_room() -> None:
    desk = class_of_twelve()
    async with projected(desk, (80, 24)) as (pilot, _):
        desk.says("teacher", "/class thaw")
        desk.says("teacher", "/class lower")
        desk.leaves("student01")
        desk.says("student02", "thanks")
        await until(pilot, lambda: "thanks" in text(pilot))
        shown = text(pilot)
        assert "FROZEN" not in shown
        assert "HANDS" not in shown
        await until(pilot, lambda: "12 here" in text(pilot))


async def test_a_lost_connection_is_said_and_mended() -> None:
    desk = class_of_twelve()
    async with projected(desk, (80, 24)) as (pilot, watcher):
        watcher.lost.set()
        await until(pilot, lambda: "the server closed the connection" in text(pilot))
        desk.says("student02", "still here")
        await until(pilot, lambda: "still here" in text(pilot))
        assert "closed the connection" not in text(pilot)


async def test_a_fault_of_the_program_is_said() -> None:
    async with projected(class_of_twelve(), (80, 24)) as (pilot, watcher):
        watcher.error = ValueError("no such thing")
        watcher.lost.set()
        await until(pilot, lambda: "chat has failed: ValueError('no such thing')" in text(pilot))


async def test_a_server_that_comes_back_with_another_log_begins_the_board_anew() -> None:
    desk = class_of_twelve()
    async with projected(desk, (80, 24)) as (pilot, watcher):
        desk.epoch, desk.log = "epoch-2", []
        desk.says("student02", "in the new log")
        watcher.lost.set()
        await until(pilot, lambda: "in the new log" in text(pilot))
        assert "look at who waits now" not in text(pilot)
        assert "FROZEN" not in text(pilot)


async def test_who_lags_is_marked_though_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.board.COUNT_EVERY", 0.02)
    desk = class_of_twelve()
    async with projected(desk, (80, 24)) as (pilot, watcher):
        seat = next(event.seat for event in desk.log if event.author == "student02")
        watcher.behind = {seat: 12}
        await until(pilot, lambda: "student02 ▼12" in text(pilot))


async def test_hostile_text_is_text() -> None:
    desk = Desk()
    desk.opens()
    desk.joins("[bold]x[/]", "tcp")
    desk.says("[bold]x[/]", "[red]not red[/] [@click=app.quit]no link[/]")
    desk.says("ann", "/class to [red]red[/]\x1b[31m")
    async with projected(desk, (80, 24)) as (pilot, _):
        await until(pilot, lambda: "[red]not red[/]" in text(pilot))
        assert "\x1b" not in "\n".join(lines(pilot))


@pytest.mark.parametrize("size", [(10, 3), (24, 4), (200, 60)])
async def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    async with projected(class_of_twelve(), size) as (pilot, _):
        assert len(lines(pilot)) == size[1]


async def test_four_hundred_who_are_here_fit() -> None:
    desk = Desk()
    for number in range(400):
        desk.joins(f"someone{number:03}", "grpc")
    async with projected(desk, (80, 24)) as (pilot, _):
        await until(pilot, lambda: "400 here" in text(pilot))
        (lane,) = [line for line in lines(pilot) if "● grpc" in line]
        assert "someone000" in lane
        assert "+39" in lane, "how many more there are"


def test_how_to_join_is_shown_whole_if_it_is_longer_than_the_first_line() -> None:
    join = "chat join 192.168.1.5 --port-of tcp=34149 --port-of rest=34150 --port-of grpc=31232"
    shown = Board("lab", join=join).content(80, 24, 0).plain
    assert " ".join(shown.split("─")[0].split()).endswith(join)
