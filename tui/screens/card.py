"""The card of a technique: who calls whom, what it promises, and the code of its client and server."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from chat.interfaces.address import Address, is_loopback
from chat.interfaces.technique import Technique
from chat.language.translation import translate
from lab.chapter import explain, source
from tui.widgets.composer import Composer, type_behind

WIDTHS = [(0, "-narrow"), (84, "-wide")]
"""A narrow screen has no sides around the card: a drawing has up to 79 columns."""


LINE, NEXT = 78, "\n"
"""Columns of a line of the card, and what stands before what does not fit there."""


def promises(label: Technique) -> str:
    """Return the traits of a technique on one line, or with its contract on a second one."""
    traits = label.traits
    told = (
        translate("push") if traits.push else translate("poll"),
        translate("ordered") if traits.ordered else translate("any order"),
        translate("lossless") if traits.lossless else translate("may lose events"),
        translate(f"kept by the {traits.stores}"),
        translate(traits.encoding),
    )
    line = "  ".join(told)
    fits = cell_len(line) + 2 + cell_len(traits.contract) <= LINE
    return f"{line}{'  ' if fits else NEXT}{traits.contract}"


class CardScreen(ModalScreen[str]):
    """Shows the card; it ends with ``ladder`` if the user wants to see the sequence of the last message.

    Args:
        label: of the technique.
        address: of the server that the user is connected to; None: not known.
        composer: gets what is typed that is no key of this screen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss('')", show=False),
        Binding("c", "code('client')", show=False),
        Binding("s", "code('server')", show=False),
        Binding("t", "card", show=False),
        Binding("l", "dismiss('ladder')", show=False),
        *(
            Binding(key, f"scroll({lines})", show=False)
            for key, lines in {
                "up": -1,
                "down": 1,
                "pageup": -15,
                "pagedown,space": 15,
                "home": -9999,
            }.items()
        ),
        Binding("left", "aside(-8)", show=False),
        Binding("right", "aside(8)", show=False),
    ]
    HORIZONTAL_BREAKPOINTS = WIDTHS
    KEYS: ClassVar[set[str]] = {"c", "s", "t", "l", "q", "space"}

    def __init__(self, label: Technique, address: Address | None, composer: Composer) -> None:
        super().__init__()
        self._label, self._address, self._composer = label, address, composer
        self._text = Static("", id="card-text", markup=False)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="card", can_focus=False) as box:
            box.border_subtitle = translate("t card · c client's code · s server's · l sequence · Esc closes")
            yield self._text

    async def on_mount(self) -> None:
        await self.action_card()

    def on_key(self, event: events.Key) -> None:
        if event.key not in self.KEYS and type_behind(event, self._composer) and self.is_current:
            self.dismiss("")

    def _show(self, title: str, content: Content, *, wrapped: bool = False) -> None:
        """Show a text; ``wrapped``: its lines may be broken, for it is no drawing."""
        box = self.query_one("#card", VerticalScroll)
        self._text.set_class(wrapped, "-wrapped")
        box.border_title = title
        self._text.update(content)
        box.scroll_home(animate=False)

    async def action_card(self) -> None:
        """Show what the technique is and promises."""
        here = self._address
        ports = {self._label.name: here.port} if here else {}
        told = await asyncio.to_thread(explain, self._label, ports)
        if here and not is_loopback(here.host):
            told = told.replace("127.0.0.1", str(replace(here, port=0)).removesuffix(":0"))
        self._show(translate(self._label.title), Content(f"{promises(self._label)}\n\n{told}"))

    async def action_code(self, side: str) -> None:
        """Show the code of a side: ``client`` or ``server``."""
        imported = self._label.client if side == "client" else self._label.server
        if imported is None:
            self._show(
                translate(self._label.title),
                Content(translate("a broker is the server: it has no code of ours")),
            )
            return
        name, code = await asyncio.to_thread(source, imported)
        self._show(name, await asyncio.to_thread(_highlighted, code), wrapped=True)

    def action_aside(self, columns: int) -> None:
        box = self.query_one("#card", VerticalScroll)
        box.scroll_to(x=box.scroll_offset.x + columns, animate=False)

    def action_scroll(self, lines: int) -> None:
        box = self.query_one("#card", VerticalScroll)
        box.scroll_to(y=box.scroll_offset.y + lines, animate=False)


def _highlighted(code: str) -> Content:
    from textual.highlight import highlight  # pygments takes its time

    return highlight(code, language="python")
