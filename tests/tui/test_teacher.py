"""The teacher's means on the screen: said as sentences, obeyed, and used with one command each."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.background import server
from chat.client import teaching
from chat.domain.classroom import proof
from chat.domain.errors import NotYours
from lab.faults.for_all import MAY
from tests.support.desk import Desk, Running, caught_up, chat, chatting, lines, text, until, write

TOKEN = "the teacher's own token"


def joined(pilot: Running) -> str:
    return " ".join(text(pilot).split())


async def test_what_the_teacher_does_is_a_sentence_and_never_a_command() -> None:
    desk = Desk()
    desk.says("teacher", "/class freeze")
    desk.says("teacher", "/class slow 5")
    desk.says("bob", "/class hand")
    desk.says("bob", "/classroom is open")
    async with chatting(desk) as pilot:
        await caught_up(pilot, desk)
        assert [row.text for row in chat(pilot).view.rows] == [
            "teacher has frozen the room: only teachers may write. /hand raises your hand",
            "slow mode: 5 seconds between two messages of a person",
            "bob raises a hand",
            "/classroom is open",
        ]
        assert chat(pilot).classroom.hands == ("bob",)


async def test_what_was_cleared_is_not_shown_and_comes_back_with_no_history() -> None:
    desk = Desk()
    desk.says("bob", "before")
    desk.says("teacher", "/class clear")
    desk.says("bob", "after")
    async with chatting(desk) as pilot:
        await caught_up(pilot, desk)
        screen = chat(pilot)
        assert [row.text.split(":")[0] for row in screen.view.rows] == [
            "teacher has cleared the room",
            "after",
        ]
        with screen.view.changing():
            screen.timeline.add_older(desk.log)
        assert "before" not in [row.text for row in screen.view.rows]
        assert screen.timeline.complete, "nobody pages back behind it"


async def test_everybody_is_told_where_to_go_on_with_one_key() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.says("teacher", "/class to grpc")
        await until(pilot, lambda: "F7 does so" in text(pilot))
        assert chat(pilot).classroom.to == "grpc"


async def test_a_hand_is_raised_with_a_command() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/hand")
        await until(pilot, lambda: "raises a hand" in text(pilot))
        await write(pilot, "/hand up")
        await until(pilot, lambda: "write /hand, or /hand down" in joined(pilot))


async def test_the_token_is_shown_once_by_a_proof_for_this_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(teaching.TOKEN, TOKEN)
    desk = Desk()
    async with chatting(desk) as pilot:
        for what in ("freeze", "thaw"):
            await write(pilot, f"/class {what}")
        await until(pilot, lambda: "thawed" in text(pilot))
        shown = f"/class teacher {proof(TOKEN, chat(pilot).session.seat)}"
        said = [event.text for event in desk.log if event.kind == "sent"]
        assert said == [shown, "/class freeze", "/class thaw"]


async def test_the_token_is_shown_again_after_a_room_that_did_not_know_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(teaching.TOKEN, TOKEN)
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/class freeze")
        await until(pilot, lambda: "frozen the room" in text(pilot))
        desk.refusal = NotYours("only a teacher may use /class thaw: show the teacher's token first")
        await write(pilot, "/class thaw")
        await until(pilot, lambda: "show the teacher's token first" in joined(pilot))
        await write(pilot, "/class thaw")
        await until(pilot, lambda: "thawed" in text(pilot))
        shown = f"/class teacher {proof(TOKEN, chat(pilot).session.seat)}"
        said = [event.text for event in desk.log if event.kind == "sent"]
        assert said == [shown, "/class freeze", shown, "/class thaw"]


async def test_who_has_no_token_is_told_where_to_teach_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(teaching.TOKEN, raising=False)
    monkeypatch.setattr(server, "running", lambda _: None)
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/class freeze")
        await until(pilot, lambda: "you have no teacher's token" in joined(pilot))
        assert not [event for event in desk.log if event.kind == "sent"]


async def test_everybody_is_asked_only_where_the_server_can_take_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(teaching.TOKEN, raising=False)
    listening = (server.Listening("tcp", "127.0.0.1", 7001), server.Listening("grpc", "127.0.0.1", 7004))
    off = {"udp": "the port 7002 is in use"}
    record = server.Record(7, "x", 0, "memory", listening, off, teacher=TOKEN)
    monkeypatch.setattr(server, "running", lambda _: record)
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/class to udp")
        await until(pilot, lambda: "does not offer udp: the port 7002 is in use" in joined(pilot))
        chat(pilot).composer.load("")
        await write(pilot, "/class to gprc")
        await until(pilot, lambda: "no backend 'gprc'" in joined(pilot))
        assert not [event for event in desk.log if event.kind == "sent"]
        chat(pilot).composer.load("")
        await write(pilot, "/class to grpc")
        await until(pilot, lambda: "go on over grpc" in joined(pilot))


async def test_at_another_server_nobody_here_knows_what_it_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(teaching.TOKEN, TOKEN)
    async with chatting(Desk()) as pilot:
        await write(pilot, "/class to udp")
        await until(pilot, lambda: "go on over udp" in joined(pilot))


async def test_a_name_that_nobody_has_is_told_and_counts_for_who_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(teaching.TOKEN, TOKEN)
    desk = Desk()
    desk.joins("bob")
    async with chatting(desk) as pilot:
        await caught_up(pilot, desk)
        await write(pilot, "/class mute Bob")
        await until(pilot, lambda: "has muted Bob" in joined(pilot))
        assert "nobody here" not in joined(pilot)
        await write(pilot, "/class mute bod")
        await until(pilot, lambda: "nobody here is called bod now" in joined(pilot))
        assert set(chat(pilot).classroom.muted.values()) == {"Bob", "bod"}


async def test_a_fault_for_everybody_is_told_to_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(teaching.TOKEN, TOKEN)
    monkeypatch.setattr("tui.screens.chat_faults.ANNOUNCING", 0.2)
    desk = Desk()
    known = []

    def ask(_: Path, text: str) -> str:
        if not text.startswith(MAY):
            known.append(any("latency" in event.text for event in desk.log))
        return f"{text} on tcp"

    monkeypatch.setattr("lab.faults.for_all.ask", ask)
    async with chatting(desk) as pilot:
        await write(pilot, "/fault all latency 200ms 20s")
        await until(pilot, lambda: "a fault for everybody, 20 seconds: latency 200ms" in joined(pilot))
        await until(pilot, lambda: "for everybody: latency 200ms 20s on tcp" in joined(pilot))
        assert known == [True], "they know before it begins"
        assert "asking your server" not in joined(pilot)
        await write(pilot, "/fault all off")
        await until(pilot, lambda: "no fault for everybody any more" in joined(pilot))


async def test_a_fault_is_begun_without_a_teacher_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(teaching.TOKEN, raising=False)
    monkeypatch.setattr(server, "running", lambda _: None)
    monkeypatch.setattr("lab.faults.for_all.ask", lambda _, text: f"{text} on tcp")
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "/fault all stall 5s")
        await until(pilot, lambda: "for everybody: stall 5s on tcp" in joined(pilot))
        assert not [event for event in desk.log if event.kind == "sent"]


async def test_the_means_are_listed_and_fit() -> None:
    async with chatting(Desk()) as pilot:
        await write(pilot, "/class")
        await until(pilot, lambda: "freeze" in text(pilot))
        shown = [line.strip() for line in lines(pilot)]
        for verb in ("freeze", "thaw", "mute NICK", "slow SECONDS", "to TECHNIQUE", "clear"):
            assert any(line.startswith(verb) for line in shown), verb
