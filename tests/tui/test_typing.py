"""Nothing typed is lost: bursts of keys, and drafts that a command replaces."""

from __future__ import annotations

from textual import events

from tests.support.desk import Desk, Running, caught_up, chat, chatting, text, until, write
from tui.widgets.completion import Completion


def said(desk: Desk) -> list[str]:
    return [event.text for event in desk.log if event.kind == "sent"]


async def burst(pilot: Running, keys: list[str]) -> None:
    """Press keys as one burst: none is handled before all of them have come."""
    characters = {"enter": "\r", "space": " ", "at": "@", "slash": "/", "ctrl+j": "\n"}
    for key in keys:
        pilot.app.post_message(events.Key(key, characters.get(key, key if len(key) == 1 else None)))
    await pilot.pause()


async def test_a_list_that_is_older_than_the_text_is_not_used_by_enter() -> None:
    desk = Desk()
    desk.joins("bob")
    async with chatting(desk) as pilot:
        await pilot.press("@")
        await pilot.pause()
        assert pilot.app.screen.query_one(Completion).open
        await burst(pilot, [*"xy", "space", *"hello", "enter"])
        await until(pilot, lambda: said(desk) == ["@xy hello"])
        assert chat(pilot).composer.text == ""


async def test_a_list_that_is_older_than_the_text_is_not_used_by_a_command() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await pilot.press("/")
        await pilot.pause()
        await burst(pilot, [*"theme", "space", *"light", "enter"])
        await until(pilot, lambda: pilot.app.theme == "light")
        assert chat(pilot).composer.text == ""


async def test_a_list_that_is_older_than_the_text_is_not_used_by_tab() -> None:
    desk = Desk()
    desk.joins("bob")
    async with chatting(desk) as pilot:
        await pilot.press("@")
        await pilot.pause()
        await burst(pilot, [*"xy", "tab"])
        await pilot.pause()
        assert chat(pilot).composer.text == "@xy"


async def test_a_list_that_is_older_than_the_text_does_not_take_up_and_down() -> None:
    desk = Desk()
    desk.joins("bob")
    async with chatting(desk) as pilot:
        await write(pilot, "earlier")
        await pilot.press("@")
        await pilot.pause()
        await burst(pilot, [*"xy", "up", "down", "enter"])
        await until(pilot, lambda: said(desk) == ["earlier", "@xy"])


async def test_the_list_closes_when_the_cursor_moves_away() -> None:
    desk = Desk()
    desk.joins("bob")
    async with chatting(desk) as pilot:
        await pilot.press(*"@bo", "left")
        await pilot.pause()
        assert not pilot.app.screen.query_one(Completion).open


async def test_a_key_of_a_command_never_overtakes_the_letters_before_it() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await burst(pilot, [*"draft", "ctrl+f", *"x", "escape"])
        await pilot.pause()
        assert chat(pilot).composer.text == "draft"


async def test_leaving_in_a_burst_sends_what_was_sent_before() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await burst(pilot, [*"bye", "enter", "ctrl+q"])
        await until(pilot, lambda: not pilot.app.is_running)
        assert said(desk) == ["bye"]


async def test_spaces_and_joiners_of_other_scripts_can_be_typed() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        for letter in "漢\u3000字\u00a0👩\u200d💻":
            pilot.app.post_message(events.Key(letter, letter))
        pilot.app.post_message(events.Key("enter", "\r"))
        await until(pilot, lambda: said(desk) == ["漢\u3000字\u00a0👩\u200d💻"])


# --- drafts that a command replaces ------------------------------------------------------------


async def test_a_draft_comes_back_after_escape_and_after_the_search() -> None:
    desk = Desk()
    desk.says("bob", "needle")
    async with chatting(desk) as pilot:
        await write(pilot, "a long draft", "ctrl+f")
        composer = chat(pilot).composer
        assert composer.text == "/find "
        await pilot.press("escape")
        assert composer.text == "a long draft"
        await pilot.press("ctrl+f", *"needle", "enter")
        await until(pilot, lambda: "1 of 1" in text(pilot))
        assert composer.text == "a long draft"


async def test_a_draft_comes_back_after_a_search_that_finds_nothing() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "a draft", "ctrl+f", *"xyz", "enter")
        await until(pilot, lambda: "no older message holds" in text(pilot))
        assert chat(pilot).composer.text == "a draft"


async def test_a_draft_comes_back_after_an_edit_that_was_cancelled_or_sent() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "typo")
        await until(pilot, lambda: said(desk) == ["typo"])
        await caught_up(pilot, desk)
        await write(pilot, "a draft", "ctrl+up", "e", "escape")
        composer = chat(pilot).composer
        assert composer.text == "a draft"
        await pilot.press("ctrl+up", "e", "s", "enter")
        await until(pilot, lambda: desk.log[-1].text == "typos")
        assert composer.text == "a draft"


async def test_a_search_inside_an_edit_inside_a_draft_gives_back_both() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "typo")
        await caught_up(pilot, desk)
        await write(pilot, "a draft", "ctrl+up", "e", "s", "ctrl+f", *"x", "escape")
        composer = chat(pilot).composer
        assert composer.text == f"/edit #{desk.log[-1].id} typos"
        await pilot.press("escape")
        assert composer.text == "a draft"


async def test_what_was_begun_comes_back_after_a_recalled_text_was_sent() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "one")
        await write(pilot, "begun", "up", "enter")
        await until(pilot, lambda: said(desk) == ["one", "one"])
        assert chat(pilot).composer.text == "begun"


async def test_a_change_of_a_recalled_text_survives_up_and_down() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "one")
        await write(pilot, "two")
        await write(pilot, "begun", "up", "x", "up", "down")
        assert chat(pilot).composer.text == "twox"
