"""The ladder on the screen: who sent what to whom, and when."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from chat.language.translation import translate
from lab.wire.ladder import as_text, ladder
from lab.wire.trace import Trace

EVERY = 0.3
"""Seconds between two drawings."""


class LadderScreen(ModalScreen[None]):
    """Draws the newest arrows of a trace again and again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
        Binding("t", "logical", show=False),
        Binding("c", "control", show=False),
        Binding("space", "pause", show=False),
    ]

    def __init__(self, trace: Trace, server: str) -> None:
        super().__init__()
        self._trace, self._server = trace, server
        self._logical = self._control = self._paused = False
        self._text = Static("", markup=False)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="ladder") as scroll:
            scroll.border_title = translate("what passed, newest below")
            scroll.border_subtitle = translate(
                "t logical times · c control frames · Space pause · Esc closes"
            )
            yield self._text

    def on_mount(self) -> None:
        self.set_interval(EVERY, self._draw)
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        if self._paused:
            return
        self._trace.update()
        diagram = ladder(self._trace.frames, self._trace.connections, self._server, control=self._control)
        width = max(30, self._text.size.width)
        self._text.update(Content("\n".join(as_text(diagram, width, logical=self._logical))))
        self.query_one("#ladder", VerticalScroll).scroll_end(animate=False)

    def action_logical(self) -> None:
        self._logical = not self._logical
        self._draw()

    def action_control(self) -> None:
        self._control = not self._control
        self._draw()

    def action_pause(self) -> None:
        self._paused = not self._paused
