"""Who has the own messages: what is shown, and when the list of members is asked for it."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from chat.domain.errors import ConnectionLost
from tests.support.desk import Desk, Running, chat, chatting, line_with, text, until, write
from tui.seen import Asking, all_have, seen_by

# --- what is shown -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "shown"),
    [
        ([17, 18, 16], "seen by 2 of 3"),
        ([None, 17, 3, 99, None], "seen by 2 of 5, 2 unknown"),
        ([0], "seen by 0 of 1"),
        ([None, None], ""),
        ([], ""),
    ],
)
def test_who_is_not_known_to_have_a_message_is_not_counted(others: list[int | None], shown: str) -> None:
    assert seen_by(17, others) == shown


def test_the_answer_is_final_when_all_have_it_of_whom_anything_is_known() -> None:
    assert all_have(17, [17, None, 20])
    assert not all_have(17, [17, None, 16])


def test_it_is_asked_less_and_less_often_and_at_last_no_more() -> None:
    asking = Asking()
    asked = [number for number in range(1, 500) if asking.due("17", answered=False)]
    assert asked == [1, 2, 4, 8, 16, 32, 64]


def test_an_answer_is_asked_for_anew_when_the_question_has_changed() -> None:
    asking = Asking()
    assert [asking.due("17", answered=True) for _ in range(3)] == [True, False, False]
    assert asking.due("18", answered=True)


# --- on the screen -----------------------------------------------------------------------------


def reads(desk: Desk, nick: str, seen: int | None) -> None:
    desk.members[nick] = structs.replace(desk.members[nick], seen=seen)


def talk() -> Desk:
    """Ann has said two lines, bob and carol and dave are there; nobody knows what dave has."""
    desk = Desk()
    for nick in ("bob", "carol", "dave"):
        desk.joins(nick)
    desk.says("ann", "the first line")
    desk.says("ann", "the second line")
    desk.says("bob", "an answer")
    first = desk.log[-3].seq
    reads(desk, "bob", first + 2)
    reads(desk, "carol", first)
    return desk


def measured(pilot: Running) -> None:
    """What the screen does when the connection was measured again."""
    chat(pilot).look_who_has_it()


async def test_the_newest_own_line_tells_who_has_it() -> None:
    desk = talk()
    async with chatting(desk) as pilot:
        measured(pilot)
        await until(pilot, lambda: "seen by" in text(pilot))
        assert line_with(pilot, "seen by").rstrip(" tcp│").endswith("seen by 1 of 3, 1 unknown")
        assert "the second line" in line_with(pilot, "seen by")
        reads(desk, "carol", desk.log[-1].seq)
        measured(pilot)
        await until(pilot, lambda: "seen by 2 of 3, 1 unknown" in text(pilot))


async def test_a_line_that_was_sent_now_tells_how_long_it_took_and_who_has_it() -> None:
    desk = Desk()
    desk.joins("bob")
    async with chatting(desk, (100, 24)) as pilot:
        await write(pilot, "hello")
        await until(pilot, lambda: "1.2 ms" in text(pilot))
        reads(desk, "bob", desk.log[-1].seq)
        measured(pilot)
        await until(pilot, lambda: "1.2 ms · seen by 1 of 1" in text(pilot))
        await write(pilot, "and more")
        await until(pilot, lambda: desk.log[-1].text == "and more")
        measured(pilot)
        await until(pilot, lambda: "and more" in line_with(pilot, "seen by 0 of 1"))
        await pilot.press("ctrl+t")
        assert "seen by" not in text(pilot)


async def test_the_own_line_under_the_cursor_tells_it_too() -> None:
    desk = talk()
    async with chatting(desk) as pilot:
        measured(pilot)
        await until(pilot, lambda: "seen by" in text(pilot))
        await pilot.press("ctrl+up", "up", "up")
        await pilot.pause()
        assert "seen by 2 of 3, 1 unknown" in line_with(pilot, "the first line")
        assert "seen by 1 of 3, 1 unknown" in line_with(pilot, "the second line")
        await pilot.press("escape")
        await pilot.pause()
        assert "the second line" in line_with(pilot, "seen by")


async def test_who_comes_later_is_unknown_until_that_is_asked_and_who_leaves_does_not_count() -> None:
    desk = talk()
    async with chatting(desk) as pilot:
        measured(pilot)
        await until(pilot, lambda: "seen by 1 of 3, 1 unknown" in text(pilot))
        desk.joins("eve")
        reads(desk, "eve", desk.log[-1].seq)
        desk.leaves("carol")
        await until(pilot, lambda: len(chat(pilot).session.members) == 4)
        chat(pilot).show_who_has_it()
        await pilot.pause()
        assert "seen by 1 of 3, 2 unknown" in text(pilot)
        measured(pilot)
        await until(pilot, lambda: "seen by 2 of 3, 1 unknown" in text(pilot))


async def test_where_nothing_is_known_of_anybody_nothing_is_shown() -> None:
    desk = Desk()
    desk.joins("bob")
    desk.says("ann", "hello")
    async with chatting(desk) as pilot:
        measured(pilot)
        await until(pilot, lambda: chat(pilot)._asked)
        await pilot.pause()
        assert "seen" not in text(pilot)


async def test_nobody_is_asked_while_no_own_line_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = talk()
    for number in range(60):
        desk.says("bob", f"line {number}")
    asked: list[None] = []
    async with chatting(desk) as pilot:
        session = chat(pilot).session

        async def seen() -> dict[str, int | None]:
            asked.append(None)
            raise ConnectionLost("not connected")

        monkeypatch.setattr(session, "seen", seen)
        measured(pilot)
        await pilot.pause()
        assert asked == []
        chat(pilot).view.to_top()
        await pilot.pause()
        measured(pilot)
        await until(pilot, lambda: asked)
        await asyncio.sleep(0)
        assert "seen by" not in text(pilot)
