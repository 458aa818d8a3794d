"""Every command of the table, by what it does; and that help, palette and keys come from the table."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from chat.domain.errors import NotYours
from chat.language.translation import COMPLETE, use
from tests.support.desk import Desk, caught_up, chat, chatting, line_with, text, until, write
from tui.commands import COMMANDS, Refused, parse
from tui.screens.help import help_text

# --- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [56, 76])
def test_help_names_every_command_with_its_key(width: int) -> None:
    shown = help_text(width).plain
    for command in COMMANDS:
        assert f"/{command.name}" in shown
        assert command.summary in shown


@pytest.mark.parametrize("language", ["en", *COMPLETE])
@pytest.mark.parametrize("width", [56, 76])
def test_help_fits_the_width(width: int, language: str) -> None:
    use(language)
    try:
        lines = help_text(width).plain.split("\n")
    finally:
        use("en")
    assert max(map(cell_len, lines)) <= width


async def test_every_key_of_the_table_is_bound() -> None:
    async with chatting(Desk()) as pilot:
        bound = pilot.app.screen.active_bindings.keys()
        assert {command.key for command in COMMANDS if command.key} <= bound


async def test_the_palette_offers_every_command() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        offered = {command.title for command in pilot.app.get_system_commands(pilot.app.screen)}
        assert offered == {f"/{command.name}" for command in COMMANDS}


async def test_no_command_fails_in_an_empty_room() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        for command in COMMANDS:
            if command.name not in ("help", "quit"):
                for argument in ("", " #12 x", " #", " x"):
                    chat(pilot).composer.load(f"/{command.name}{argument}")
                    chat(pilot).composer.submit()
                    await pilot.pause()
        assert {worker.group for worker in pilot.app.workers if worker.error} == set()


def test_a_mistyped_command_is_told_the_right_one() -> None:
    with pytest.raises(Refused, match="did you mean /delete"):
        parse("/delet")


def test_a_command_without_an_argument_refuses_one() -> None:
    with pytest.raises(Refused, match="takes no argument"):
        parse("/who there")


async def test_an_unknown_command_stays_in_the_composer() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/nosuch thing")
        assert "there is no command /nosuch" in text(pilot)
        assert chat(pilot).composer.text == "/nosuch thing"


# --- changing messages -------------------------------------------------------------------------


async def test_edit_changes_the_last_own_message() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.says("ann", "frist")
        desk.says("bob", "something else")
        await caught_up(pilot, desk)
        await write(pilot, "/edit first")
        await until(pilot, lambda: "first (edited)" in text(pilot))
        assert desk.log[-1].id == 1


async def test_edit_alone_puts_the_last_own_message_into_the_composer() -> None:
    desk = Desk()
    desk.says("ann", "frist")
    async with chatting(desk) as pilot:
        await write(pilot, "/edit")
        assert chat(pilot).composer.text == "/edit #1 frist"


async def test_escape_cancels_an_edit_that_was_put_in() -> None:
    desk = Desk()
    desk.says("ann", "frist")
    async with chatting(desk) as pilot:
        await write(pilot, "/edit")
        await pilot.press("x", "escape", *"next")
        assert chat(pilot).composer.text == "next"


async def test_escape_keeps_an_edit_that_was_typed() -> None:
    desk = Desk()
    desk.says("ann", "frist")
    async with chatting(desk) as pilot:
        await write(pilot, "/edit #1 first", "escape")
        assert chat(pilot).composer.text == "/edit #1 first"


async def test_edit_and_delete_take_the_number_of_a_message() -> None:
    desk = Desk()
    desk.says("ann", "the one")
    desk.says("ann", "the other")
    async with chatting(desk) as pilot:
        await write(pilot, "/delete #1")
        await until(pilot, lambda: "message deleted" in text(pilot))
        assert "the other" in text(pilot)


async def test_a_message_of_others_is_not_offered_to_the_server() -> None:
    desk = Desk()
    desk.says("bob", "mine")
    async with chatting(desk) as pilot:
        await write(pilot, "/edit #1 yours")
        assert "#1 is not a message of yours" in text(pilot)
        assert len(desk.log) == 1


async def test_a_refused_edit_leaves_the_message_and_says_why() -> None:
    desk = Desk()
    desk.says("ann", "as it was")
    async with chatting(desk) as pilot:
        desk.refusal = NotYours("its seat has ended")
        await write(pilot, "/edit as it should be")
        await until(pilot, lambda: "not done" in text(pilot))
        assert "edit of #1 not done: its seat has ended" in text(pilot)
        assert line_with(pilot, "as it was").split()[-1] == "tcp"


async def test_ids_shows_the_numbers() -> None:
    desk = Desk()
    desk.says("bob", "hello")
    async with chatting(desk) as pilot:
        await write(pilot, "/ids")
        assert line_with(pilot, "hello").split()[0] == "#1"


# --- looking -----------------------------------------------------------------------------------


async def test_find_goes_from_the_newest_to_the_older_ones() -> None:
    desk = Desk()
    for number in range(60):
        desk.says("bob", f"needle {number}" if number in (3, 50) else f"straw {number}")
    async with chatting(desk) as pilot:
        await write(pilot, "/find NEEDLE")
        assert "needle 50" in text(pilot)
        assert "1 of 2" in text(pilot)
        await write(pilot, "/find NEEDLE")
        assert "needle 3" in text(pilot)
        assert "2 of 2" in text(pilot)


async def test_find_says_when_there_is_nothing() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/find [red]")
        await until(pilot, lambda: "no older message holds" in text(pilot))


async def test_copy_takes_the_newest_message() -> None:
    desk = Desk()
    desk.says("bob", "copy this")
    async with chatting(desk) as pilot:
        await write(pilot, "/copy")
        assert pilot.app.clipboard == "copy this"


async def test_clear_empties_the_screen_and_history_brings_it_back() -> None:
    desk = Desk()
    desk.says("bob", "hello")
    async with chatting(desk) as pilot:
        await write(pilot, "/clear")
        assert "hello" not in text(pilot)
        await write(pilot, "/history")
        await until(pilot, lambda: "hello" in text(pilot))


async def test_theme_changes_the_colours() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/theme light")
        assert pilot.app.theme == "light"
        await write(pilot, "/theme pink")
        assert "there is no theme 'pink'" in text(pilot)


async def test_help_opens_and_escape_closes_it() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await pilot.press("f1")
        await pilot.pause()
        assert "Esc closes" in text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert "Esc closes" not in text(pilot)


async def test_quit_leaves_the_room_and_the_program() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/quit")
        await until(pilot, lambda: not pilot.app.is_running)
        assert desk.sessions[0].outcome is None
        assert pilot.app.return_code == 0
