"""Whole screens as text, at the sizes that must stay usable. ``UPDATE_GOLDENS=1`` keeps new ones."""

from __future__ import annotations

import asyncio
from datetime import UTC

import pytest
from textual import events
from textual.widgets import Input, OptionList

from chat.client.connect import Detour
from chat.client.session import Session
from chat.domain.errors import BadText, ChatError
from chat.interfaces.technique import Need, Technique, Traits
from tests.support.desk import Desk, Running, caught_up, chat, chatting, check_golden, text, until, write
from tui.app import ChatApp
from tui.opening import Choice
from tui.screens.chat import ChatScreen

SIZES = [(120, 36), (100, 30), (80, 24), (60, 20)]


def named(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


# --- the chat ----------------------------------------------------------------------------------


def lesson() -> Desk:
    """A bit of everything that a list can show."""
    desk = Desk()
    desk.opens()
    desk.joins("ann", "tcp")
    desk.joins("bob", "rabbitmq")
    desk.joins("a_nick_of_twenty_four_ch", "soap")
    desk.says("bob", "morning! is the deadline for lab 3 still friday, or has somebody moved it again?")
    typo = desk.says("a_nick_of_twenty_four_ch", "friday, 23:95")
    desk.edits(typo, "friday, 23:59")
    desk.time += 12 * 3600
    desk.says("bob", "see https://datatracker.ietf.org/doc/html/rfc5531#section-8.1 for all of it")
    desk.deletes(desk.says("bob", "oops"))
    desk.says("bob", "漢字 and 🚀 wrap too, however long the line is that they stand in, @ann")
    desk.says("bob", "for event in stub.Chat(drafts):\n\tprint(event)")
    desk.leaves("a_nick_of_twenty_four_ch")
    return desk


async def play(pilot: Running, desk: Desk) -> None:
    await write(pilot, "mine, and quick")
    await until(pilot, lambda: desk.log[-1].text == "mine, and quick")
    desk.refusal = BadText("the room does not take this")
    await write(pilot, "mine, and refused")
    await until(pilot, lambda: "not sent" in text(pilot))
    desk.hold = True
    await write(pilot, "mine, and on its way")
    await until(pilot, lambda: desk.held)
    await caught_up(pilot, desk)


@pytest.mark.parametrize("size", SIZES, ids=named)
async def test_the_chat_looks_as_it_was_judged(size: tuple[int, int]) -> None:
    desk = lesson()
    async with chatting(desk, size) as pilot:
        await play(pilot, desk)
        check_golden(pilot, f"chat-{named(size)}")


@pytest.mark.parametrize("size", SIZES, ids=named)
async def test_help_looks_as_it_was_judged(size: tuple[int, int]) -> None:
    async with chatting(Desk(), size) as pilot:
        await write(pilot, "/help")
        check_golden(pilot, f"help-{named(size)}")


async def test_a_connection_that_went_down_looks_as_it_was_judged() -> None:
    desk = lesson()
    async with chatting(desk, (60, 20)) as pilot:
        desk.ends(BadText("the server does not understand this program: use the same version on both sides"))
        await until(pilot, lambda: "✖ down" in text(pilot))
        check_golden(pilot, "down-60x20")


# --- the picker --------------------------------------------------------------------------------


def label(name: str, title: str, summary: str, *needs: Need) -> Technique:
    traits = Traits(
        push=True,
        ordered=True,
        lossless=True,
        resend=True,
        stores="server",
        contract="",
        encoding="text",
        encrypted=False,
    )
    return Technique(name, title, "sockets", summary, traits, 7010, "", None, "", "", needs=needs)


LABELS = [
    label("tcp", "TCP sockets", "one connection, JSON lines, the server pushes; try it with nc"),
    label(
        "soap",
        "SOAP service",
        "XML envelopes over HTTP, a contract in WSDL",
        Need("no_such_library", "pip install no_such_library"),
    ),
]


async def picking(desk: Desk, **options: object) -> ChatApp:
    return await asyncio.to_thread(
        lambda: ChatApp(desk.open_session, techniques=LABELS, zone=UTC, now=lambda: desk.time, **options)  # type: ignore[arg-type]  # what each test wants
    )


@pytest.mark.parametrize("size", [(80, 24), (60, 20)], ids=named)
async def test_the_picker_looks_as_it_was_judged(size: tuple[int, int]) -> None:
    app = await picking(Desk(), room="lab", nick="ann")
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        check_golden(pilot, f"picker-{named(size)}")


async def test_what_is_typed_right_behind_tab_goes_to_the_next_field() -> None:
    app = await picking(Desk(), room="lab", nick="ann")
    async with app.run_test() as pilot:
        room, nick = app.query_one("#picker-room", Input), app.query_one("#picker-nick", Input)
        for key in ("tab", *"den", "tab", *"bob"):
            app.post_message(events.Key(key, "\t" if key == "tab" else key))
        await until(pilot, lambda: nick.value.endswith("bob") or room.value.endswith("bob"))
        assert (room.value, nick.value) == ("den", "bob")


async def test_enter_joins_with_what_the_picker_shows() -> None:
    desk = Desk()
    app = await picking(desk)
    async with app.run_test() as pilot:
        pilot.app.query_one("#picker-room", Input).value = "seminar"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen))
        await caught_up(pilot, desk)
        assert desk.hellos[0].room == "seminar"
        assert chat(pilot).composer.has_focus
        await app.action_quit()


async def test_a_technique_that_cannot_run_here_cannot_be_chosen() -> None:
    app = await picking(Desk())
    async with app.run_test() as pilot:
        await pilot.press("down", "down")
        assert app.query_one(OptionList).highlighted == 0
        assert "no_such_library is missing" in text(pilot)


async def test_a_bad_room_name_is_refused_where_it_was_typed() -> None:
    app = await picking(Desk(), room="LAB 1")
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await pilot.pause()
        assert "'LAB 1' is not a room name" in text(pilot)


async def test_a_session_that_cannot_be_opened_leaves_the_picker_and_the_reason() -> None:
    def refuse(choice: Choice, detour: Detour | None) -> Session:
        raise ChatError("[/x] is no address: write HOST:PORT")

    app = await asyncio.to_thread(lambda: ChatApp(refuse, techniques=LABELS))
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await pilot.pause()
        assert "✖ [/x] is no address: write HOST:PORT" in text(pilot)
