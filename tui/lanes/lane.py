"""One lane: a session over one technique, its messages, and what it measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import tzinfo

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from chat.client.session_events import Arrived, Measured, State, StateChanged, Update
from chat.domain.model import MEMBERSHIP, Event
from chat.interfaces.frames import Direction
from chat.language.translation import translate
from tui.lanes.figures import Figures, sparkline
from tui.opening import Opened
from tui.rows import duration, fit, one_line, size
from tui.timeline import Timeline
from tui.widgets.message_view import MessageView
from tui.widgets.status_bar import SIGNS

LINES = 4
"""Lines that a lane's head has."""


class Messages(Timeline):
    """The rows of a lane: there is no room to tell who comes and goes."""

    def _show(self, event: Event, took: float | None) -> None:
        if event.kind not in MEMBERSHIP:
            super()._show(event, took)
        else:
            self._missing.came(event.seq)


class LaneHead(Widget):
    """The figures of a lane, at most `LINES` lines."""

    def __init__(self, technique: str) -> None:
        super().__init__(classes="lane-head")
        self.technique = technique
        self.figures = Figures()
        self.state = State("connecting")
        self.rtt: float | None = None
        self.activity = ""
        self.waiting = 0
        self.bytes = ""
        """What has passed on the wire, if somebody looks."""
        self.chosen = False
        """Whether what is written goes here only."""

    def render(self) -> Content:
        sign, word, colour = SIGNS[self.state.name]
        first = [
            ("▸" if self.chosen else " ", "bold $accent"),
            (f"{self.technique} ", "bold reverse" if self.chosen else "bold"),
            (f" {sign} {translate(word)}", f"bold {colour}"),
            (f"  {translate(f'{self.waiting} waiting')}" if self.waiting else "", "bold $warning"),
        ]
        half, most = self.figures.percentile(0.5), self.figures.percentile(0.95)
        if half is not None and most is not None:
            times = f"p50 {duration(half)}  p95 {duration(most)}"
        else:
            times = f"rtt {duration(self.rtt)}" if self.rtt is not None else translate("nothing measured yet")
        third = "  ".join(part for part in (self.bytes, translate(one_line(self.activity))) if part)
        if self.state.name in ("retrying", "down"):
            third = translate(one_line(self.state.reason))
        width = self.size.width - 1
        bars = sparkline(self.figures.times, width)
        return Content.assemble(
            *first,
            (f"\n {fit(times, width)}", ""),
            (f"\n {fit(third, width)}", "$quiet"),
            (f"\n {bars}", "$accent"),
        )


class Lane(Vertical):
    """A session of its own in the room, its list, and its figures.

    Args:
        opened: the session; the lane starts it.
        zone: the time zone of the times; None: the local one.
        now: returns the seconds since the epoch.
    """

    def __init__(self, opened: Opened, *, zone: tzinfo | None, now: Callable[[], float]) -> None:
        super().__init__(classes="lane")
        self.session, self.wiretap = opened.session, opened.wiretap
        self.technique = opened.choice.technique
        self.view = MessageView()
        self.timeline = Messages(self.view, nick=self.session.nick, zone=zone, now=now)
        self.head = LaneHead(self.technique)
        self._said: dict[int, str] = {}

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.view

    def on_mount(self) -> None:
        self.view.restyle(replace(self.view.look, clocks=False))

    def say(self, text: str) -> None:
        """Send a text that is clean already."""
        phase = "sending" if self.session.state.name == "up" else "waiting"
        self._said[draft := self.session.say(text)] = text
        self.timeline.said(draft, text, phase)
        self.view.to_end()
        self.look()

    @property
    def unacknowledged(self) -> list[str]:
        """The messages that the room has not answered, oldest first."""
        return [self._said.get(draft, "a message") for draft in self.session.unanswered()]

    def apply(self, batch: list[Update]) -> None:
        """Show a batch of updates."""
        with self.view.changing():
            for update in batch:
                match update:
                    case StateChanged(state):
                        self.head.state = state
                        if state.name == "down":
                            self.timeline.ended(one_line(state.reason))
                    case Measured(rtt, activity):
                        self.head.rtt, self.head.activity = rtt, activity
                    case _:
                        self.timeline.apply(update)
                        if isinstance(update, Arrived) and update.took is not None:
                            self.head.figures.add(update.took)
        waiting = set(self.session.unanswered())
        self._said = {draft: text for draft, text in self._said.items() if draft in waiting}
        self.look()

    def look(self) -> None:
        """Bring the figures up to date."""
        self.head.waiting = self.session.pending
        trace = self.wiretap.trace if self.wiretap is not None and self.wiretap.on else None
        if trace is not None:
            trace.update()
            up, down = (
                sum(count for (_, way), count in trace.sizes.items() if way is direction)
                for direction in Direction
            )
            self.head.bytes = f"↑{size(up)} ↓{size(down)}"
        else:
            self.head.bytes = ""
        self.head.refresh()
