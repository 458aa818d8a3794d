"""Makes the pictures of the pages: ``python -m tests.tui.pictures`` writes docs/pictures/*.svg.

The conversation is scripted and the clock stands still, so that the same code gives the same files. What
passes on the wire is that of the kept captures.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

from textual.widgets import Input, TextArea

import backends
from chat.domain.model import Member
from chat.interfaces.address import Address
from chat.interfaces.tls import Trust
from lab.wire.compare import Sample
from lab.wire.wiretap import Wiretap
from tests.support.desk import Desk, Running, chatting, text, until, write
from tests.support.kept_captures import NICK, TEXT, Kept, play, seen
from tests.tui.test_board import class_of_twelve, projected
from tests.tui.test_card import opened
from tests.tui.test_lanes import Hall, in_lanes, lanes, say
from tests.tui.test_rooms import arrives, in_house, join
from tests.tui.test_split import split
from tui.themes import NAMES
from tui.wire.compare_screen import CompareScreen
from tui.wire.inspector import Inspector

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"

Size = tuple[int, int]
Draw = Callable[[Size, str], Awaitable[str]]


def conversation() -> Desk:
    """A lesson, with everybody on another technique as far as there are several."""
    desk = Desk("ann")
    names = ["tcp", "udp", "rpyc", "grpc"]  # fixed: a new technique need not redraw the pictures
    desk.opens()
    desk.joins("ann", names[0])
    desk.joins("bob", names[1])
    desk.joins("carol", names[2])
    desk.says("bob", "morning! is the deadline for lab 3 still friday?")
    typo = desk.says("carol", "yes, 23:95. The RFC you want: https://www.rfc-editor.org/rfc/rfc9293")
    desk.edits(typo, "yes, 23:59. The RFC you want: https://www.rfc-editor.org/rfc/rfc9293")
    desk.joins("dave", names[3])
    desk.says("dave", "my server got kill -9 while I was typing")
    desk.says("bob", "so? @ann lost hers twice this morning")
    return desk


async def play_conversation(pilot: Running, desk: Desk) -> None:
    await write(pilot, "and not one line is missing: every client found the new one and went on")
    await until(pilot, lambda: desk.log[-1].author == "ann")
    desk.says("carol", "日本語 and 🚀 wrap like everything else")
    await write(pilot, "how long does a message take here?")
    desk.hold = True
    await until(pilot, lambda: desk.log[-1].author == "ann")
    desk.says("dave", "look at the end of your own lines")
    await write(pilot, "this one is still on its way")
    await until(pilot, lambda: desk.held)


async def the_chat(size: Size, theme: str) -> str:
    desk = conversation()
    async with chatting(desk, size, theme=theme) as pilot:
        await play_conversation(pilot, desk)
        drawn = await svg(pilot, "chat --backend tcp --as ann")
        desk.release()
    return drawn


# --- the wire ----------------------------------------------------------------------------------


class KeptWire(Wiretap):
    """A wiretap through which what was captured passes, when somebody looks."""

    def __init__(self, name: str) -> None:
        super().__init__(backends.technique(name), {}, Path())
        self._is_on = False

    @property
    def on(self) -> bool:
        return self._is_on

    async def start(self) -> None:
        self._is_on = True
        self.trace = await asyncio.to_thread(lambda: play(Kept.load(self.technique.name)))

    async def detour(
        self, addresses: list[Address], trust: Trust | None
    ) -> tuple[list[Address], Trust | None]:
        return addresses, trust

    def leave(self) -> None:
        self._is_on = False

    async def close(self) -> None: ...


@asynccontextmanager
async def alice_on_soap(size: Size, theme: str, *keys: str) -> AsyncIterator[Running]:
    """Alice says what was captured, and bob answers over grpc; keys are pressed before."""
    desk = Desk(NICK)
    desk.opens()
    desk.joins(NICK, "soap")
    with mock.patch("tui.screens.chat_wire.EVERY", 3600):  # what is measured differs from run to run
        async with chatting(
            desk, size, technique="soap", theme=theme, make_wiretap=lambda _: KeptWire("soap")
        ) as pilot:
            await pilot.press(*keys)
            await until(pilot, lambda: len(desk.hellos) == 2)  # it has connected through the tap
            if "f4" in keys:
                await until(
                    pilot, lambda: "comes first." in text(pilot)
                )  # what a receipt is: it fills the screen
                await write(pilot, "/clear")
                await until(pilot, lambda: "comes first." not in text(pilot))
            if "f5" not in keys:
                await write(pilot, TEXT)
                await until(pilot, lambda: desk.log[-1].author == NICK)
                desk.joins("bob", "grpc")
                desk.says("bob", "it came to me over gRPC: how large was it for you?")
                await until(pilot, lambda: "how large was it" in text(pilot))
            yield pilot


async def the_wire(size: Size, theme: str) -> str:
    async with alice_on_soap(size, theme, "f4", "f2") as pilot:
        await until(pilot, lambda: "B text" in text(pilot))  # the receipt
        await _to_the_message(pilot)
        await pilot.press("plus", "plus")
        await until(pilot, lambda: "[frame]" in text(pilot))
        return await svg(pilot, "chat --backend soap --as alice")


async def the_bytes(size: Size, theme: str) -> str:
    async with alice_on_soap(size, theme, "f2") as pilot:
        await _to_the_message(pilot)
        await pilot.press("f3", "plus", "plus", "plus")
        await until(pilot, lambda: "[bytes]" in text(pilot) and "llo</ns" in text(pilot))
        return await svg(pilot, "chat --backend soap --as alice: F3")


async def _to_the_message(pilot: Running) -> None:
    await pilot.press("f2")
    inspector = pilot.app.query_one(Inspector)
    await until(pilot, lambda: inspector.has_focus)
    while inspector.frame is None or TEXT not in inspector.frame.texts or inspector.frame.answer:
        await pilot.press("up")


async def the_comparison(size: Size, theme: str) -> str:
    async with alice_on_soap(size, theme, "f2") as pilot:
        await pilot.app.push_screen(CompareScreen(_sample("soap"), _sample("grpc")))
        await until(pilot, lambda: "side by side" in text(pilot) and "from the client" in text(pilot))
        return await svg(pilot, "/compare grpc")


def _sample(name: str) -> Sample:
    one = seen(name)
    return Sample(name, one.message, one.receipt)


async def the_ladder(size: Size, theme: str) -> str:
    async with alice_on_soap(size, theme, "f5") as pilot:
        await until(pilot, lambda: f'Send "{TEXT}"' in text(pilot))
        return await svg(pilot, "/ladder")


# --- more screens ------------------------------------------------------------------------------

TIMES = {
    "udp": (0.0006, 0.0005, 0.0007, 0.0310, 0.0006),
    "grpc": (0.0011, 0.0016, 0.0009, 0.0021, 0.0012),
    "rest": (0.0038, 0.0041, 0.0035, 0.0090, 0.0040),
    "soap": (0.0074, 0.0069, 0.0190, 0.0081, 0.0072),
}
"""Seconds that each lane's messages take: a script, as the conversation is. Each stands in the log where it
is in this order.
"""


async def the_lanes(size: Size, theme: str) -> str:
    texts = ("who is first?", "again", "and now?", "once more", "still udp?")
    async with in_lanes("grpc soap udp rest", size, theme=theme) as (pilot, hall):
        for number, said in enumerate(texts):
            for name, desk in hall.lanes.items():
                desk.hold, desk.takes = True, TIMES[name][number]
            await say(pilot, said)
            await until(pilot, lambda: all(desk.held for desk in hall.lanes.values()))
            for name in TIMES:
                if (name, said) != ("soap", texts[-1]):
                    await _arrives_in_lanes(pilot, hall, name, said)
        for desk in hall.lanes.values():
            desk.says("bob", "soap is late")
        await until(pilot, lambda: text(pilot).count("is late") == len(TIMES) and "1 waiting" in text(pilot))
        drawn = await svg(pilot, "chat --lanes grpc,soap,udp,rest")
        hall.lanes["soap"].release()
    return drawn


async def _arrives_in_lanes(pilot: Running, hall: Hall, name: str, said: str) -> None:
    """Let a line of one lane get its place in the room: it is answered there, and the others see it."""
    for other, desk in hall.lanes.items():
        if other == name:
            desk.release()
        else:
            desk.members.setdefault(f"{name}-ann", Member(f"seat-{name}", f"{name}-ann", name))
            desk.says(f"{name}-ann", said)
    lane = next(lane for lane in lanes(pilot).lanes if lane.technique == name)
    await until(pilot, lambda: not lane.session.pending)


async def the_split(size: Size, theme: str) -> str:
    desk = conversation()
    for number in range(1, 41):
        desk.says("bob" if number % 3 else "carol", f"test {number} of 40 passed")
    async with chatting(desk, size, theme=theme) as pilot:
        await split(pilot)
        await pilot.press(*["pageup"] * 5)
        await until(pilot, lambda: "the deadline for lab 3" in text(pilot) and "test 40" in text(pilot))
        return await svg(pilot, "F9: history above, the newest lines below")


async def the_rooms(size: Size, theme: str) -> str:
    async with in_house(size, theme=theme) as (pilot, house):
        house.opens()
        for room in ("seminar", "operations", "office"):
            await join(pilot, house, room)
        for room, nick, said in (
            ("lab", "bob", "the deadline is friday"),
            ("lab", "carol", "@ann: is it yours, too?"),
            ("seminar", "dave", "slides 3 to 9 are for today"),
            ("seminar", "erin", "thanks"),
            ("seminar", "frank", "and the exercise?"),
            ("office", "bob", "coffee?"),
        ):
            await arrives(pilot, house, room, nick, said)
        await until(pilot, lambda: "lab @1 +2" in text(pilot) and "seminar +3" in text(pilot))
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "which room?" in text(pilot) and "over tcp, up" in text(pilot))
        return await svg(pilot, "Ctrl+G: four rooms, and what came to those behind")


async def the_card(size: Size, theme: str) -> str:
    async with chatting(conversation(), size, technique="grpc", theme=theme) as pilot:
        await opened(pilot)
        return await svg(pilot, "/card")


async def the_board(size: Size, theme: str) -> str:
    with mock.patch("tui.screens.board.COUNT_EVERY", 0.02):
        async with projected(class_of_twelve(), size, theme=theme) as (pilot, watcher):
            watcher.behind = {watcher.desk.members["student06"].seat: 12}
            await until(pilot, lambda: "student06 ▼12" in text(pilot) and "who waits now" in text(pilot))
            return await svg(pilot, "chat board")


# --- files -------------------------------------------------------------------------------------


async def svg(pilot: Running, title: str) -> str:
    """Return what is on the screen, as soon as it does not change any more."""
    for screen in pilot.app.screen_stack:  # one below is seen through the one above
        for field in (*screen.query(TextArea), *screen.query(Input)):
            field.cursor_blink = False  # or it is chance whether there is a cursor
    shown = before = ""
    while not shown or shown != before:
        await pilot.pause(0.2)
        before, shown = shown, pilot.app.export_screenshot(title=title, simplify=True)
    # Rich names its styles after a checksum of the content; the name is in every line.
    shown = re.sub(r"terminal-\d+-", "chat-", shown)
    # It fetches its font from elsewhere; a picture of ours asks nobody for anything.
    shown = re.sub(r"\s*@font-face \{.*?\}", "", shown, flags=re.DOTALL)
    return (
        shown.replace("Fira Code, monospace", "Fira Code, Menlo, Consolas, DejaVu Sans Mono, monospace")
        + "\n"
    )


PICTURES: dict[str, tuple[Draw, Size]] = {
    "chat": (the_chat, (100, 24)),
    "wire": (the_wire, (100, 30)),
    "bytes": (the_bytes, (120, 30)),
    "compare": (the_comparison, (100, 30)),
    "ladder": (the_ladder, (100, 24)),
    "lanes": (the_lanes, (120, 36)),
    "split": (the_split, (100, 24)),
    "rooms": (the_rooms, (100, 24)),
    "card": (the_card, (100, 30)),
    "board": (the_board, (100, 24)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the pictures of the pages.")
    parser.add_argument(
        "--all", type=Path, metavar="FOLDER", help="write every theme and size there, to look at"
    )
    parser.add_argument("--check", action="store_true", help="fail when a picture would change; write none")
    options = parser.parse_args()
    wanted = [(FOLDER / f"{name}.svg", draw, size, "dark") for name, (draw, size) in PICTURES.items()]
    if options.all:
        wanted = [
            (options.all / f"{name}-{theme}-{size[0]}x{size[1]}.svg", draw, size, theme)
            for name, (draw, _) in PICTURES.items()
            for theme in NAMES
            for size in ((80, 24), (60, 20))
        ]
    for path, draw, size, theme in wanted:
        drawn = asyncio.run(picture(draw, size, theme))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(drawn, encoding="utf-8", newline="\n")
        elif not path.exists() or path.read_text(encoding="utf-8") != drawn:
            sys.exit(f"{path.name} is not what the code draws now, run: make docs")


async def picture(draw: Draw, size: Size, theme: str) -> str:
    return await draw(size, theme)


if __name__ == "__main__":
    main()
