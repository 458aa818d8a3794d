"""Texts and names that mean harm: none of it reaches the terminal, and every line keeps its width."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.console import Console

from chat.domain.errors import ConnectionLost, NotYours
from chat.domain.model import Event
from chat.domain.validation import printable
from tests.support.desk import Desk, Running, caught_up, chat, chatting, text, until, write
from tests.tui.test_board import projected
from tests.tui.test_lanes import in_lanes, lanes
from tests.tui.test_wire import DOWN, looking, open_with_a_message

HOSTILE = {
    "sequences": "\x1b[2J\x1b[31m\x1b]0;owned\x07\x1bP+q\x1b\\\x9b5n\x90x\x9c",
    "a link": "https://example.org/\x1b]8;;https://evil.example/\x1b\\x",
    "line ends": "a\rb\x0bc\x0cd\x85e\u2028f\u2029g\nh\ti\x08\x7f",
    "direction": "\u202eevil\u202d \u2066x\u2067y\u2068z\u2069 שלום",
    "markup": "[red]x[/red] [@click=app.quit]q[/] [/nothing] [[ \\[",
    "marks": "e" + "\u0301" * 4000,
    "marks on nothing": "\u0301\u20dd\u0488" * 300,
    "nothing to see": "\u200b\u200c\u200d\u2060\ufeff\u00ad" * 300,
    "wide": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽1️⃣❤️漢字ｗｉｄｅ" * 20,
    "one long word": "漢" * 1000,
    "format": "{0.__class__} %s %n {author} ${HOME}",
}
SIZES = [(120, 36), (80, 24), (40, 10)]
SEQUENCE = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b\x07]*\x1b\\")
"""Colours and links, the only sequences with which a line is drawn."""


def painted(pilot: Running) -> Iterator[str]:
    """Yield each line of the screen as the terminal gets it, without colours and links."""
    console = Console(color_system="truecolor", force_terminal=True, legacy_windows=False)
    for strip in pilot.app.screen._compositor.render_strips():
        yield SEQUENCE.sub("", strip.render(console))


def harmless(pilot: Running) -> bool:
    """Check every line; return True."""
    for line in painted(pilot):
        assert printable(line) == line
        assert "\n" not in line
        assert "\t" not in line
        # rich.cells joins whatever stands behind a joiner; a terminal joins no blank to an emoji.
        assert cell_len(line.replace("\u200d ", " ")) == pilot.app.size.width
    return True


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", HOSTILE)
async def test_in_the_room_it_is_text(kind: str, size: tuple[int, int]) -> None:
    bad = HOSTILE[kind]
    desk = Desk()
    desk.notices = [bad]
    desk.joins(bad, bad)
    desk.says(bad, bad)
    desk.edits(desk.says("bob", "before"), f"{bad} @ann")
    async with chatting(desk, size) as pilot:
        assert harmless(pilot)
        for keys in (["ctrl+o"], ["ctrl+up"], ["r"], ["f9"], ["f9"], ["alt+l"], ["alt+l"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert harmless(pilot)
        chat(pilot).composer.load("")
        await write(pilot, "ask @", "tab")
        assert harmless(pilot)
        chat(pilot).composer.load("")
        desk.refusal = NotYours(bad)
        await write(pilot, "mine")
        await until(pilot, lambda: any(row.mark == "failed" and row.own for row in chat(pilot).view.rows))
        assert harmless(pilot)
        desk.away = ConnectionLost(bad, retry_after=60.0)
        desk.breaks(bad)
        await until(pilot, lambda: chat(pilot).session.state.name == "retrying")
        await pilot.pause()
        assert harmless(pilot)


@pytest.mark.parametrize("kind", HOSTILE)
async def test_the_name_that_the_server_gives_this_user_is_text(kind: str) -> None:
    desk = Desk(HOSTILE[kind])
    desk.says("bob", f"hello {desk.nick}")
    async with chatting(desk) as pilot:
        await write(pilot, "mine")
        await until(pilot, lambda: "mine" in text(pilot))
        assert harmless(pilot)


async def test_in_the_lanes_it_is_text() -> None:
    async with in_lanes() as (pilot, hall):
        for desk in hall.lanes.values():
            for bad in HOSTILE.values():
                desk.says(bad, bad)
        newest = hall.lanes["soap"].log[-1].seq
        await until(pilot, lambda: all(lane.timeline.newest == newest for lane in lanes(pilot).lanes))
        assert harmless(pilot)
        hall.lanes["soap"].away = ConnectionLost(HOSTILE["sequences"], retry_after=60.0)
        hall.lanes["soap"].breaks("gone")
        await until(pilot, lambda: "retrying" in text(pilot))
        assert harmless(pilot)


@pytest.mark.parametrize("kind", HOSTILE)
async def test_on_the_board_it_is_text(kind: str) -> None:
    bad = HOSTILE[kind]
    desk = Desk()
    desk.opens()
    desk.joins(bad, bad)
    desk.says(bad, bad)
    desk.says(bad, "/class hand")
    desk.says("ann", f"/class to {bad}")
    async with projected(desk, (80, 24)) as (pilot, watcher):
        assert harmless(pilot)
        watcher.lost.set()
        await until(pilot, lambda: "closed the connection" in text(pilot))
        assert harmless(pilot)


@pytest.mark.parametrize("kind", HOSTILE)
async def test_in_the_inspector_it_is_text(kind: str) -> None:
    bad = HOSTILE[kind]
    async with looking() as (pilot, desk, wire):
        await open_with_a_message(pilot, desk, wire)
        wire.passes(DOWN, Event("sent", 99, 98, 0, bad, bad, bad, text=bad, id=99))
        wire.passes(DOWN, bad.encode().replace(b"\n", b" "), b"\xff\xfe\x9b\x1b[2J")
        desk.says(bad, bad)
        await caught_up(pilot, desk)
        for keys in (["end"], ["enter"], ["up"], ["+"], ["+"], ["f3"], ["-"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert harmless(pilot)
