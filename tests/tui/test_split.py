"""A list that is split: history above, which scrolls, and the newest lines below, which stay."""

from __future__ import annotations

import pytest

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


def long_talk() -> Desk:
    desk = Desk()
    for number in range(1, 61):
        desk.says("bob", f"line {number}")
    return desk


async def split(pilot: Running) -> None:
    await pilot.press("f9")
    await until(pilot, lambda: chat(pilot).split and not chat(pilot).view.follow)


def numbers(pilot: Running) -> list[str]:
    return [line.split("line ")[1].split()[0] for line in lines(pilot) if "line " in line]


async def test_the_newest_lines_stay_while_history_scrolls() -> None:
    desk = long_talk()
    async with chatting(desk) as pilot:
        await split(pilot)
        await pilot.press("pageup", "pageup")
        await until(pilot, lambda: "line 25" in text(pilot))
        assert numbers(pilot)[-1] == "60"
        desk.says("bob", "line 61")
        await caught_up(pilot, desk)
        await until(pilot, lambda: numbers(pilot)[-1] == "61")
        assert "line 25" in text(pilot)


async def test_the_two_views_are_one_piece_at_first() -> None:
    async with chatting(long_talk()) as pilot:
        whole = numbers(pilot)
        await split(pilot)
        await until(pilot, lambda: numbers(pilot) == whole[1:])  # a line for the border


async def test_what_one_writes_appears_below_and_moves_nothing_above() -> None:
    desk = long_talk()
    async with chatting(desk) as pilot:
        await split(pilot)
        await pilot.press("pageup", "pageup")
        await until(pilot, lambda: "line 25" in text(pilot))
        await write(pilot, "line mine")
        await until(pilot, lambda: numbers(pilot)[-1] == "mine" and "1.2 ms" in text(pilot))
        assert "line 25" in text(pilot)


@pytest.mark.parametrize("key", ["f9", "ctrl+end"])
async def test_a_key_makes_it_one_list_at_its_end_again(key: str) -> None:
    async with chatting(long_talk()) as pilot:
        whole = numbers(pilot)
        await split(pilot)
        await pilot.press("pageup")
        await pilot.press(key)
        await until(pilot, lambda: not chat(pilot).split and numbers(pilot) == whole)
        assert chat(pilot).view.follow


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 20)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_split_list_looks_as_it_was_judged(size: tuple[int, int]) -> None:
    async with chatting(long_talk(), size) as pilot:
        await split(pilot)
        await pilot.press("pageup")
        await until(pilot, lambda: numbers(pilot)[-1] == "60")
        check_golden(pilot, f"split-{size[0]}x{size[1]}")
