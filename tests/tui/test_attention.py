"""What the terminal itself is told: the title, a bell, a notice; links; and the mouse in the bare mode."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from chat.domain.validation import printable
from tests.support.desk import Desk, Running, caught_up, chat, chatting, check_golden, text, until, write
from tests.tui.test_screens import lesson, play
from tests.tui.test_sizes import SMALL
from tests.tui.test_unread import looks_again, looks_away
from tui.attention import PAUSE, Attention
from tui.rows import Look, Place, Row
from tui.terminal.osc import LENGTH, notice, title
from tui.widgets.row_strips import draw

HOSTILE = "[b]x[/]\x1b]0;owned\x07\x9c\u202e;4;1\n" + "e" + "\u0301" * 4000 + "\u200b"


def told(pilot: Running) -> list[str]:
    """Return a list to which everything is added that is written to the terminal from now on."""
    written: list[str] = []
    pilot.app.attention._write = written.append  # type: ignore[attr-defined]  # a ChatApp
    return written


# --- sequences ---------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", [{}, {"TERM": "foot"}, {"VTE_VERSION": "7006"}, {"TMUX": "x"}])
def test_no_text_ends_a_sequence_or_begins_another(environment: dict[str, str]) -> None:
    for sequence in (title(HOSTILE), notice(f"#lab {HOSTILE}", HOSTILE, environment)):
        inner = re.sub(r"^(\x1bPtmux;)?\x1b{1,2}\][0-9]+;|\x07(\x1b\\)?$", "", sequence)
        assert printable(inner) == inner
        assert "\n" not in inner
        assert len(inner) < 2 * LENGTH + 20
    assert notice("#lab bob", "4;1", environment).count(";4;1") == 0


# --- the title ---------------------------------------------------------------------------------


async def test_the_title_counts_what_is_unread_until_the_user_looks() -> None:
    desk = Desk()
    async with chatting(desk) as pilot:
        written = told(pilot)
        await looks_away(pilot)
        desk.says("bob", "hello")
        await caught_up(pilot, desk)
        assert written == [title("(1) #lab · chat")]
        desk.says("bob", "hello @ann")
        await caught_up(pilot, desk)
        assert written[-1] == title("(2!) #lab · chat")
        await looks_again(pilot)
        assert written[-1] == title("#lab · chat")


async def test_the_title_has_all_open_rooms_and_none_that_was_left() -> None:
    async with chatting(Desk()) as pilot:
        written = told(pilot)
        await write(pilot, "/join den")
        await until(pilot, lambda: written and written[-1] == title("#lab #den · chat"))
        await pilot.app.run_action("screen.command('leave')")
        await until(pilot, lambda: written[-1] == title("#lab · chat"))


# --- a mention ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["none", "bell", "desktop"])
async def test_a_mention_is_told_as_the_user_wants_if_he_does_not_look(way: str) -> None:
    desk = Desk()
    async with chatting(desk, notify=way) as pilot:
        written = told(pilot)
        desk.says("bob", "seen, @ann")
        await caught_up(pilot, desk)
        assert written == []
        await looks_away(pilot)
        desk.says("bob", "nobody is named")
        await caught_up(pilot, desk)
        before = len(written)
        desk.says("bob", HOSTILE.replace("\n", " ") + " @ann")
        await caught_up(pilot, desk)
        told_now = [one for one in written[before:] if not one.startswith("\x1b]2;")]
        assert len(told_now) == (way != "none")
        if way == "bell":
            assert told_now == ["\a"]
        if way == "desktop":
            assert "#lab bob: [b]x[/]" in told_now[0]


def test_many_mentions_are_told_once() -> None:
    now: list[float] = [0.0]
    written: list[str] = []
    attention = Attention(written.append, "bell", lambda: now[0])
    row = Row(Place(0, 1), "message", "@ann", nick="bob")
    for _ in range(3):
        attention.mentioned("lab", row)
    now[0] += PAUSE
    attention.mentioned("lab", row)
    assert written == ["\a", "\a"]


# --- links -------------------------------------------------------------------------------------


def links(row_text: str) -> set[str]:
    """The addresses that the terminal is given for a message."""
    from rich.style import Style

    strips = draw(Row(Place(0, 1), "message", row_text, nick="bob"), Look(80), lambda name: Style())
    written = "".join(strip.render(Console(color_system="truecolor")) for strip in strips)
    return set(re.findall(r"\x1b\]8;[^;]*;([^\x1b]+)\x1b\\", written))


def test_an_address_is_a_link_also_where_it_is_wrapped() -> None:
    address = "https://example.org/" + "a" * 90
    assert links(f"see {address}, please") == {address}


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd javascript:alert(1) ftp://example.org/x",
        "https://exаmple.org/ with a Cyrillic letter",
        "https://example.org/" + "e\u0301" * 4000,
        "https://example.org/" + "a" * 2000,
        "https://example.org/\u200bx",
    ],
)
def test_what_could_look_like_another_address_is_no_link(text: str) -> None:
    assert links(text) == set()


# --- the bare mode -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 20)], ids=str)
async def test_bare_shows_texts_only_and_leaves_the_mouse_to_the_terminal(size: tuple[int, int]) -> None:
    desk = lesson()
    async with chatting(desk, size) as pilot:
        mouse: list[bool] = []
        chat(pilot).use_mouse = mouse.append
        await play(pilot, desk)
        await pilot.press("alt+l")
        await pilot.pause()
        check_golden(pilot, f"bare-{size[0]}x{size[1]}")
        assert mouse == [False]
        await pilot.press("alt+l")
        await pilot.pause()
        assert mouse == [False, True]
        assert "● up" in text(pilot)


async def test_bare_takes_any_size() -> None:
    desk = lesson()
    async with chatting(desk) as pilot:
        await write(pilot, "/bare")
        for size in [*SMALL, (10, 3), (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await until(pilot, lambda: "bob: " in text(pilot))
