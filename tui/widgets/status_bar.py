"""The status bar: the state of the connection, its round-trip time, the room and the name."""

from __future__ import annotations

import math
import time
from collections import deque

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget

from chat.client.session_events import State
from chat.language import N_
from chat.language.translation import translate
from tui.lanes.figures import sparkline
from tui.rows import duration, one_line

BARS_SHOWN = 10
"""The most round-trip times that are shown as bars."""
SIGNS = {
    "up": ("●", N_("up"), "$success"),
    "connecting": ("◌", N_("connecting"), "$warning"),
    "retrying": ("▲", N_("retrying"), "$warning"),
    "down": ("✖", N_("down"), "$error"),
}


class StatusBar(Widget):
    """Shows the state by a sign, a word and a colour, and whatever else fits.

    If the screen is too narrow, the least important parts are left out.
    """

    state: reactive[State] = reactive(State("connecting"))
    rtt: reactive[float | None] = reactive(None)
    activity: reactive[str] = reactive("")
    cost: reactive[str] = reactive("")
    pending: reactive[int] = reactive(0)
    nick: reactive[str] = reactive("")
    technique: reactive[str] = reactive("")

    def __init__(self, technique: str, room: str) -> None:
        super().__init__(id="status")
        self.set_reactive(StatusBar.technique, technique)
        self._room = room
        self._times: deque[float] = deque(maxlen=BARS_SHOWN)
        self._next_try = 0.0
        self._countdown: Timer | None = None

    def measured(self, rtt: float) -> None:
        """Show a round-trip time, and the newest ones as bars on the scale that all techniques share."""
        self._times.append(rtt)
        self.rtt = rtt
        self.refresh()

    def watch_state(self, state: State) -> None:
        if self._countdown is not None:
            self._countdown.stop()
            self._countdown = None
        if state.name == "retrying":
            self._next_try = time.monotonic() + state.retry_in
            self._countdown = self.set_interval(0.5, self.refresh)
        if state.name != "up":
            self.rtt = None
            self._times.clear()

    def render(self) -> Content:
        sign, word, colour = SIGNS[self.state.name]
        if self.state.name == "retrying":
            seconds = max(0, math.ceil(self._next_try - time.monotonic()))
            word = N_(f"retrying in {seconds} s")
        left = [
            # text, style, priority: the highest number is left out first
            (f" {sign} {translate(word)}", f"bold {colour}", 0),
            (self.technique, "bold", 2),
            (one_line(self.state.address), "$quiet", 7),
            (f"rtt {duration(self.rtt)}" if self.rtt is not None else "", "", 3),
            (sparkline(self._times, BARS_SHOWN) if len(self._times) > 1 else "", "$success", 9),
            (translate(one_line(self.activity)), "$quiet", 4),
            (self.cost, "$quiet", 6),
            (translate(f"{self.pending} waiting") if self.pending else "", "bold $warning", 1),
        ]
        right = [(f"#{self._room}", "bold", 5), (one_line(self.nick), "", 8)]
        parts = [part for part in left + right if part[0]]
        while len(parts) > 1 and sum(cell_len(part[0]) + 2 for part in parts) > self.size.width:
            parts.remove(max(parts, key=lambda part: part[2]))
        shown, end = (
            Content("  ").join(Content.styled(part[0], part[1]) for part in side if part in parts)
            for side in (left, right)
        )
        space = self.size.width - shown.cell_length - end.cell_length - 1
        return Content("").join([shown, Content(" " * max(1, space)), end])
