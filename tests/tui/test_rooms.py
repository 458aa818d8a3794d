"""Several rooms open at once: where what is typed goes, what is counted, and how one leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual import events

from chat.client.connect import Detour
from chat.client.session import Session
from chat.domain.errors import ConnectionLost
from tests.support.desk import (
    Desk,
    Running,
    caught_up,
    chat,
    chatting,
    check_golden,
    lines,
    text,
    until,
    write,
)
from tui.app import ChatApp
from tui.open_rooms import MOST
from tui.opening import Choice
from tui.widgets.completion import Completion
from tui.widgets.room_list import RoomEntry, RoomList


class House(Desk):
    """A desk for each room; the house itself plays the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.desks: dict[str, Desk] = {"lab": self}

    def __getitem__(self, room: str) -> Desk:
        return self.desks.setdefault(room, Desk(self.nick))

    def open_session(self, choice: Choice, detour: Detour | None = None) -> Session:
        return Desk.open_session(self[choice.room], choice, detour)


@asynccontextmanager
async def in_house(size: tuple[int, int] = (80, 24), **options: Any) -> AsyncIterator[tuple[Running, House]]:
    house = House()
    async with chatting(house, size, **options) as pilot:
        yield pilot, house


def app(pilot: Running) -> ChatApp:
    assert isinstance(pilot.app, ChatApp)
    return pilot.app


async def join(pilot: Running, house: House, room: str) -> None:
    await write(pilot, f"/join {room}")
    await until(pilot, lambda: chat(pilot).session.room == room)
    await caught_up(pilot, house[room])


async def in_front(pilot: Running, room: str) -> None:
    await until(pilot, lambda: chat(pilot).session.room == room and chat(pilot).composer.has_focus)


async def arrives(pilot: Running, house: House, room: str, nick: str, said: str) -> None:
    """Let somebody say something in a room, and wait until its list has it, in front or not."""
    event = house[room].says(nick, said)
    screen = app(pilot).rooms.named(room)
    assert screen is not None
    await until(pilot, lambda: screen.timeline.newest == event.seq)


# --- going there -------------------------------------------------------------------------------


async def test_another_room_has_its_own_session_and_the_first_goes_on() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        await write(pilot, "to dev")
        await until(pilot, lambda: house["dev"].log)
        await arrives(pilot, house, "lab", "bob", "to lab")
        assert [event.text for event in house["dev"].log] == ["to dev"]
        assert "to lab" not in text(pilot)
        await pilot.press("alt+1")
        await in_front(pilot, "lab")
        assert "to lab" in text(pilot)
        assert "to dev" not in text(pilot)


async def test_what_is_typed_right_behind_the_key_goes_to_the_other_room() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        for key in ("a", "alt+1", "b", "alt+2", "c"):
            pilot.app.post_message(events.Key(key, key[-1]))
        await until(pilot, lambda: chat(pilot).composer.text == "ac")
        screen = app(pilot).rooms.named("lab")
        assert screen is not None
        assert screen.composer.text == "b"


@pytest.mark.parametrize(("keys", "room"), [(["alt+down"], "lab"), (["alt+up"], "dev"), (["alt+2"], "dev")])
async def test_keys_go_round_the_rooms(keys: list[str], room: str) -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        await join(pilot, house, "ops")
        await pilot.press(*keys)
        await in_front(pilot, room)


async def test_a_number_without_a_room_is_said_and_letters_go_on() -> None:
    async with in_house() as (pilot, _):
        await pilot.press("alt+7")
        await until(pilot, lambda: "there is no room 7 here" in text(pilot))
        await pilot.press("x")
        await until(pilot, lambda: chat(pilot).composer.text == "x")


async def test_joining_an_open_room_goes_there() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        await write(pilot, "/join #lab")
        await in_front(pilot, "lab")
        assert len(app(pilot).rooms.screens) == 2


async def test_a_draft_stays_with_its_room() -> None:
    async with in_house() as (pilot, house):
        await write(pilot, "half a line", "left")
        await pilot.press("alt+1")  # it is there already
        chat(pilot).composer.load("")
        await join(pilot, house, "dev")
        await write(pilot, "begun", "left")
        await pilot.press("alt+1")
        await in_front(pilot, "lab")
        assert chat(pilot).composer.text == ""
        await pilot.press("alt+2")
        await in_front(pilot, "dev")
        assert chat(pilot).composer.text == "begun"


async def test_the_switcher_finds_a_room_by_some_of_its_letters() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "operations")
        await join(pilot, house, "dev")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "which room?" in text(pilot))
        await pilot.press(*"oprt", "enter")
        await in_front(pilot, "operations")


# --- which rooms there are ---------------------------------------------------------------------


def offered(pilot: Running) -> list[str]:
    return [candidate.word for candidate in chat(pilot).query_one(Completion).offered]


async def test_join_completes_open_rooms_those_of_earlier_times_and_those_that_the_server_tells() -> None:
    async with in_house(known_rooms=["den", "library"]) as (pilot, house):
        house.rooms = ["lab", "labyrinth", "../lab", "l\x1b[2J"]
        await write(pilot, "/join l", "end")
        await until(pilot, lambda: offered(pilot) == ["lab", "labyrinth", "library"])
        await pilot.press("i", "tab")
        assert chat(pilot).composer.text == "/join library "
        chat(pilot).composer.load("is it #d")
        await until(pilot, lambda: offered(pilot) == ["#den"])


async def test_enter_joins_what_was_typed_although_a_longer_name_is_offered() -> None:
    async with in_house(known_rooms=["den"]) as (pilot, _):
        await write(pilot, "/join de")
        await in_front(pilot, "de")


async def test_a_room_of_the_list_is_taken_by_enter_once_the_user_has_gone_to_it() -> None:
    async with in_house(known_rooms=["den", "dev"]) as (pilot, _):
        await write(pilot, "/join d", "down", "enter")
        assert chat(pilot).composer.text == "/join dev "
        await pilot.press("enter")
        await in_front(pilot, "dev")


async def test_the_switcher_opens_a_room_that_is_known() -> None:
    async with in_house(known_rooms=["den"]) as (pilot, house):
        house.rooms = ["library"]
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "not open yet" in text(pilot) and "den" in text(pilot))
        await pilot.press(*"lbr")
        await until(pilot, lambda: "library" in text(pilot))
        await pilot.press("enter")
        await in_front(pilot, "library")


async def test_go_takes_some_letters_too_and_says_where_there_is_nothing() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        await write(pilot, "/go lb")
        await in_front(pilot, "lab")
        await write(pilot, "/go xyz")
        assert "no open room is like xyz" in text(pilot)


async def test_no_more_rooms_than_the_limit_are_open() -> None:
    async with in_house() as (pilot, house):
        for number in range(2, MOST + 1):
            await join(pilot, house, f"room{number}")
        await write(pilot, "/join one-more")
        assert f"{MOST} rooms are open" in text(pilot)


async def test_a_guest_is_one_in_every_room() -> None:
    async with in_house(guest=True) as (pilot, house):
        await join(pilot, house, "dev")
        assert chat(pilot).guest


# --- what is counted ---------------------------------------------------------------------------


async def test_what_comes_to_a_room_behind_is_counted_until_it_is_in_front() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        await arrives(pilot, house, "lab", "bob", "one")
        await arrives(pilot, house, "lab", "bob", "ann: two")
        await until(pilot, lambda: "1 lab @1 +2" in lines(pilot)[0])
        await pilot.press("alt+1")
        await in_front(pilot, "lab")
        await until(pilot, lambda: "▸1 lab  2 dev" in lines(pilot)[0])


async def test_what_comes_to_the_room_in_front_is_not_counted() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        await arrives(pilot, house, "dev", "bob", "seen at once")
        assert "+" not in lines(pilot)[0]


async def test_rooms_lists_them_with_what_came() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        await arrives(pilot, house, "lab", "bob", "hello")
        await write(pilot, "/rooms")
        await until(pilot, lambda: "1  lab  over tcp, up, 1 unread" in text(pilot))
        assert "▸ 2  dev  over tcp, up" in text(pilot)


async def test_a_room_that_lost_its_connection_is_marked() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        house["lab"].away = ConnectionLost("gone", retry_after=60.0)
        house["lab"].breaks("gone")
        await until(pilot, lambda: "1 lab ▲" in lines(pilot)[0])


def test_a_strip_that_is_too_narrow_keeps_the_room_in_front_and_those_with_news() -> None:
    strip = RoomList(strip=True)
    strip.show([RoomEntry(f"room{n}", "tcp", "up", int(n == 2), 0, n == 8) for n in range(1, 10)])
    shown = strip.line(30).plain
    assert "room8" in shown
    assert "room2 +1" in shown
    assert shown.endswith("…")


async def test_a_size_that_changed_meanwhile_is_that_of_the_room_too() -> None:
    async with in_house((120, 36)) as (pilot, house):
        await join(pilot, house, "dev")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: len(lines(pilot)) == 24)
        await pilot.press("alt+1")
        await in_front(pilot, "lab")
        await until(pilot, lambda: "▸1 lab  2 dev" in lines(pilot)[0])
        assert chat(pilot).view.size.width <= 80


# --- leaving -----------------------------------------------------------------------------------


async def test_leaving_a_room_ends_its_session_and_shows_the_one_before() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        await write(pilot, "/leave")
        await in_front(pilot, "lab")
        assert house["dev"].sessions[0].state.name == "up"
        assert house["dev"].sessions[0]._closing
        assert "2 dev" not in text(pilot)
        await write(pilot, "still here")
        await until(pilot, lambda: house["lab"].log)


async def test_the_only_room_is_not_left() -> None:
    async with in_house() as (pilot, _):
        await write(pilot, "/leave")
        await until(pilot, lambda: "this is the only room that is open: /quit" in text(pilot))


async def test_what_a_left_room_had_not_acknowledged_is_named_at_the_end() -> None:
    async with in_house() as (pilot, house):
        app(pilot).rooms.linger = 0.01
        await join(pilot, house, "dev")
        house["dev"].hold = True
        await write(pilot, "nobody answers")
        await until(pilot, lambda: house["dev"].held)
        await write(pilot, "/leave")
        await in_front(pilot, "lab")
        await until(pilot, lambda: "you left dev without an answer to 1" in text(pilot))
        assert app(pilot).rooms.unacknowledged == ["nobody answers"]


async def test_quit_leaves_every_room_and_names_what_each_had_begun() -> None:
    async with in_house() as (pilot, house):
        await join(pilot, house, "dev")
        await write(pilot, "begun in dev", "left")
        await pilot.press("alt+1")
        await in_front(pilot, "lab")
        await write(pilot, "/quit")
        await until(pilot, lambda: not pilot.app.is_running)
        assert all(desk.sessions[0]._closing for desk in house.desks.values())
        assert app(pilot).rooms.drafts == ["begun in dev"]


# --- how it looks ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 20)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_rooms_look_as_they_were_judged(size: tuple[int, int]) -> None:
    async with in_house(size) as (pilot, house):
        for room in ("operations", "dev"):
            await join(pilot, house, room)
        await write(pilot, "what do we do today?")
        await until(pilot, lambda: house["dev"].log)
        await arrives(pilot, house, "lab", "bob", "@ann: and you?")
        await arrives(pilot, house, "operations", "eve", "nothing burns")
        await caught_up(pilot, house["dev"])
        check_golden(pilot, f"rooms-{size[0]}x{size[1]}")
