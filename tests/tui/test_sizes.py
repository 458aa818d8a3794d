"""Every size: the screen never ends because of it, and says so where it is too small to be used."""

from __future__ import annotations

import asyncio

import pytest
from textual import events

import backends
from tests.support.desk import Desk, chat, chatting, text, until, write
from tui.app import ChatApp
from tui.screens.chat_commands import LEAST

SMALL = [(1, 1), (2, 2), (4, 4), (8, 3), (15, 24), (24, 10), (24, 24), (29, 7), (80, 1), (80, 3), (80, 7)]


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


async def test_the_picker_takes_any_size() -> None:
    app = await asyncio.to_thread(lambda: ChatApp(Desk().open_session, techniques=backends.techniques()))
    async with app.run_test() as pilot:
        for size in [*SMALL, (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert "Enter joins" in text(pilot)
