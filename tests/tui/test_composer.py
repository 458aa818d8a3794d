"""Writing: what Enter sends, what Up brings back, what a paste asks, what is completed."""

from __future__ import annotations

from textual import events

from chat.domain.model import Limits
from tests.support.desk import Desk, Running, caught_up, chat, chatting, text, until, write
from tui.screens.paste import PasteScreen
from tui.widgets.completion import Completion, candidates


def said(desk: Desk) -> list[str]:
    return [event.text for event in desk.log if event.kind == "sent"]


async def paste(pilot: Running, what: str) -> None:
    pilot.app.post_message(events.Paste(what))
    await pilot.pause()


# --- sending -----------------------------------------------------------------------------------


async def test_enter_sends_and_empties_the_composer() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await pilot.press(*"hello", "enter")
        await until(pilot, lambda: said(desk) == ["hello"])
        assert chat(pilot).composer.text == ""


async def test_ctrl_j_breaks_the_line_and_sends_nothing() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await pilot.press(*"one", "ctrl+j", *"two", "enter")
        await until(pilot, lambda: said(desk))
        assert said(desk) == ["one\ntwo"]


async def test_ctrl_u_and_ctrl_k_delete_the_line_that_was_written_not_the_row_that_it_is_wrapped_to() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        composer = chat(pilot).composer
        composer.load("a first line\n" + "word " * 60)
        await pilot.press("ctrl+u")
        assert composer.text == "a first line\n"
        composer.load("a first line\n" + "word " * 60 + "\nand a last one")
        composer.move_cursor((1, 5))
        await pilot.press("ctrl+k")
        assert composer.text == "a first line\nword \nand a last one"
        await pilot.press("ctrl+u", "ctrl+u")
        assert composer.text == "a first line\nand a last one"


async def test_enter_never_overtakes_the_letters_before_it() -> None:
    """All keys of one burst, as a fast typist or a terminal without bracketed paste sends them."""
    desk = Desk()
    async with chatting(desk) as pilot:
        for letter in "a burst of letters":
            pilot.app.post_message(events.Key("space" if letter == " " else letter, letter))
        pilot.app.post_message(events.Key("enter", "\r"))
        await until(pilot, lambda: said(desk))
        assert said(desk) == ["a burst of letters"]


async def test_two_messages_of_one_burst_stay_two() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        for key in ("a", "enter", "b", "enter"):
            pilot.app.post_message(events.Key(key, "\r" if key == "enter" else key))
        await until(pilot, lambda: len(said(desk)) == 2)
        assert said(desk) == ["a", "b"]


async def test_a_refused_message_comes_back_before_what_was_written_since() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        for key in ("slash", "x", "enter", "b"):
            pilot.app.post_message(events.Key(key, {"slash": "/", "enter": "\r"}.get(key, key)))
        await until(pilot, lambda: "there is no command" in text(pilot))
        assert chat(pilot).composer.text == "/x\nb"


async def test_a_message_that_is_too_long_stays_and_says_by_how_much() -> None:
    desk = Desk(limits=Limits(text_bytes=10))
    async with chatting(desk) as pilot:
        await write(pilot, "ääääää")
        assert "✖ the message has 12 bytes, 10 are allowed" in text(pilot)
        assert chat(pilot).composer.text == "ääääää"
        assert said(desk) == []


async def test_a_character_that_is_not_allowed_is_named() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "right\u202eleft")
        assert "U+202E RIGHT-TO-LEFT OVERRIDE (character 6)" in text(pilot)
        assert said(desk) == []


async def test_a_complaint_goes_away_when_the_text_changes() -> None:
    desk = Desk(limits=Limits(text_bytes=10))
    async with chatting(desk) as pilot:
        await write(pilot, "eleven bytes")
        await pilot.press("backspace")
        assert "✖" not in text(pilot)


async def test_a_message_with_two_slashes_begins_with_one() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "//etc/passwd is a file")
        await until(pilot, lambda: said(desk) == ["/etc/passwd is a file"])


# --- what was sent before ----------------------------------------------------------------------


async def test_up_goes_back_in_what_was_sent_and_down_returns_to_what_was_begun() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "one")
        await write(pilot, "two")
        await write(pilot, "begun", "up", "up")
        composer = chat(pilot).composer
        assert composer.text == "one"
        await pilot.press("down")
        assert composer.text == "two"
        await pilot.press("down")
        assert composer.text == "begun"


async def test_up_moves_between_the_lines_of_a_message_first() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "sent")
        await write(pilot, "one\ntwo", "up")
        composer = chat(pilot).composer
        assert (composer.text, composer.cursor_location[0]) == ("one\ntwo", 0)
        await pilot.press("up")
        assert composer.text == "sent"


# --- pasting -----------------------------------------------------------------------------------


async def test_a_short_paste_is_inserted() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await paste(pilot, "two\r\nlines")
        assert chat(pilot).composer.text == "two\nlines"


async def test_a_long_paste_asks_and_can_be_one_message() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await paste(pilot, "a\nb\nc\nd\ne")
        assert isinstance(pilot.app.screen, PasteScreen)
        assert "5 lines were pasted" in text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: said(desk) == ["a\nb\nc\nd\ne"])


async def test_a_long_paste_can_be_a_message_for_each_line() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await paste(pilot, "a\n\nb\nc\nd")
        await pilot.press("down", "enter")
        await until(pilot, lambda: said(desk) == ["a", "b", "c", "d"])


async def test_a_long_paste_can_be_thrown_away() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await paste(pilot, "a\nb\nc\nd\ne")
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, PasteScreen)
        assert (chat(pilot).composer.text, said(desk)) == ("", [])


async def test_a_paste_that_no_message_may_hold_is_refused_at_once() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "begun", "end")
        await paste(pilot, "a\nb\nc\nd\x07\ne")
        await until(pilot, lambda: "nothing was pasted: a message may not hold U+0007 BELL" in text(pilot))
        assert (chat(pilot).composer.text, said(desk)) == ("begun", [])


async def test_what_is_typed_behind_a_long_paste_stays_in_the_composer() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "before ", "end")
        pilot.app.post_message(events.Paste("a\nb\nc\nd"))
        for letter in "xyz":
            pilot.app.post_message(events.Key(letter, letter))
        await until(pilot, lambda: isinstance(pilot.app.screen, PasteScreen))
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: said(desk) == ["before a\nb\nc\nd"])
        assert chat(pilot).composer.text == "xyz"


async def test_the_preview_of_a_paste_is_not_markup() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await paste(pilot, "[b]a[/b]\n[/x]\n[@click=app.quit]c[/]\nd\ne")
        assert "[@click=app.quit]c[/]" in text(pilot)


# --- completion --------------------------------------------------------------------------------


def words(before: str, *, asked: bool = False) -> list[str]:
    return [candidate.word for candidate in candidates(before, ["bob", "Bea", "carol"], asked=asked)]


def test_commands_are_completed_at_the_beginning_only() -> None:
    assert words("/th") == ["/theme"]
    assert words("say /th") == []
    assert words("//th") == []


def test_the_values_of_a_command_are_completed() -> None:
    assert words("/theme ") == ["dark", "light", "high-contrast", "projector"]
    assert words("/theme li") == ["light"]
    assert words("/theme light ") == []


def test_names_are_completed_after_an_at_sign_without_asking() -> None:
    assert words("did @b") == ["@Bea", "@bob"]


def test_plain_names_are_completed_when_asked() -> None:
    assert words("did b") == []
    assert words("did b", asked=True) == ["Bea", "bob"]
    assert words("did ", asked=True) == []


async def test_tab_completes_the_only_name_that_fits() -> None:
    desk = Desk()
    desk.joins("barbara")
    async with chatting(desk) as pilot:
        await write(pilot, "ask bar", "tab")
        assert chat(pilot).composer.text == "ask barbara "


async def test_a_name_that_is_completed_cannot_move_the_terminal() -> None:
    desk = Desk()
    desk.joins("e\x1b[2Jve")
    async with chatting(desk) as pilot:
        await write(pilot, "@e", "tab")
        assert chat(pilot).composer.text == r"@e\u001b[2Jve "


async def test_the_list_follows_up_and_down_and_enter_takes_the_chosen() -> None:
    desk = Desk()
    desk.joins("bea")
    desk.joins("bob")
    async with chatting(desk) as pilot:
        await pilot.press(*"@b", "down", "enter")
        assert chat(pilot).composer.text == "@bob "
        assert said(desk) == []


async def test_a_whole_command_is_run_by_enter_although_the_list_is_open() -> None:
    desk = Desk()
    desk.joins("bob", "soap")
    async with chatting(desk) as pilot:
        await pilot.press(*"/who", "enter")
        await pilot.pause()
        assert "2 here" in text(pilot)


async def test_escape_closes_the_list_and_keeps_the_text() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await pilot.press(*"/th", "escape")
        assert not pilot.app.screen.query_one(Completion).open
        assert chat(pilot).composer.text == "/th"


async def test_the_list_covers_the_messages_and_moves_nothing() -> None:
    desk = Desk()
    for number in range(30):
        desk.says("bob", f"message {number}.")
    async with chatting(desk) as pilot:
        await caught_up(pilot, desk)
        top = text(pilot).split("\n")[0]
        await pilot.press("/")
        await pilot.pause()
        assert text(pilot).split("\n")[0] == top
        assert "/help" in text(pilot)


# --- the last message, emoji, rooms, /me -------------------------------------------------------


async def test_up_in_an_empty_composer_edits_the_last_message_and_again_goes_back() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "one")
        await write(pilot, "frist")
        await caught_up(pilot, desk)
        await pilot.press("up")
        composer = chat(pilot).composer
        assert composer.text == f"/edit #{desk.log[-1].id} frist"
        await pilot.press("up")
        assert composer.text == "frist"
        await pilot.press("down", "escape", *"x", "up")
        assert composer.text == "frist"


async def test_up_behind_a_message_that_is_not_stored_yet_edits_no_other_one() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "stored")
        await caught_up(pilot, desk)
        desk.hold = True
        for key, letter in (("n", "n"), ("enter", "\r"), ("up", None), ("x", "x")):
            pilot.app.post_message(events.Key(key, letter))
        await until(pilot, lambda: desk.held)
        assert chat(pilot).composer.text == "nx"


async def test_me_is_shown_as_what_somebody_does() -> None:
    desk = Desk()
    desk.says("bob", "/me waves [b]\x1b[2J")
    async with chatting(desk) as pilot:
        assert r"* bob waves [b]\u001b[2J" in text(pilot)
        await write(pilot, "/me waves back")
        await until(pilot, lambda: "* ann waves back" in text(pilot))
        assert desk.log[-1].text == "/me waves back"


def test_emoji_and_rooms_are_completed() -> None:
    assert words("a :rocke") == ["🚀"]
    assert words("so :+1") == ["👍"]
    assert words("see :) and ::") == []
    assert words("http://x") == []
    assert [one.word for one in candidates("in #l", [], ["lab", "lobby", "den"])] == ["#lab", "#lobby"]
    assert [one.word for one in candidates("/join l", [], ["lab", "lobby", "den"])] == ["lab", "lobby"]
    assert [one.word for one in candidates("/join #l", [], ["lab", "lobby", "den"])] == ["#lab", "#lobby"]
    assert candidates("/join lab x", [], ["lab", "xeno"]) == []


async def test_tab_puts_the_emoji_in() -> None:
    async with chatting(Desk()) as pilot:
        await write(pilot, "go :rocket", "tab")
        assert chat(pilot).composer.text == "go 🚀 "


async def test_a_long_paste_can_be_written_on() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        await write(pilot, "before ", "end")
        await paste(pilot, "a\nb\nc\nd")
        assert "Put them into the composer" in text(pilot)
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: chat(pilot).composer.text == "before a\nb\nc\nd")
        assert said(desk) == []
