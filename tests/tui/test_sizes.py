"""Every size: the screen never ends because of it, and says so where it is too small to be used."""

from __future__ import annotations

import asyncio

import pytest
from textual import events

import backends
from tests.support.desk import Desk, Running, chat, chatting, lines, text, until, write
from tests.tui.test_lanes import in_lanes
from tests.tui.test_split import long_talk, numbers, split
from tests.tui.test_wire import looking, open_with_a_message
from tui.app import ChatApp
from tui.screens.chat import ChatScreen
from tui.screens.chat_commands import LEAST
from tui.wire.inspector import Inspector

SMALL = [
    (1, 1),
    (2, 2),
    (4, 4),
    (8, 3),
    (10, 3),
    (15, 24),
    (24, 10),
    (24, 24),
    (29, 7),
    (80, 1),
    (80, 3),
    (80, 7),
]


def full() -> Desk:
    """Everything that is drawn in columns: long names, mentions, wide letters, days, members."""
    desk = Desk()
    desk.joins("a_nick_of_twenty_four_ch", "rabbitmq")
    desk.says("a_nick_of_twenty_four_ch", "漢字 and 🚀, @ann, however long the line is that they stand in")
    desk.time += 24 * 3600
    desk.deletes(desk.says("bob", "oops"))
    desk.says("bob", "https://example.org/" + "x" * 200)
    return desk


@pytest.mark.parametrize("size", SMALL, ids=str)
async def test_it_starts_at_any_size_and_what_is_typed_is_kept(size: tuple[int, int]) -> None:
    async with chatting(full(), size) as pilot:
        await write(pilot, "typed", "end")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "typed" in text(pilot)
        assert chat(pilot).composer.has_focus


async def test_it_takes_any_size_while_it_runs() -> None:
    desk = full()
    async with chatting(desk) as pilot:
        await write(pilot, "/who")
        for name in ("", "/help", "/", "ctrl+p"):
            await pilot.press(*([name] if "+" in name else name))
            await pilot.press(*(["enter"] if name == "/help" else []))
            for size in SMALL:
                await pilot.resize_terminal(*size)
                desk.says("bob", "meanwhile")
                await pilot.pause()
            await pilot.resize_terminal(80, 24)
            await pilot.press("escape")
        await until(pilot, lambda: "meanwhile" in text(pilot))


async def test_below_the_least_size_it_says_so() -> None:
    width, height = LEAST
    async with chatting(full(), (width - 1, height)) as pilot:
        assert f"{width}x{height}" in text(pilot)
        assert "漢字" not in text(pilot)
        await pilot.resize_terminal(width, height)
        await pilot.pause()
        assert f"{width}x{height}" not in text(pilot)
        await pilot.resize_terminal(width, height - 1)
        await pilot.pause()
        assert f"{width}x{height}" in text(pilot)


async def test_the_question_about_a_paste_takes_any_size() -> None:
    desk = full()
    async with chatting(desk) as pilot:
        pilot.app.post_message(events.Paste("a\nb\nc\nd"))
        await pilot.pause()
        for size in SMALL:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: desk.log[-1].text == "a\nb\nc\nd")


async def tiny_and_back(pilot: Running) -> None:
    """Make the terminal tiny and large again; the screen must be what it was."""
    before = lines(pilot)
    await pilot.resize_terminal(10, 3)
    await pilot.pause()
    assert lines(pilot) != before
    await pilot.resize_terminal(80, 24)
    await until(pilot, lambda: lines(pilot) == before)


async def test_a_list_that_is_split_is_what_it_was_before() -> None:
    desk = long_talk()
    async with chatting(desk) as pilot:
        await split(pilot)
        await pilot.press("pageup")
        await until(pilot, lambda: numbers(pilot)[-1] == "60")
        await tiny_and_back(pilot)
        desk.says("bob", "line 61")
        await until(pilot, lambda: numbers(pilot)[-1] == "61")


async def test_the_inspector_is_what_it_was_before() -> None:
    async with looking() as (pilot, desk, wire):
        await open_with_a_message(pilot, desk, wire)
        await until(pilot, lambda: "idle" in text(pilot))  # what being there costs is known only then
        await tiny_and_back(pilot)
        assert pilot.app.query_one(Inspector).has_focus


async def test_the_lanes_are_what_they_were_before() -> None:
    async with in_lanes() as (pilot, hall):
        for desk in hall.lanes.values():
            desk.says("bob", "in a lane")
        await until(pilot, lambda: text(pilot).count("in a lane") == 2)
        await tiny_and_back(pilot)


@pytest.mark.parametrize("key", ["ctrl+g", "ctrl+p", "f1"])
async def test_what_lies_above_the_room_is_what_it_was_before(key: str) -> None:
    async with chatting(full()) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChatScreen))
        await pilot.pause()
        await tiny_and_back(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: chat(pilot).composer.has_focus)


async def test_a_list_that_is_just_scrolling_goes_on_at_the_new_size() -> None:
    desk = long_talk()
    async with chatting(desk) as pilot:
        view = chat(pilot).view
        view.scroll_to(y=0, animate=True, duration=600, immediate=True)  # a wheel does so, and is quicker
        await until(pilot, lambda: view.scroll_offset.y < view.max_scroll_y)
        assert pilot.app.animator.is_being_animated(view, "scroll_y")
        await pilot.resize_terminal(10, 3)
        desk.says("bob", "line 61")
        await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await pilot.press("ctrl+end")
        await until(pilot, lambda: numbers(pilot)[-1] == "61" and view.follow)


async def test_the_picker_takes_any_size() -> None:
    app = await asyncio.to_thread(lambda: ChatApp(Desk().open_session, techniques=backends.techniques()))
    async with app.run_test() as pilot:
        for size in [*SMALL, (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert "Enter joins" in text(pilot)
