"""Screens that draw no more than what has changed.

Textual 8.2.8 asks every widget for all its lines at each change, also those that lie elsewhere or are hidden,
and cuts each of these lines to pieces. The names of its compositor are private.
"""

from __future__ import annotations

from itertools import pairwise

from rich.console import Console
from textual import events
from textual._compositor import ChopsUpdate
from textual._compositor import Compositor as _Compositor
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip


class OwnScreen(Screen[None]):
    def __init__(self, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name, id, classes)
        self._compositor = Compositor()
        self._new = True

    def on_compose(self) -> None:
        """Set the classes of the breakpoints. Textual does it after the first paint, and styles all anew."""
        for size, points in zip(
            self.app.size, (self.HORIZONTAL_BREAKPOINTS, self.VERTICAL_BREAKPOINTS), strict=True
        ):
            self.add_class(*self._get_breakpoint_classes(size, points or []))

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Keep the styles that were made just now. Textual's own handler comes after this one."""
        if self._new:
            event.refresh_styles = self._new = False


class Compositor(_Compositor):
    """Draws the changed part of the screen: the widgets in front first, and none of which nothing is seen."""

    def render_partial_update(self) -> ChopsUpdate | None:
        changed, self._dirty_regions = self._dirty_regions, set()
        if not changed:
            return None
        cuts, spans = self.cuts, list(self._regions_to_spans(changed))
        pieces: list[dict[int, Strip | None]] = [dict.fromkeys(cut[:-1]) for cut in cuts]
        missing: dict[int, set[int]] = {}  # for each line where the pieces begin that are not drawn yet
        for y, left, right in spans:
            wanted = missing.setdefault(y, set())
            wanted.update(x for x, end in pairwise(cuts[y]) if x < right and left < end)
        for widget, (region, clip) in self.visible_widgets.items():
            seen = region.intersection(clip)
            if not _is_in(seen, missing):
                continue
            strips = widget.render_lines(seen.translate((-region.x, -region.y)))
            for y, strip in zip(seen.line_range, strips, strict=False):
                wanted = missing.get(y, set())
                if not wanted:
                    continue
                mine = [cut for cut in cuts[y] if seen.x <= cut <= seen.right]
                for x, piece in zip(mine, strip.divide([cut - seen.x for cut in mine[1:]]), strict=False):
                    if x in wanted:
                        pieces[y][x] = piece
                        wanted.remove(x)
        return _Update(pieces, spans, [cut[1:] for cut in cuts])


def _is_in(seen: Region, missing: dict[int, set[int]]) -> bool:
    """Return whether a piece that is missing begins in this region."""
    return any(seen.x <= x < seen.right for y in seen.line_range for x in missing.get(y, ()))


class _Update(ChopsUpdate):
    """What is written to the terminal. Rich makes three objects for each place where the cursor goes."""

    def render_segments(self, console: Console) -> str:
        parts = []
        for y, left, right in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=True):
                if strip is not None and x < right and left < end:
                    shown = strip if end <= right else strip.crop(0, right - x)
                    parts.append(f"\x1b[{y + 1};{x + 1}H{shown.render(console)}")
        return "".join(parts)
