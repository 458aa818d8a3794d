"""The help screen: all commands and keys."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from chat.language import N_
from chat.language.translation import translate
from tui.commands import KEYS, TABLE, in_words, key_name
from tui.rows import wrap
from tui.widgets.composer import Composer, type_behind

KEY = len("Ctrl+Home")
SEEN = N_(
    "Seen by 3 of 5: the clients of three of the five others have your message, as far as the server knows. "
    "Whether anybody has read it, no program knows. Unknown: over udp and rabbitmq no client says what came."
)


def help_text(width: int) -> Content:
    """Return the help text for a width in cells: on a narrow screen each summary stands below its command."""
    left = [f"/{command.name} {in_words(command.usage)}".strip() for command in TABLE.values()]
    right = [translate(command.summary) for command in TABLE.values()]
    wide = max(len(text) for text in left) + 2
    pieces: list[tuple[str, str]] = [(translate("Commands") + "\n", "bold $accent")]
    summary = max(map(len, right)) + 2
    narrow = wide + summary + KEY > width
    for text, what, command in zip(left, right, TABLE.values(), strict=True):
        name, _, usage = text.partition(" ")
        pieces += [(name, "bold"), (f" {usage}".ljust(wide - len(name)), "$quiet")]
        key = in_words(key_name(command.key))
        if narrow:
            pieces += [(key, "$accent"), (f"\n  {what}\n", "")]
        else:
            pieces += [(what.ljust(summary), ""), (f"{key}\n", "$accent")]
    pieces.append((f"\n{translate('Keys')}\n", "bold $accent"))
    for key, what in KEYS:
        pieces += [(in_words(key).ljust(wide), "bold"), (translate(what), ""), ("\n", "")]
    pieces.append(("\n" + translate("To send a text that begins with /, write //.") + "\n", "$quiet"))
    seen = translate(SEEN)
    pieces += [("\n" + seen[start:end].rstrip(), "$quiet") for start, end in wrap(seen, width)]
    return Content.assemble(*pieces)


class HelpScreen(ModalScreen[None]):
    """Shows the help text; what is typed meanwhile closes it.

    Args:
        composer: gets what is typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,f1", "dismiss", "Close"),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
    ]

    def __init__(self, composer: Composer) -> None:
        super().__init__()
        self._composer = composer

    def on_key(self, event: events.Key) -> None:
        if event.key not in ("q", "space") and type_behind(event, self._composer) and self.is_current:
            self.dismiss()

    def on_paste(self, event: events.Paste) -> None:
        self._composer.post_message(event)
        if self.is_current:
            self.dismiss()

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help", can_focus=False) as box:
            box.border_title = translate("Help")
            box.border_subtitle = translate("Esc closes")
            yield Static("", id="help-text", markup=False)

    def on_resize(self) -> None:
        self._fill()
        self.call_after_refresh(self._fill)  # when it comes up, its box has no width yet

    def _fill(self) -> None:
        box = self.query_one("#help")
        self.query_one("#help-text", Static).update(help_text(box.scrollable_content_region.width or 60))

    def action_scroll(self, lines: int) -> None:
        box = self.query_one("#help")
        box.scroll_to(y=box.scroll_offset.y + lines, animate=False)
