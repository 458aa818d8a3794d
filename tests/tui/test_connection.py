"""What the user sees of the connection: states, reasons, another try, and the members."""

from __future__ import annotations

import asyncio

import pytest

from chat.domain.errors import AccessDenied, ConnectionLost, NickTaken
from chat.interfaces.client import ChatClient
from tests.support.desk import Desk, caught_up, chat, chatting, lines, text, until, write
from tui.app import ChatApp


def status(pilot_text: str) -> str:
    return pilot_text.split("\n")[-1]


async def test_the_status_bar_names_state_technique_address_rtt_room_and_nick() -> None:
    async with chatting(Desk()) as pilot:
        words = status(text(pilot)).split()
        assert words == ["●", "up", "tcp", "127.0.0.1:7010", "rtt", "0.6", "ms", "#lab", "ann"]


async def test_the_status_bar_shows_what_a_polling_technique_does() -> None:
    desk = Desk()
    desk.activity = "polls 40, empty 37"
    async with chatting(desk) as pilot:
        assert "polls 40, empty 37" in status(text(pilot))


async def test_the_status_bar_counts_what_waits() -> None:
    desk = Desk()
    desk.hold = True
    async with chatting(desk) as pilot:
        await write(pilot, "one")
        await write(pilot, "two")
        assert "2 waiting" in status(text(pilot))


async def test_a_lost_connection_shows_the_reason_and_the_countdown() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.away = ConnectionLost("nothing listens on 127.0.0.1:7010", retry_after=60.0)
        desk.breaks("gone")
        await until(pilot, lambda: "nothing listens" in text(pilot))
        assert lines(pilot)[0].startswith(" ▲ nothing listens on 127.0.0.1:7010.")
        assert "▲ retrying in 6" in status(text(pilot))


async def test_the_banner_goes_when_the_connection_is_back() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.breaks("gone")
        await until(pilot, lambda: len(desk.hellos) == 2 and "● up" in text(pilot))
        await until(pilot, lambda: "gone" not in text(pilot))


async def test_the_banner_says_why_a_server_takes_no_messages_for_as_long_as_it_does() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.hinders("the broker is low on memory: give it more")
        await until(pilot, lambda: lines(pilot)[0].startswith(" ▲ the broker is low on memory: give it more"))
        desk.hinders("")
        await until(pilot, lambda: "messages are taken again" in text(pilot))
        assert "▲" not in text(pilot)


async def test_retry_does_not_wait_for_the_countdown() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.away = ConnectionLost("nothing listens", retry_after=600.0)
        desk.breaks("gone")
        await until(pilot, lambda: "nothing listens" in text(pilot))
        desk.away = None
        await write(pilot, "/retry")
        await until(pilot, lambda: "● up" in text(pilot))


async def test_who_asks_twice_for_another_session_gets_one() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.ends(AccessDenied("the access token is wrong"))
        await until(pilot, lambda: "✖ down" in text(pilot))
        chat(pilot).retry()
        chat(pilot).retry()
        await until(pilot, lambda: "● up" in text(pilot))
        assert len(desk.sessions) == 2


async def test_what_is_written_while_the_connection_is_gone_is_sent_later() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.away = ConnectionLost("nothing listens", retry_after=600.0)
        desk.breaks("gone")
        await until(pilot, lambda: "nothing listens" in text(pilot))
        await write(pilot, "meanwhile")
        assert "waiting" in next(line for line in lines(pilot) if "meanwhile" in line)
        desk.away = None
        await write(pilot, "/retry")
        await until(pilot, lambda: desk.log and desk.log[-1].text == "meanwhile")


async def test_a_final_error_is_shown_and_nothing_can_be_sent() -> None:
    desk = Desk()
    desk.away = AccessDenied("the access token is wrong")
    async with chatting(desk, wait=False) as pilot:
        await until(pilot, lambda: "✖ down" in text(pilot))
        assert "✖ the access token is wrong. /retry tries again, /quit leaves." in text(pilot)
        await write(pilot, "hello?")
        assert "not sent, the connection is down" in text(pilot)
        assert chat(pilot).composer.text == "hello?"


async def test_retry_after_the_end_goes_on_where_the_session_was() -> None:
    desk = Desk()
    desk.says("bob", "before")
    async with chatting(desk) as pilot:
        desk.ends(AccessDenied("thrown out"))
        await until(pilot, lambda: "✖ down" in text(pilot))
        desk.says("bob", "meanwhile")
        await write(pilot, "/retry")
        await caught_up(pilot, desk)
        await until(pilot, lambda: "● up" in text(pilot))
        cursor = desk.hellos[-1].cursor
        assert cursor is not None
        assert cursor.seq == 1
        assert [row.text for row in chat(pilot).view.rows] == ["before", "meanwhile"]


async def test_retry_with_a_name_is_the_way_on_where_a_name_is_taken() -> None:
    desk = Desk()
    desk.away = NickTaken("ann is taken in this room: choose another name")
    async with chatting(desk, wait=False) as pilot:
        await until(pilot, lambda: "✖ down" in text(pilot))
        assert "choose another name. /retry NAME does so, /quit" in text(pilot)
        desk.away = None
        await write(pilot, "/retry ann2")
        await until(pilot, lambda: "● up" in text(pilot))
        assert [hello.nick for hello in desk.hellos] == ["ann", "ann2"]


async def test_a_name_is_not_changed_while_the_session_lives() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/retry ann2")
        assert "the name stays as long as the session" in text(pilot)
        assert len(desk.hellos) == 1


async def test_a_reason_from_the_network_is_not_markup() -> None:
    desk = Desk()
    desk.away = AccessDenied("[/no] \x1b[2J entry")
    async with chatting(desk, wait=False) as pilot:
        await until(pilot, lambda: "✖ down" in text(pilot))
        assert r"[/no] \u001b[2J entry" in text(pilot)


async def test_an_error_of_our_own_is_a_sentence_and_not_the_end() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        chat(pilot).timeline.apply = None  # type: ignore[method-assign,assignment]  # the bug of this test
        desk.says("bob", "boom")
        await until(pilot, lambda: "chat has failed" in text(pilot))
        assert "✖ down" in text(pilot)


# --- members -----------------------------------------------------------------------------------


async def test_the_members_stand_at_the_side_of_a_wide_screen() -> None:
    desk = Desk()
    desk.joins("bob", "soap")
    async with chatting(desk, (100, 30)) as pilot:
        side = [line.rpartition("│")[2].split() for line in lines(pilot)[:4]]
        assert side == [["2", "here"], [], ["ann", "tcp"], ["bob", "soap"]]
        desk.leaves("bob")
        await caught_up(pilot, desk)
        assert "1 here" in lines(pilot)[0]


async def test_a_narrow_screen_has_no_list_of_members_and_who_names_them() -> None:
    desk = Desk()
    desk.joins("bob", "soap")
    async with chatting(desk, (99, 30)) as pilot:
        assert "2 here" not in text(pilot)
        await write(pilot, "/who")
        assert "2 here" in text(pilot)
        assert "soap  bob" in text(pilot)


async def test_what_was_typed_before_there_was_a_connection_is_sent_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk, there = Desk(), asyncio.Event()
    dial = desk._dial

    async def late() -> ChatClient:
        await there.wait()
        return await dial()

    monkeypatch.setattr(desk, "_dial", late)
    async with chatting(desk, wait=False) as pilot:
        await write(pilot, "hello")
        leaving = asyncio.create_task(pilot.app.action_quit())
        await asyncio.sleep(0)
        there.set()
        await leaving
        assert [event.text for event in desk.log if event.kind == "sent"] == ["hello"]
        assert isinstance(pilot.app, ChatApp)
        assert pilot.app.rooms.unacknowledged == []
