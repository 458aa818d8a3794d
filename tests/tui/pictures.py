"""Makes the pictures of the pages: ``python -m tests.tui.pictures`` writes docs/pictures/*.svg.

The conversation is scripted and the clock stands still, so that the same code gives the same files.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from pathlib import Path

from tests.support.desk import Desk, Running, chatting, until, write
from tui.themes import NAMES

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"


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


async def play(pilot: Running, desk: Desk) -> None:
    await write(pilot, "and not one line is missing: every client found the new one and went on")
    await until(pilot, lambda: desk.log[-1].author == "ann")
    desk.says("carol", "日本語 and 🚀 wrap like everything else")
    await write(pilot, "how long does a message take here?")
    desk.hold = True
    await until(pilot, lambda: desk.log[-1].author == "ann")
    desk.says("dave", "look at the end of your own lines")
    await write(pilot, "this one is still on its way")
    await until(pilot, lambda: desk.held)


async def picture(size: tuple[int, int], theme: str) -> str:
    """Return the SVG."""
    desk = conversation()
    async with chatting(desk, size, theme=theme) as pilot:
        await play(pilot, desk)
        chat_shown = pilot.app.export_screenshot(title="chat --backend tcp --as ann", simplify=True)
        desk.release()
    # Rich names its styles after a checksum of the content; the name is in every line.
    svg = re.sub(r"terminal-\d+-", "chat-", chat_shown)
    # It fetches its font from elsewhere; a picture of ours asks nobody for anything.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "Fira Code, Menlo, Consolas, DejaVu Sans Mono, monospace")
    return svg + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the pictures of the pages.")
    parser.add_argument("--all", action="store_true", help="every theme and size, to look at")
    parser.add_argument("--check", action="store_true", help="fail when a picture would change; write none")
    options = parser.parse_args()
    wanted = [("chat", (100, 24), "dark")]
    if options.all:
        sizes = ((80, 24), (60, 20))
        wanted += [(f"look-{theme}-{size[0]}x{size[1]}", size, theme) for theme in NAMES for size in sizes]
    for name, size, theme in wanted:
        path, svg = FOLDER / f"{name}.svg", asyncio.run(picture(size, theme))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(svg, encoding="utf-8", newline="\n")
        elif not path.exists() or path.read_text(encoding="utf-8") != svg:
            sys.exit(f"{path.name} is not what the code draws now, run: make docs")


if __name__ == "__main__":
    main()
