"""What is drawn of a change: what Textual draws, and no widget that has not changed is asked."""

from __future__ import annotations

import random
import re

from rich.console import Console
from textual.app import App, ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.geometry import Region
from textual.strip import Strip
from textual.widgets import Static

from tui.terminal.compositor import Compositor, OwnScreen

SIZE = (60, 16)
_MOVES_ONLY = re.compile(r"(\x1b\[\d+;\d+H)+(?=\x1b\[\d+;\d+H|$)")
"""Where Textual moves the cursor and draws nothing there: behind a region that ends where a widget begins."""


class Layers(App[None]):
    CSS = """
    Screen { layers: below above; }
    #over { layer: above; width: 30; height: 5; offset: 10 4; border: round red; }
    #side { width: 15; background: blue; }
    """

    def get_default_screen(self) -> OwnScreen:
        return OwnScreen(id="_default")

    def compose(self) -> ComposeResult:
        yield Static("the head 漢字", id="head")
        with Horizontal():
            with VerticalScroll():
                for number in range(30):
                    yield Static(f"line {number} 🚀 of many")
            yield Asked("beside", id="side")
        yield Static("over the others", id="over")


class Asked(Static):
    asked = 0

    def render_lines(self, crop: Region) -> list[Strip]:
        self.asked += 1
        return super().render_lines(crop)


async def test_a_change_is_drawn_as_textual_draws_it() -> None:
    app, console, chance = Layers(), Console(color_system="truecolor"), random.Random(5)
    async with app.run_test(size=SIZE):
        compositor = app.screen._compositor
        assert isinstance(compositor, Compositor)
        for _ in range(200):
            changed = {_anywhere(chance) for _ in range(chance.randint(1, 4))}
            compositor._dirty_regions = set(changed)
            mine = compositor.render_partial_update()
            compositor._dirty_regions = set(changed)
            theirs = super(Compositor, compositor).render_partial_update()
            assert mine is not None
            assert theirs is not None
            drawn = _MOVES_ONLY.sub("", theirs.render_segments(console).replace("\n", ""))
            assert mine.render_segments(console) == drawn, changed
        assert compositor.render_partial_update() is None


def _anywhere(chance: random.Random) -> Region:
    x, y = chance.randrange(SIZE[0]), chance.randrange(SIZE[1])
    return Region(x, y, chance.randint(1, SIZE[0] - x), chance.randint(1, SIZE[1] - y))


async def test_a_widget_elsewhere_is_not_asked_for_its_lines() -> None:
    app = Layers()
    async with app.run_test(size=SIZE) as pilot:
        beside = app.query_one("#side", Asked)
        app.query_one("#over", Static).update("something else")
        await pilot.pause()
        before = beside.asked
        app.query_one("#head", Static).update("another", layout=False)
        await pilot.pause()
        assert beside.asked == before
        beside.update("and now", layout=False)
        await pilot.pause()
        assert beside.asked > before
