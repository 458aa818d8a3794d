"""What is new: the line above it moves only while the terminal has the focus, and keys go there."""

from __future__ import annotations

from textual import events

from tests.support.desk import Desk, Running, caught_up, chat, chatting, check_golden, lines, text, until


async def looks_away(pilot: Running) -> None:
    pilot.app.post_message(events.AppBlur())
    await until(pilot, lambda: not pilot.app.app_focus)


async def looks_again(pilot: Running) -> None:
    pilot.app.post_message(events.AppFocus())
    await until(pilot, lambda: pilot.app.app_focus)


def below_the_line(pilot: Running) -> str:
    """The text that stands below the line, on the next line of the screen; "": there is no line."""
    screen = lines(pilot)
    found = [number for number, line in enumerate(screen) if "── new ──" in line]
    return screen[found[0] + 1] if found else ""


async def test_a_line_stands_above_what_came_while_nobody_looked() -> None:
    desk = Desk()
    desk.says("bob", "old")
    async with chatting(desk) as pilot:
        await looks_away(pilot)
        assert below_the_line(pilot) == ""
        desk.says("bob", "first")
        desk.says("bob", "second")
        await caught_up(pilot, desk)
        assert "first" in below_the_line(pilot)
        assert chat(pilot).timeline.unread.count == 2


async def test_the_line_stays_when_the_user_looks_again_and_goes_when_he_has_looked() -> None:
    desk = Desk()
    desk.says("bob", "old")
    async with chatting(desk) as pilot:
        await looks_away(pilot)
        desk.says("bob", "first")
        await caught_up(pilot, desk)
        await looks_again(pilot)
        desk.says("bob", "seen at once")
        await caught_up(pilot, desk)
        assert "first" in below_the_line(pilot)
        assert chat(pilot).timeline.unread.count == 0
        await looks_away(pilot)
        assert below_the_line(pilot) == ""
        desk.says("bob", "third")
        await caught_up(pilot, desk)
        assert "third" in below_the_line(pilot)


async def test_a_terminal_that_reports_no_focus_has_it() -> None:
    desk = Desk()
    desk.says("bob", "old")
    async with chatting(desk) as pilot:
        desk.says("bob", "seen at once")
        await caught_up(pilot, desk)
        assert below_the_line(pilot) == ""


async def test_what_comes_below_the_screen_is_new_although_the_terminal_has_the_focus() -> None:
    desk = Desk()
    for number in range(60):
        desk.says("bob", f"message {number}.")
    async with chatting(desk) as pilot:
        await pilot.press("pageup")
        desk.says("bob", "below")
        await caught_up(pilot, desk)
        assert chat(pilot).timeline.unread.count == 1
        await pilot.press("ctrl+end")
        await pilot.pause()
        assert "below" in below_the_line(pilot)
        assert chat(pilot).timeline.unread.count == 0


async def test_writing_takes_the_line_away() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await looks_away(pilot)
        desk.says("bob", "first")
        await caught_up(pilot, desk)
        await looks_again(pilot)
        await pilot.press("h", "i", "enter")
        await until(pilot, lambda: len(desk.log) == 2)
        assert below_the_line(pilot) == ""


async def test_what_was_missed_by_a_broken_connection_is_new_and_what_was_there_before_is_not() -> None:
    desk = Desk()
    desk.says("bob", "old")
    async with chatting(desk) as pilot:
        await looks_away(pilot)
        desk.breaks("the cable is gone")
        desk._clients = []
        desk.says("bob", "missed")
        await until(pilot, lambda: "missed" in text(pilot))
        assert "missed" in below_the_line(pilot)
        assert chat(pilot).timeline.unread.count == 1


async def test_the_line_names_no_day_twice() -> None:
    desk = Desk()
    desk.says("bob", "old")
    async with chatting(desk) as pilot:
        await looks_away(pilot)
        desk.time += 24 * 3600
        desk.says("bob", "first")
        await caught_up(pilot, desk)
        assert text(pilot).count("Tue 24 November") == 1
        assert "first" in below_the_line(pilot)


async def test_alt_u_goes_to_the_line() -> None:
    desk = Desk()
    desk.says("bob", "old")
    async with chatting(desk) as pilot:
        await pilot.press("alt+u")
        assert "nothing is new" in text(pilot)
        await looks_away(pilot)
        for number in range(60):
            desk.says("bob", f"message {number}.")
        await caught_up(pilot, desk)
        await looks_again(pilot)
        await pilot.press("alt+u")
        await pilot.pause()
        assert "── new ──" in lines(pilot)[0]
        await pilot.press("ctrl+up", "u")
        assert "message 0." in lines(pilot)[1]
        assert lines(pilot)[1].startswith("►")
        check_golden(pilot, "new-80x24")


async def test_m_goes_from_mention_to_mention() -> None:
    desk = Desk()
    for number in range(60):
        desk.says("bob", f"message {number}." + " @ann" * (number in (5, 50)))
    async with chatting(desk) as pilot:
        await pilot.press("ctrl+up", "m")
        assert "►" in next(line for line in lines(pilot) if "message 50." in line)
        await pilot.press("m")
        assert "►" in next(line for line in lines(pilot) if "message 5." in line)
        await pilot.press("m")
        assert "no older message here mentions you" in text(pilot)
        await pilot.press("M")
        assert "►" in next(line for line in lines(pilot) if "message 50." in line)
