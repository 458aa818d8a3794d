"""The question that is asked before many pasted lines are sent."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from chat.language.translation import translate
from tui.rows import fit, shown
from tui.widgets.composer import Composer, type_behind

PREVIEW = 3

Answer = Literal["one", "lines", "insert", "cancel"]


class PasteScreen(ModalScreen[Answer]):
    """Asks whether to send the lines as one message, line by line, to write on first, or to forget them.

    Args:
        text: the lines.
        composer: gets what is typed meanwhile.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('cancel')", "Cancel")]

    def __init__(self, text: str, composer: Composer) -> None:
        super().__init__()
        self._composer = composer
        self._lines = text.split("\n")

    def compose(self) -> ComposeResult:
        preview = [fit(shown(line), 44).rstrip() for line in self._lines[:PREVIEW]]
        messages = sum(1 for line in self._lines if line.strip())
        with Vertical(id="paste") as box:
            box.border_title = translate(f"{len(self._lines)} lines were pasted")
            yield Static(Content("\n".join([*preview, "…"])), id="paste-preview")
            yield OptionList(
                Option(translate("Send as one message"), id="one"),
                Option(translate(f"Send line by line: {messages} messages"), id="lines"),
                Option(translate("Put them into the composer"), id="insert"),
                Option(translate("Cancel"), id="cancel"),
                compact=True,
            )

    def on_key(self, event: events.Key) -> None:
        type_behind(event, self._composer)

    def on_paste(self, event: events.Paste) -> None:
        self._composer.post_message(event)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        answers: dict[str | None, Answer] = {"one": "one", "lines": "lines", "insert": "insert"}
        if self.is_current:  # a second Enter of the same burst finds it answered
            self.dismiss(answers.get(event.option_id, "cancel"))
