"""Reading: a cursor in the list, and what the keys do with the message under it."""

from __future__ import annotations

import pytest
from textual import events

from chat.domain.errors import NotYours
from tests.support.desk import (
    Desk,
    Running,
    caught_up,
    chat,
    chatting,
    check_golden,
    line_with,
    lines,
    text,
    until,
    write,
)
from tests.tui.test_screens import SIZES, lesson, named, play
from tests.tui.test_sizes import SMALL


def talk(count: int = 3) -> Desk:
    desk = Desk()
    for number in range(count):
        desk.says("bob" if number % 2 == 0 else "ann", f"message {number}.")
    return desk


def chosen(pilot: Running) -> str:
    """The text of the message under the cursor."""
    row = chat(pilot).view.chosen
    assert row is not None
    return row.text


# --- moving ------------------------------------------------------------------------------------


async def test_ctrl_up_marks_the_newest_message_and_keys_go_on_from_there() -> None:
    async with chatting(talk()) as pilot:
        await pilot.press("ctrl+up")
        assert "message 2." in line_with(pilot, "►")
        await pilot.press("up", "k")
        assert "message 0." in line_with(pilot, "►")
        await pilot.press("j")
        assert "message 1." in line_with(pilot, "►")
        await pilot.press("home")
        assert chosen(pilot) == "message 0."
        await pilot.press("end")
        assert chosen(pilot) == "message 2."


async def test_escape_writes_again_and_what_was_begun_is_there() -> None:
    async with chatting(talk()) as pilot:
        await write(pilot, "begun", "ctrl+up", "x", "space", "escape", "!")
        assert "►" not in text(pilot)
        assert chat(pilot).composer.text == "begun!"


async def test_keys_of_one_burst_keep_their_order() -> None:
    async with chatting(talk()) as pilot:
        for key in ("ctrl+up", "up", "e", "x"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: chat(pilot).composer.text)
        assert chat(pilot).composer.text == "/edit #2 message 1.x"


async def test_the_chosen_message_is_visible_and_stays_while_others_come() -> None:
    desk = talk(100)
    async with chatting(desk) as pilot:
        await pilot.press("ctrl+up", *["pageup"] * 6)
        before = chosen(pilot)
        assert before in text(pilot)
        place = next(y for y, line in enumerate(lines(pilot)) if "►" in line)
        for number in range(5):
            desk.says("bob", f"later {number}")
        await caught_up(pilot, desk)
        assert chosen(pilot) == before
        assert "►" in lines(pilot)[place]


async def test_a_chosen_message_stays_visible_where_all_fitted_the_screen() -> None:
    desk = talk(3)
    async with chatting(desk, (80, 12)) as pilot:
        await pilot.press("ctrl+up", "up")
        for number in range(20):
            desk.says("bob", f"later {number}")
        await caught_up(pilot, desk)
        assert "message 1." in line_with(pilot, "►")


async def test_up_at_the_oldest_message_loads_older_ones() -> None:
    desk = talk(300)
    async with chatting(desk) as pilot:
        await pilot.press("ctrl+up", "home")
        await until(pilot, lambda: len(chat(pilot).view.rows) == 300)
        await pilot.press("up")
        assert chosen(pilot) == "message 99."


async def test_the_cursor_goes_to_another_message_if_its_own_is_gone() -> None:
    async with chatting(talk()) as pilot:
        await pilot.press("ctrl+up")
        await pilot.app.run_action("screen.command('clear')")
        assert chat(pilot).view.chosen is None
        await pilot.press("up", "down", "home", "end", "e", "escape")
        assert not chat(pilot).reading


async def test_a_message_that_is_stored_keeps_the_cursor() -> None:
    desk = talk()
    desk.hold = True
    async with chatting(desk) as pilot:
        await write(pilot, "mine")
        await until(pilot, lambda: desk.held)
        await pilot.press("ctrl+up")
        assert chosen(pilot) == "mine"
        desk.release()
        await caught_up(pilot, desk)
        assert chosen(pilot) == "mine"


async def test_there_is_nothing_to_read_in_an_empty_room() -> None:
    async with chatting(Desk()) as pilot:
        await pilot.press("ctrl+up")
        assert "there is no message to read" in text(pilot)
        await pilot.press("a")
        assert chat(pilot).composer.text == "a"


# --- what is done with the message -------------------------------------------------------------


async def test_edit_takes_an_own_message_and_refuses_others() -> None:
    async with chatting(talk()) as pilot:
        await pilot.press("ctrl+up", "e")
        assert "only bob can change this message" in text(pilot)
        await pilot.press("up", "e")
        assert chat(pilot).composer.text == "/edit #2 message 1."


async def test_delete_asks_for_an_enter() -> None:
    desk = talk()
    async with chatting(desk) as pilot:
        await pilot.press("ctrl+up", "up", "d")
        assert "Enter deletes this message" in text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "message deleted" in text(pilot))
        assert desk.log[-1].id == 2


async def test_reply_quotes_the_message_above_what_was_begun() -> None:
    desk = talk()
    async with chatting(desk) as pilot:
        await write(pilot, "yes", "ctrl+up", "r", "!", "enter")
        await until(pilot, lambda: len(desk.log) == 4)
        assert desk.log[-1].text == "> bob: message 2.\nyes!"


async def test_a_quotation_is_one_short_line_whatever_was_said() -> None:
    desk = Desk()
    desk.says("bob", "a" + "\u0301" * 4000)
    desk.says("bob", "[red]x[/]\x1b[2J\u202e\n\u200b" + "word " * 100)
    async with chatting(desk) as pilot:
        await pilot.press("ctrl+up", "r")
        assert chat(pilot).composer.text.startswith(r"> bob: [red]x[/]\u001b[2J\u202e")
        assert len(chat(pilot).composer.text) < 80
        chat(pilot).composer.load("")
        await pilot.press("ctrl+up", "up", "r")
        assert len(chat(pilot).composer.text) < 80


async def test_copy_takes_the_chosen_message() -> None:
    async with chatting(talk()) as pilot:
        await pilot.press("ctrl+up", "up", "c")
        assert pilot.app.clipboard == "message 1."


async def test_a_message_is_copied_as_the_command_that_would_send_it() -> None:
    desk = Desk()
    desk.says("bob", "it's $(here)\x1b[2J")
    async with chatting(desk) as pilot:
        await pilot.press("ctrl+up", "Y")
        await until(pilot, lambda: "copied as a command" in text(pilot))
        assert pilot.app.clipboard.endswith("| nc 127.0.0.1 7010")
        assert pilot.app.clipboard.isprintable()


async def test_a_failed_message_is_sent_again_in_place_of_itself() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.refusal = NotYours("not now")
        await write(pilot, "a\tb")
        await until(pilot, lambda: "not sent" in text(pilot))
        await pilot.press("ctrl+up")
        assert "R send again" in text(pilot)
        await pilot.press("R")
        await until(pilot, lambda: desk.log and desk.log[-1].text == "a\tb")
        await caught_up(pilot, desk)
        assert "not sent" not in text(pilot)


async def test_what_is_pasted_while_reading_is_written() -> None:
    async with chatting(talk()) as pilot:
        await pilot.press("ctrl+up")
        pilot.app.post_message(events.Paste("pasted"))
        await until(pilot, lambda: chat(pilot).composer.text == "pasted")
        assert not chat(pilot).reading


# --- the screen --------------------------------------------------------------------------------


async def test_the_line_of_keys_is_there_while_reading_although_the_screen_is_low() -> None:
    async with chatting(talk(), (60, 14)) as pilot:
        assert "Enter send" not in text(pilot)
        await pilot.press("ctrl+up")
        assert "r reply" in text(pilot)


@pytest.mark.parametrize("size", SIZES, ids=named)
async def test_reading_looks_as_it_was_judged(size: tuple[int, int]) -> None:
    desk = lesson()
    async with chatting(desk, size) as pilot:
        await play(pilot, desk)
        await pilot.press("ctrl+up", "up", "up", "up")
        check_golden(pilot, f"reading-{named(size)}")


async def test_reading_takes_any_size() -> None:
    desk = talk(50)
    async with chatting(desk) as pilot:
        await pilot.press("ctrl+up", "up")
        for size in [*SMALL, (10, 3), (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.press("up", "down", "up")
            await pilot.pause()
        assert chosen(pilot) in text(pilot)
