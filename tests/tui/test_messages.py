"""What the list shows of a room: the order, the columns, what was changed, what waits and what failed."""

from __future__ import annotations

from rich.style import Style

from chat.domain.errors import ConnectionLost, NotYours, StaleCursor, TooFast
from chat.domain.model import Limits
from tests.support.desk import (
    START,
    Desk,
    Running,
    caught_up,
    chat,
    chatting,
    line_with,
    lines,
    text,
    until,
    write,
)

DAY = 24 * 3600


def style_of(pilot: Running, what: str) -> Style:
    """The style in which a text stands in the list."""
    view = chat(pilot).view
    for y in range(view.size.height):
        for piece, style, _ in view.render_line(y):
            if what in piece and style is not None:
                return style
    raise AssertionError(f"{what!r} is not in the list:\n{text(pilot)}")


def order(pilot: Running, *whats: str) -> list[str]:
    """These texts in the order in which they stand on the screen."""
    screen = text(pilot)
    assert all(what in screen for what in whats), screen
    return sorted(whats, key=screen.index)


# --- others ------------------------------------------------------------------------------------


async def test_a_message_stands_with_time_nick_and_badge() -> None:
    desk = Desk()
    desk.joins("bob", "soap")
    desk.says("bob", "hello everybody")
    async with chatting(desk, (80, 24)) as pilot:
        assert line_with(pilot, "hello everybody").split() == ["12:55", "bob", "hello", "everybody", "soap"]


async def test_each_day_is_named_once_above_its_first_row() -> None:
    desk = Desk()
    desk.says("bob", "one")
    desk.says("bob", "two")
    desk.time += DAY
    desk.says("bob", "three")
    async with chatting(desk) as pilot:
        assert order(pilot, "Mon 23 November 2026", "one", "two", "Tue 24 November 2026", "three") == [
            "Mon 23 November 2026",
            "one",
            "two",
            "Tue 24 November 2026",
            "three",
        ]
        assert text(pilot).count("November") == 2


async def test_an_edited_message_shows_its_new_text_in_its_old_place() -> None:
    desk = Desk()
    first = desk.says("bob", "the frist one")
    desk.says("bob", "another one")
    async with chatting(desk) as pilot:
        desk.edits(first, "the first one")
        await caught_up(pilot, desk)
        assert "the first one (edited)" in text(pilot)
        assert "frist" not in text(pilot)
        assert order(pilot, "the first one", "another one")[0] == "the first one"


async def test_a_deleted_message_leaves_its_place_and_not_its_text() -> None:
    desk = Desk()
    secret = desk.says("bob", "the password is 1234")
    async with chatting(desk) as pilot:
        desk.deletes(secret)
        await caught_up(pilot, desk)
        assert "1234" not in text(pilot)
        assert line_with(pilot, "message deleted").split()[1] == "bob"


async def test_who_comes_and_goes_is_a_line_of_the_log() -> None:
    desk = Desk()
    desk.joins("bob", "grpc")
    desk.leaves("bob")
    async with chatting(desk) as pilot:
        assert order(pilot, "→ bob joined (grpc)", "← bob left")[0] == "→ bob joined (grpc)"


async def test_a_mention_of_the_user_is_marked() -> None:
    desk = Desk()
    desk.says("bob", "did @Ann see it?")
    desk.says("bob", "the annual report")
    async with chatting(desk) as pilot:
        assert line_with(pilot, "@Ann").startswith("▌")
        assert not line_with(pilot, "annual").startswith("▌")
        assert style_of(pilot, "@Ann").bgcolor != style_of(pilot, "annual").bgcolor


async def test_an_address_is_underlined_without_the_full_stop_behind_it() -> None:
    desk = Desk()
    desk.says("bob", "read https://example.org/a.html.")
    async with chatting(desk) as pilot:
        assert style_of(pilot, "https://example.org/a.html").underline
        assert not style_of(pilot, "read").underline
        assert not any(
            piece.endswith("html.")
            for y in range(chat(pilot).view.size.height)
            for piece, *_ in chat(pilot).view.render_line(y)
        )


async def test_text_from_others_is_never_markup() -> None:
    desk = Desk()
    desk.joins("[red]eve[/red]")
    desk.says("[red]eve[/red]", "[b]bold[/b] [@click=app.quit]free beer[/] [/nothing]")
    async with chatting(desk, (140, 30)) as pilot:
        assert "[b]bold[/b] [@click=app.quit]free beer[/] [/nothing]" in text(pilot)
        await write(pilot, "/who")
        assert "tcp  [red]eve[/red], ann" in text(pilot)


async def test_what_would_move_the_terminal_is_shown_as_text() -> None:
    desk = Desk()
    desk.says("e\x1b[2Jve", "clear\x1b[2J the\x07 screen\u202e")
    async with chatting(desk) as pilot:
        assert "\x1b" not in text(pilot)
        assert r"clear\u001b[2J the\u0007 screen\u202e" in text(pilot)


async def test_an_own_name_from_the_server_cannot_move_the_terminal() -> None:
    desk = Desk("a\x1b[2Jn")
    desk.hold = True
    async with chatting(desk) as pilot:
        await write(pilot, "mine")
        assert "\x1b" not in text(pilot)
        assert r"a\u001b[2Jn" in text(pilot)


async def test_a_time_that_no_calendar_has_is_shown_as_dashes() -> None:
    desk = Desk()
    desk.time = float(2**53 // 1000)
    desk.says("bob", "from far away")
    desk.time = START
    async with chatting(desk) as pilot:
        assert "--:--" in line_with(pilot, "from far away")


async def test_colours_of_nicks_differ_while_there_are_any() -> None:
    desk = Desk()
    names = ["ann", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"]
    for name in names:
        desk.says(name, f"this is {name}")
    async with chatting(desk) as pilot:
        assert len({style_of(pilot, name).color for name in names}) == len(names)


async def test_starting_over_draws_a_line_with_the_reason() -> None:
    desk = Desk()
    desk.says("bob", "in the old log")
    async with chatting(desk) as pilot:
        desk.log.clear()
        desk.epoch = "epoch-2"
        desk.stale = StaleCursor("this log is not the one you knew")
        desk.says("bob", "in the new log")
        desk.breaks("gone")
        await until(pilot, lambda: "in the new log" in text(pilot) and "starting over" in text(pilot))
        assert order(
            pilot, "in the old log", "starting over: this log is not the one you knew", "in the new log"
        ) == ["in the old log", "starting over: this log is not the one you knew", "in the new log"]


async def test_a_server_that_was_started_again_has_the_same_log() -> None:
    """Its generation, behind a point in the epoch, is another one."""
    desk = Desk()
    desk.epoch = "epoch-1.before"
    async with chatting(desk) as pilot:
        await write(pilot, "mine")
        await until(pilot, lambda: desk.log)
        desk.epoch = "epoch-1.after"
        desk.breaks("gone")
        await until(pilot, lambda: "no connection for" in text(pilot) or "was away for" in text(pilot))
        await write(pilot, f"/edit #{desk.log[-1].seq} mended")
        await until(pilot, lambda: "mended" in text(pilot))
        assert "starting over" not in text(pilot)


# --- own messages ------------------------------------------------------------------------------


async def test_an_own_message_is_dim_until_its_event_is_back() -> None:
    desk = Desk()
    desk.hold = True
    async with chatting(desk) as pilot:
        await write(pilot, "hello")
        await until(pilot, lambda: desk.held)
        assert line_with(pilot, "hello").endswith("sending")
        dim = style_of(pilot, "hello").color
        desk.release()
        await caught_up(pilot, desk)
        assert style_of(pilot, "hello").color != dim


async def test_an_own_message_ends_in_the_time_it_took() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "hello")
        await until(pilot, lambda: desk.log)
        await caught_up(pilot, desk)
        assert line_with(pilot, "hello").split() == ["12:55", "ann", "hello", "1.2", "ms", "tcp"]


async def test_ms_hides_the_times_and_shows_them_again() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "hello")
        await until(pilot, lambda: "1.2 ms" in text(pilot))
        await write(pilot, "/ms")
        assert "1.2 ms" not in text(pilot)
        await write(pilot, "/ms")
        assert "1.2 ms" in text(pilot)


async def test_own_messages_that_wait_stand_below_what_arrives() -> None:
    desk = Desk()
    desk.hold = True
    async with chatting(desk) as pilot:
        await write(pilot, "mine")
        await until(pilot, lambda: desk.held)
        desk.says("bob", "theirs")
        await caught_up(pilot, desk)
        assert order(pilot, "mine", "theirs") == ["theirs", "mine"]
        desk.release()
        desk.says("bob", "later")
        await caught_up(pilot, desk)
        assert order(pilot, "mine", "theirs", "later") == ["theirs", "mine", "later"]


async def test_a_refused_message_stays_with_its_reason() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.refusal = NotYours("the room does not want this")
        await write(pilot, "a bad idea")
        await until(pilot, lambda: "not sent" in text(pilot))
        desk.says("bob", "later")
        await caught_up(pilot, desk)
        assert line_with(pilot, "a bad idea").startswith("✖")
        assert "✖ not sent: the room does not want this" in text(pilot)
        assert order(pilot, "a bad idea", "later") == ["a bad idea", "later"]


async def test_the_reason_for_waiting_stands_on_the_line() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.refusal = TooFast("more than the 10 drafts a second that this server takes", retry_after=60.0)
        await write(pilot, "again and again")
        await until(pilot, lambda: "10 drafts a second" in text(pilot))
        assert "◌ waiting: more than the 10 drafts a second" in text(pilot)


async def test_an_own_pace_shows_the_servers_rate() -> None:
    desk = Desk()
    async with chatting(desk, (80, 60)) as pilot:
        for number in range(50):
            chat(pilot).say(f"message {number}")
        await until(pilot, lambda: "waiting (10/s)" in text(pilot))


async def test_what_may_or_may_not_have_been_sent_is_marked() -> None:
    desk = Desk()
    desk.resend = False
    desk.hold = True
    async with chatting(desk) as pilot:
        await write(pilot, "did it arrive?")
        await until(pilot, lambda: desk.held)
        desk.breaks("the cable is gone")
        await until(pilot, lambda: "? unconfirmed: " in text(pilot))
        assert line_with(pilot, "did it arrive?").startswith("?")


async def test_what_waits_when_the_session_ends_is_marked_as_not_sent() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        desk.away = ConnectionLost("nothing listens", retry_after=600.0)
        desk.breaks("gone")
        await until(pilot, lambda: "nothing listens" in text(pilot))
        await write(pilot, "too late")
        desk.away = NotYours("you were thrown out")
        await write(pilot, "/retry")
        await until(pilot, lambda: "not sent" in text(pilot))
        assert "✖ not sent: you were thrown out" in text(pilot)


# --- history -----------------------------------------------------------------------------------


async def test_history_stands_above_what_was_there_and_the_view_stays() -> None:
    desk = Desk()
    desk.limits = Limits(replay=40, page=30)
    for number in range(100):
        desk.says("bob", f"message {number}.")
    async with chatting(desk, (80, 24)) as pilot:
        await write(pilot, "/top")
        await until(pilot, lambda: len(chat(pilot).view.rows) == 70)
        assert "message 60." in lines(pilot)[0]  # the row that was at the top before
        assert [row.text for row in chat(pilot).view.rows] == [
            f"message {number}." for number in range(30, 100)
        ]


async def test_an_edit_that_came_before_its_message_is_applied_to_it() -> None:
    desk = Desk()
    desk.limits = Limits(replay=2, page=10)
    old = desk.says("bob", "wrong")
    gone = desk.says("bob", "never said")
    for number in range(3):
        desk.says("bob", f"message {number}")
    desk.edits(old, "right")
    desk.deletes(gone)
    async with chatting(desk) as pilot:
        await write(pilot, "/history")
        await until(pilot, lambda: "right (edited)" in text(pilot))
        assert "wrong" not in text(pilot)
        assert "never said" not in text(pilot)


async def test_history_says_when_there_is_nothing_older() -> None:
    desk = Desk()
    desk.says("bob", "the first of all")
    async with chatting(desk) as pilot:
        await write(pilot, "/history")
        assert "nothing older" in text(pilot)


async def test_where_the_beginning_is_not_kept_that_is_said_on_entering_and_when_asked() -> None:
    desk = Desk()
    desk.first = 4000
    desk.says("bob", "the oldest that is left")
    starts = "history starts at 4000: older messages"
    async with chatting(desk) as pilot:
        await until(pilot, lambda: text(pilot).count(starts) == 1)
        await write(pilot, "/history")
        await until(pilot, lambda: text(pilot).count(starts) == 2)


async def test_what_the_technique_has_to_say_of_itself_is_said_once_however_often_it_connects() -> None:
    desk = Desk()
    desk.notices = ["this room is in the broker"]
    async with chatting(desk) as pilot:
        await until(pilot, lambda: "this room is in the broker" in text(pilot))
        desk.breaks("the cable was pulled")
        desk.says("bob", "back again")
        await until(pilot, lambda: "back again" in text(pilot))
        assert text(pilot).count("this room is in the broker") == 1
