"""A class of thirty: names can be told apart, comings and goings do not fill the screen."""

from __future__ import annotations

import random

import pytest

from chat.domain.model import Event
from tests.support.desk import Desk, caught_up, chat, chatting, lines, text, until, write
from tui.rows import fit_name


def of_thirty() -> Desk:
    desk = Desk("teacher")
    desk.opens()
    for number in range(1, 31):
        desk.joins(f"student{number:02}", ["tcp", "grpc", "rest"][number % 3])
    return desk


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=str)
async def test_thirty_who_join_are_one_line(size: tuple[int, int]) -> None:
    desk = of_thirty()
    desk.says("student07", "hello")
    async with chatting(desk, size) as pilot:
        await caught_up(pilot, desk)
        left = [line[: size[0] - 24] for line in lines(pilot)]
        assert len([line for line in left if "joined" in line]) == 1
        assert "30 joined: student01, student02, student03 and 27 more" in " ".join(text(pilot).split())
        for number in range(1, 31):
            desk.leaves(f"student{number:02}")
        await caught_up(pilot, desk)
        assert "30 left: student01, student02, student03 and 27 more" in " ".join(text(pilot).split())


async def test_three_who_join_are_three_lines() -> None:
    desk = Desk()
    for nick in ("bea", "bob", "cho"):
        desk.joins(nick)
    async with chatting(desk) as pilot:
        assert [row.text for row in chat(pilot).view.rows] == [
            f"{nick} joined (tcp)" for nick in ("bea", "bob", "cho")
        ]


async def test_the_rows_are_the_same_in_whatever_order_the_events_come() -> None:
    desk = Desk()
    desk.opens()
    for number in range(40):
        nick = f"n{number}"
        if number % 9 == 5:
            desk.says("bob", f"message {number}")
        else:
            desk.joins(nick)
            if number % 4 == 0:
                desk.leaves(nick)

    async def shown(order: list[Event]) -> list[tuple[object, str, str]]:
        async with chatting(Desk()) as pilot:
            timeline = chat(pilot).timeline
            with chat(pilot).view.changing():
                timeline.add_older(order)
            return [(row.place, row.nick, row.text) for row in chat(pilot).view.rows if row.place.seq]

    straight = await shown(desk.log)
    assert any("joined: " in row[2] for row in straight)
    for seed in range(5):
        mixed = desk.log[:]
        random.Random(seed).shuffle(mixed)
        assert await shown(mixed) == straight, seed


async def test_who_lists_the_members_by_technique() -> None:
    async with chatting(of_thirty(), (120, 40)) as pilot:
        await write(pilot, "/who")
        await until(pilot, lambda: "31 here" in text(pilot))
        shown = [" ".join(line.split()) for line in lines(pilot)]
        assert any("grpc student01, student04, student07" in line for line in shown)
        assert any("tcp student03, student06" in line for line in shown)


async def test_the_list_is_as_wide_as_the_names_need() -> None:
    async with chatting(of_thirty(), (120, 40)) as pilot:
        assert "student01 grpc" in text(pilot)
        assert "student30 tcp" in text(pilot)


def test_a_name_that_is_cut_keeps_both_ends() -> None:
    assert fit_name("student01", 8) == "stude…01"
    assert fit_name("student30", 8) != fit_name("student31", 8)
    assert fit_name("bob", 8) == "bob     "
    assert fit_name("漢字漢字漢字", 8, right=True) == " 漢字…字"
