"""`chat wire` on a terminal: the inspector alone, for the traffic of any client."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from chat.domain.errors import ChatError
from chat.language.translation import translate
from lab.wire.show import Wire
from lab.wire.tap import Tap
from lab.wire.trace import Trace
from tui import themes
from tui.app import terminal_driver
from tui.terminal.compositor import OwnScreen
from tui.wire.inspector import Inspector
from tui.wire.ladder_screen import LadderScreen


class WireApp(App[None], inherit_bindings=False):
    """Relays to a server, and shows every frame that passes.

    Args:
        wire: what to look at.
        theme: one of `tui.themes.NAMES`; None: the default.
    """

    TITLE = "chat wire"
    CSS_PATH = "../chat.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q,ctrl+c,q", "quit", show=False),
        Binding("f5,l", "ladder", show=False),
    ]

    def __init__(self, wire: Wire, theme: str | None = None) -> None:
        super().__init__(driver_class=terminal_driver())
        if theme is not None and theme not in themes.NAMES:
            raise ChatError(f"there is no theme {theme!r}: choose {', '.join(themes.NAMES)}")
        for known in themes.THEMES:
            self.register_theme(known)
        self.theme = theme or themes.DEFAULT
        self._wire = wire
        self._tap = Tap()
        self._inspector = Inspector()
        self._line = Static("", id="wire-line", markup=False)
        try:
            self._here = self._tap.relay(wire.server, wire.transport, wire.port)
        except OSError as error:
            self._tap.close()
            raise ChatError(f"cannot listen at port {wire.port}: {error.strerror}") from None
        self._trace = Trace(self._tap.capture, wire.technique.load_decoder())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.FALLBACK

    def get_default_screen(self) -> OwnScreen:
        return OwnScreen(id="_default")

    def compose(self) -> ComposeResult:
        yield self._inspector
        yield self._line

    def on_mount(self) -> None:
        self._inspector.add_class("-on", "-whole")
        self._inspector.open(self._trace, self._tap)
        self._inspector.focus()
        name = self._wire.technique.name
        here, server = self._here, self._wire.server
        told = translate(f" q ends   chat --backend {name} --server {here}   goes on to {server}")
        self._line.update(Content(told))

    def on_unmount(self) -> None:
        self._tap.close()

    def on_inspector_told(self, event: Inspector.Told) -> None:
        self._line.update(Content(f" {translate(event.text)}"))

    def on_inspector_jumped(self, event: Inspector.Jumped) -> None:
        self._line.update(Content(translate(" there is no chat here to jump to")))

    def action_ladder(self) -> None:
        server = "broker" if self._wire.technique.server is None else "server"
        self.push_screen(LadderScreen(self._trace, server))
