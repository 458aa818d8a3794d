"""The screens in French: nothing of ours is left in English, and nothing is cut off at the usual sizes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

import pytest
from rich.cells import cell_len
from textual import events

from chat.domain.errors import BadText, ChatError, ConnectionLost, NotYours
from chat.language.translation import use
from tests.support.desk import Desk, caught_up, chatting, lines, text, until, write
from tests.support.french import english
from tests.tui.test_screens import picking
from tui.board import Board
from tui.rows import clock_and_day
from tui.screens.chat_session import listed

SIZES = [(80, 24), (60, 20)]
SAID = "ce que nous disons"


@pytest.fixture(autouse=True)
def _french() -> Iterator[None]:
    use("fr")
    clock_and_day.cache_clear()  # it has days in it, and a program has one language
    yield
    use("en")
    clock_and_day.cache_clear()


def desk() -> Desk:
    """A room in which people write French, so that what is English is ours."""
    room = Desk()
    room.opens()
    room.joins("ann", "tcp")
    room.joins("bob", "rabbitmq")
    room.edits(room.says("bob", "bonjour"), "bonsoir")
    room.deletes(room.says("bob", "oups"))
    for order in ("freeze", "thaw", "slow 5", "slow 0", "to grpc", "mute ann", "unmute ann", "hand", "lower"):
        room.says("bob", f"/class {order}")
    room.leaves("bob")
    return room


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_what_a_row_shows_beside_its_text_is_french(size: tuple[int, int]) -> None:
    room = desk()
    async with chatting(room, size) as pilot:
        room.refusal = BadText("a message needs at least one character that is not a space")
        await write(pilot, SAID)
        await until(pilot, lambda: "pas envoyé" in text(pilot))
        room.hold = True
        await write(pilot, "encore")
        await until(pilot, lambda: room.held)
        await caught_up(pilot, room)
        await pilot.press("ctrl+home")
        await pilot.pause()
        shown = text(pilot)
        assert "bonsoir (modifié)" in shown
        assert "message supprimé" in shown
        await pilot.press("ctrl+end")
        await pilot.pause()
        assert not english(shown + text(pilot))


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (NotYours("the teacher has muted you: raise your hand with /hand"), "l'enseignant vous a coupé"),
        (BadText("the server failed; the request may have been carried out"), "le serveur a échoué"),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_why_a_message_was_not_sent_is_french(refusal: ChatError, reason: str) -> None:
    room = desk()
    async with chatting(room, (100, 30)) as pilot:
        room.refusal = refusal
        await write(pilot, SAID)
        await until(pilot, lambda: f"✖ pas envoyé : {reason}" in text(pilot))
        assert not english(text(pilot))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "typed",
    [
        "/who",
        "/rooms",
        "/backend",
        "/class",
        "/fault",
        "/theme",
        "/theme x",
        "/hand x",
        "/nonsense",
        "/help",
        "/join X",
    ],
)
async def test_what_a_command_shows_is_french_and_fits(typed: str, size: tuple[int, int]) -> None:
    async with chatting(Desk(), size) as pilot:
        await write(pilot, typed)
        await pilot.pause()
        shown = lines(pilot)
        assert not english("\n".join(shown).replace(" to TECHNIQUE", ""))  # what is typed is no word
        assert all(cell_len(line) <= size[0] for line in shown)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "keys",
    [["ctrl+up"], ["ctrl+f", *"bon", "enter"], ["ctrl+p"], ["ctrl+g"], ["/"], ["f1"], ["ctrl+o"], ["alt+l"]],
    ids="-".join,
)
async def test_what_a_key_shows_is_french_and_fits(keys: list[str], size: tuple[int, int]) -> None:
    async with chatting(desk(), size) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        shown = lines(pilot)
        assert not english("\n".join(shown))
        assert all(cell_len(line) <= size[0] for line in shown)


async def test_the_question_about_a_paste_is_french() -> None:
    async with chatting(Desk(), (60, 20)) as pilot:
        pilot.app.post_message(events.Paste("un\ndeux\ntrois\nquatre"))
        await until(pilot, lambda: "4 lignes ont été collées" in text(pilot))
        assert not english(text(pilot))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_board_is_french_and_fits(size: tuple[int, int]) -> None:
    room = desk()
    for order in ("freeze", "slow 5", "to grpc", "hand", "fault 60 stall"):
        room.says("bob", f"/class {order}")
    board = Board("lab", join="chat join 192.168.1.5", zone=UTC, members=list(room.members.values()))
    board.take(room.log)
    for trouble in ("", "the server closed the connection", "nobody has been in this room yet"):
        board.trouble = trouble
        shown = board.content(*size, int(room.time * 1000)).plain.split("\n")
        assert not english("\n".join(shown))
        assert all(cell_len(line) <= size[0] for line in shown)


async def test_a_connection_that_is_lost_says_so_in_french() -> None:
    room = desk()
    async with chatting(room) as pilot:
        room.away = ConnectionLost("nothing listens on 127.0.0.1:7010: start a server there with chat serve")
        room.breaks("the server closed the connection")
        await until(pilot, lambda: "Ce que vous écrivez est gardé" in text(pilot))
        assert not english(text(pilot))


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_picker_is_french(size: tuple[int, int]) -> None:
    app = await picking(Desk(), room="lab", nick="ann")
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        shown = lines(pilot)
        assert any("Entrée : entrer" in line for line in shown)
        assert not english("\n".join(line for line in shown if "WSDL" not in line))  # not ours


def test_the_list_of_techniques_is_french() -> None:
    assert not english(listed("tcp"))
