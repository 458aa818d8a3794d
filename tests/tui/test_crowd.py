"""Ten thousand people in a room: the screen mounts, draws and offers what it does for a hundred."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass

import pytest
from textual.widgets import Static

from chat.client.connect import Detour
from chat.client.session import Session
from chat.domain.model import Member
from tests.support.desk import START, Desk, Running, caught_up, chat, chatting, text, until, write
from tests.tui.test_lanes import Hall, lanes
from tui import board, folding
from tui.board import Board
from tui.lanes.screen import LanesScreen
from tui.opening import Choice
from tui.traffic import Going, folded
from tui.widgets import message_view
from tui.widgets.completion import MOST, Completion
from tui.widgets.members import SHOWN

FEW, MANY = 100, 10_000


def crowd(count: int) -> dict[str, Member]:
    nicks = (f"n{number:05}" for number in range(count))
    return {nick: Member(f"seat-{nick}", nick, "tcp") for nick in nicks}


def counted(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[int]:
    """Return a list that gets the length of what a function returns, at each call."""
    lengths: list[int] = []
    real: Callable[..., list[object]] = getattr(module, name)

    def noting(*args: object, **options: object) -> list[object]:
        made = real(*args, **options)
        lengths.append(len(made))
        return made

    monkeypatch.setattr(module, name, noting)
    return lengths


@dataclass(frozen=True)
class Work:
    """What was done for the screen; times would tell of the machine."""

    widgets: int
    offered: int
    lines: int
    """Lines of messages that were drawn."""


async def work_among(count: int, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Open a room, read, write, and complete a name."""
    desk = Desk()
    desk.members.update(crowd(count))
    desk.says("n00001", "hello, everybody")
    drawn = counted(monkeypatch, message_view, "draw")
    async with chatting(desk, (120, 36)) as pilot:
        await write(pilot, "typed")
        await until(pilot, lambda: "1.2 ms" in text(pilot))
        await write(pilot, "ask @n", "end")
        offered = chat(pilot).query_one(Completion)
        await until(pilot, lambda: offered.open)
        assert f"{count - MOST} more: type on" in str(offered.get_option_at_index(MOST).prompt)
        options = offered.option_count
        await pilot.press("up", "tab")  # past what can't be chosen
        assert chat(pilot).composer.text == f"ask @n{MOST - 1:05} "
        assert f"{count + 1} here" in text(pilot)
        members = pilot.app.screen.query_one("#members Static", Static)
        assert str(members.content).count("\n") <= SHOWN + 2
        return Work(len(pilot.app.screen.query("*")), options, sum(drawn))


async def test_reading_writing_and_completing_cost_what_they_cost_among_a_hundred(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few, many = await work_among(FEW, monkeypatch), await work_among(MANY, monkeypatch)
    assert few == many
    assert all(astuple(few))


async def test_a_name_is_completed_among_thousands() -> None:
    desk = Desk()
    desk.members.update(crowd(MANY))
    async with chatting(desk) as pilot:
        await write(pilot, "ask @n0423", "end", *"1", "tab")
        assert chat(pilot).composer.text == "ask @n04231 "


async def test_who_names_all_of_them_and_writing_goes_on() -> None:
    desk = Desk()
    desk.members.update(crowd(MANY))
    async with chatting(desk) as pilot:
        await write(pilot, "/who")
        (row,) = chat(pilot).view.rows
        assert all(nick in row.text for nick in ("ann", "n00000", "n04231", f"n{MANY - 1:05}"))
        await write(pilot, "typed")
        await until(pilot, lambda: "typed" in text(pilot))


async def test_thousands_who_come_in_are_gone_through_once_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []

    def noting(run: Iterable[Going]) -> tuple[str, str]:
        people = list(run)
        runs.append(len(people))
        return folded(people)

    monkeypatch.setattr(folding, "folded", noting)
    desk = Desk()
    async with chatting(desk) as pilot:
        for nick in crowd(MANY):
            desk.joins(nick)
            desk.time = START  # all on one day
        await caught_up(pilot, desk)
        await until(pilot, lambda: f"{MANY} joined: n00000" in text(pilot))
    assert sum(runs) < 100 * MANY  # once for each of them would be 5,000 times as many


def test_a_board_measures_only_the_names_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = counted(monkeypatch, board, "_short")
    work = []
    for count in (FEW, MANY):
        measured.clear()
        shown = Board("lab", order=("tcp",), members=list(crowd(count).values())).content(80, 24, 0)
        assert f"{count} here" in shown.plain
        assert "n00000 n00001" in shown.plain
        assert "+" in shown.plain.split("● tcp")[1].split("\n")[0]
        work.append(len(measured))
    assert work[0] == work[1] > 0


class CrowdedHall(Hall):
    """Lanes in a room where many are."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.crowd = crowd(count)

    def open_session(self, choice: Choice, detour: Detour | None = None) -> Session:
        session = super().open_session(choice, detour)
        for desk in (self, *self.lanes.values()):
            desk.members.update(self.crowd)
        return session


async def lanes_among(count: int) -> int:
    hall = CrowdedHall(count)

    def up(pilot: Running) -> bool:
        shown = pilot.app.screen
        return isinstance(shown, LanesScreen) and all(lane.head.rtt is not None for lane in shown.lanes)

    async with chatting(hall) as pilot:
        await write(pilot, "/lanes grpc soap")
        await until(pilot, lambda: up(pilot))
        lanes(pilot).composer.insert("typed")
        await pilot.press("enter")
        await until(pilot, lambda: text(pilot).count("-ann typed") == 2)
        assert all(len(lane.session.members) == count + 1 for lane in lanes(pilot).lanes)
        return len(pilot.app.screen.query("*"))


async def test_lanes_mount_what_they_mount_among_a_hundred() -> None:
    assert await lanes_among(FEW) == await lanes_among(MANY)
