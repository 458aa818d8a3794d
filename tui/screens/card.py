"""The card of a technique: who calls whom, what it promises, and the code of its client and server."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from chat.interfaces.technique import Technique
from chat.language.translation import translate
from lab.chapter import explain, source
from tui.widgets.composer import Composer, type_behind


def promises(label: Technique) -> str:
    """Return the traits of a technique on one line."""
    traits = label.traits
    return "  ".join(
        (
            translate("push") if traits.push else translate("poll"),
            translate("ordered") if traits.ordered else translate("any order"),
            translate("lossless") if traits.lossless else translate("may lose events"),
            translate(f"kept by the {traits.stores}"),
            translate(traits.encoding),
            traits.contract,
        )
    )


class CardScreen(ModalScreen[str]):
    """Shows the card; it ends with ``ladder`` if the user wants to see the sequence of the last message.

    Args:
        label: of the technique.
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
    ]
    KEYS: ClassVar[set[str]] = {"c", "s", "t", "l", "q", "space"}

    def __init__(self, label: Technique, composer: Composer) -> None:
        super().__init__()
        self._label, self._composer = label, composer
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

    def _show(self, title: str, content: Content) -> None:
        box = self.query_one("#card", VerticalScroll)
        box.border_title = title
        self._text.update(content)
        box.scroll_home(animate=False)

    async def action_card(self) -> None:
        """Show what the technique is and promises."""
        told = await asyncio.to_thread(explain, self._label)
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
        self._show(name, await asyncio.to_thread(_highlighted, code))

    def action_scroll(self, lines: int) -> None:
        box = self.query_one("#card", VerticalScroll)
        box.scroll_to(y=box.scroll_offset.y + lines, animate=False)


def _highlighted(code: str) -> Content:
    from textual.highlight import highlight  # pygments takes its time

    return highlight(code, language="python")
