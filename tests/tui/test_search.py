"""Searching: in the list, and back through the whole history of the room."""

from __future__ import annotations

import asyncio

import pytest

from chat.domain.model import Event, Limits
from tests.support.desk import Desk, DeskClient, chat, chatting, check_golden, line_with, text, until, write
from tui.widgets import message_view


def room(count: int, *needles: int, replay: int = 50, page: int = 50) -> Desk:
    desk = Desk(limits=Limits(replay=replay, page=page))
    for number in range(count):
        desk.says("bob", f"needle {number}." if number in needles else f"straw {number}.")
    return desk


async def test_keys_go_to_older_and_newer_hits_and_the_one_that_is_looked_at_is_marked() -> None:
    async with chatting(room(40, 3, 20, 35)) as pilot:
        await write(pilot, "/find needle")
        assert "needle 35." in line_with(pilot, "►")
        await pilot.press("f3")
        assert "needle 20." in line_with(pilot, "►")
        assert "2 of 3" in text(pilot)
        check_golden(pilot, "search-80x24")
        await pilot.press("f3")
        assert "needle 3." in line_with(pilot, "►")
        await pilot.press("shift+f3")
        assert "needle 20." in line_with(pilot, "►")
        await pilot.press("shift+f3", "shift+f3")
        assert "no newer message" in text(pilot)
        await pilot.press("escape")
        assert "►" not in text(pilot)
        assert not chat(pilot).view.found


async def test_n_goes_on_while_reading_from_the_hit() -> None:
    async with chatting(room(40, 3, 20, 35)) as pilot:
        await write(pilot, "/find needle")
        await pilot.press("ctrl+up", "n")
        assert "needle 20." in line_with(pilot, "►")
        assert "n N hits" in text(pilot)
        await pilot.press("N", "r")
        assert chat(pilot).composer.text.startswith("> bob: needle 35.")


async def test_f3_is_the_wire_while_nothing_is_searched() -> None:
    async with chatting(room(3)) as pilot:
        await pilot.press("f3")
        await until(pilot, lambda: "no wire of its own" in text(pilot))


async def test_what_is_not_in_the_list_is_fetched_until_there_is_a_hit() -> None:
    async with chatting(room(500, 20, 110)) as pilot:
        await write(pilot, "/find needle")
        await until(pilot, lambda: "needle 110." in line_with(pilot, "►") if "►" in text(pilot) else False)
        assert "1 of 1" in text(pilot)
        await pilot.press("f3")
        await until(pilot, lambda: "2 of 2" in text(pilot))
        assert "needle 20." in line_with(pilot, "►")
        await pilot.press("f3")
        await until(pilot, lambda: "no older message holds" in text(pilot))
        assert "Searched back to #1, Mon 23 November 2026 12:55; 2 found" in text(pilot).replace("\n ", " ")


async def test_a_step_is_bounded_and_f3_goes_on() -> None:
    desk = room(600, 5, replay=30, page=10)
    async with chatting(desk) as pilot:
        await write(pilot, "/find needle")
        await until(pilot, lambda: "F3 goes on" in text(pilot))
        assert "Searched back to #321" in text(pilot)
        await pilot.press("f3")
        await until(pilot, lambda: "F3 goes on. Searched back to #71" in text(pilot))
        await pilot.press("f3")
        await until(pilot, lambda: "1 of 1" in text(pilot))


async def test_escape_stops_a_step() -> None:
    desk = room(500, 5)
    asked = asyncio.Event()

    class Slow(DeskClient):
        async def history(
            self, *, after: int | None = None, before: int | None = None, limit: int
        ) -> list[Event]:
            asked.set()
            return await asyncio.Future()

    async def dial() -> Slow:
        return Slow(desk)

    desk._dial = dial  # type: ignore[method-assign]
    async with chatting(desk) as pilot:
        await write(pilot, "/find needle")
        await asked.wait()
        await pilot.press("escape")
        await pilot.pause()
        assert "was stopped" in text(pilot)
        assert chat(pilot).view.found == "needle"
        await pilot.press("escape")
        assert chat(pilot).view.found == ""


async def test_beyond_what_the_list_keeps_only_hits_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.chat_search.KEEP", 120)
    monkeypatch.setattr("tui.screens.chat_commands.KEEP", 120)
    desk = room(500, 20, 110)
    desk.edits(desk.log[20], "nothing to see")
    desk.edits(desk.log[30], "a needle after all")
    desk.deletes(desk.log[110])
    async with chatting(desk) as pilot:
        await write(pilot, "/find needle")
        await until(pilot, lambda: "1 of 1" in text(pilot))
        assert "a needle after all (edited)" in line_with(pilot, "►")
        before = len(chat(pilot).view.rows)
        assert before <= 120
        await pilot.press("escape")
        await pilot.pause()
        assert "only what was found" not in text(pilot)
        assert len(chat(pilot).view.rows) == before - 2


async def test_older_messages_follow_those_that_are_left_after_rows_were_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_view, "KEEP", 60)
    monkeypatch.setattr(message_view, "CUT", 20)
    desk = room(50)
    async with chatting(desk) as pilot:
        for number in range(50, 70):
            desk.says("bob", f"straw {number}.")
        await until(pilot, lambda: "straw 69." in text(pilot))
        screen = chat(pilot)
        left = [row.place.seq for row in screen.view.rows]
        assert len(left) < 60
        assert screen.timeline.oldest == left[0]
        assert not screen.timeline.complete


async def test_a_new_text_begins_at_the_newest() -> None:
    async with chatting(room(40, 3, 35)) as pilot:
        await write(pilot, "/find needle")
        await write(pilot, "/find straw 1")
        assert "straw 19." in line_with(pilot, "►")
        await write(pilot, "/find")
        assert "►" not in text(pilot)
