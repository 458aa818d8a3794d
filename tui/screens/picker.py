"""The first screen if no technique was given: choose a technique, a room and a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from chat.domain.errors import BadName
from chat.domain.validation import clean_nick, clean_room
from chat.interfaces.technique import Technique
from chat.language.translation import translate
from tui.rows import wrap
from tui.screens.ordered import Answered, Asking
from tui.widgets.own_keys import Field

WIDEST, BESIDE = 100, 5
"""Cells of the picker, and those of them that a description does not get; see `chat.tcss`. If they were
wrong, the list would be painted once more."""
MIN_WIDTH = 30
"""Cells; on a narrower screen the techniques are described as for this width."""


def hang(text: str, width: int, indent: int) -> str:
    """Wrap a text to ``width`` cells and indent every line but the first by ``indent`` cells."""
    lines = (text[start:end].rstrip() for start, end in wrap(text, width - indent))
    return f"\n{'':{indent}}".join(lines)


class Techniques(OptionList):
    """The list of techniques: a click selects one, Enter joins with it."""

    class Entered(Message):
        """Enter was pressed."""

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.prevent_default()
            event.stop()
            self.post_message(self.Entered())


class PickerScreen(Asking):
    """Shows every technique that the registry knows, and posts `Chosen`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Priority: keys that follow Tab at once must reach the next field.
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]

    @dataclass
    class Chosen(Message):
        """The user wants to join."""

        picker: PickerScreen
        technique: str
        room: str
        nick: str | None

    def __init__(
        self,
        techniques: Sequence[Technique],
        *,
        room: str,
        nick: str | None,
        technique: str | None = None,
        ask_name: bool = False,
    ) -> None:
        """Prepare.

        Args:
            techniques: what can be chosen.
            room: the room that is suggested.
            nick: the name that is suggested.
            technique: the technique that is suggested; None: the first that can run.
            ask_name: a name must be given; otherwise none means the login name.
        """
        super().__init__()
        self._techniques = techniques
        self._missing = {label.name: label.missing() for label in techniques}
        self._room = room
        self._nick = nick or ""
        self._technique, self._ask_name = technique, ask_name
        self._failure = Static("", id="picker-failure", markup=False)
        self._described_for = 0  # cells

    def compose(self) -> ComposeResult:
        self._described_for = max(MIN_WIDTH, min(self.app.size.width, WIDEST) - BESIDE)
        with Vertical(id="picker"):
            yield Static(
                Content.assemble(
                    ("chat", "bold $accent"), (f"  {translate('one room, many techniques')}", "$quiet")
                )
            )
            yield Static(translate("Technique"), classes="label")
            yield Techniques(
                *(
                    Option(
                        self._describe(label, self._described_for),
                        id=label.name,
                        disabled=bool(self._missing[label.name]),
                    )
                    for label in self._techniques
                ),
                id="picker-techniques",
                compact=True,
            )
            with Horizontal(classes="field"):
                yield Static(translate("Room"), classes="label")
                yield Field(self._room, id="picker-room", compact=True)
            with Horizontal(classes="field"):
                yield Static(translate("Name"), classes="label")
                hint = translate("write your name here") if self._ask_name else translate("your login name")
                yield Field(self._nick, placeholder=hint, id="picker-nick", compact=True)
            yield self._failure
            yield Static(
                translate("Enter joins · Tab next · Up/Down choose · Ctrl+Q leaves"), id="picker-keys"
            )

    def _describe(self, label: Technique, width: int) -> Content:
        """Return the technique's name and summary for this width, and what it lacks here."""
        name = max(len(other.name) for other in self._techniques) + 2
        title = max(len(translate(other.title)) for other in self._techniques) + 2
        left = [(label.name.ljust(name), "bold")]
        if width > 90:
            left.append((translate(label.title).ljust(title), ""))
        pieces = [
            *left,
            (hang(translate(label.summary), width, sum(len(text) for text, _ in left)), "$quiet"),
        ]
        if missing := self._missing[label.name]:
            needs = "; ".join(translate(f"{need.what} is missing, {need.install}") for need in missing)
            pieces.append((f"\n{'':{name}}{hang(f'✖ {needs}', width, name)}", "$warning"))
        return Content.assemble(*pieces)

    def on_resize(self) -> None:
        options = self.query_one(OptionList)
        width = options.size.width - 1  # the scroll bar may come
        if width < MIN_WIDTH or width == self._described_for:
            return
        self._described_for = width
        for number, label in enumerate(self._techniques):
            options.replace_option_prompt_at_index(number, self._describe(label, width))
        options.refresh(layout=True)

    def on_mount(self) -> None:
        able = [number for number, label in enumerate(self._techniques) if not self._missing[label.name]]
        techniques = self.query_one(OptionList)
        wanted = [number for number in able if self._techniques[number].name == self._technique]
        techniques.highlighted = next(iter(wanted + able), None)
        (self.query_one("#picker-nick", Input) if self._ask_name else techniques).focus()

    def fail(self, text: str) -> None:
        """Show why the user cannot join."""
        self._failure.update(Content(f"✖ {translate(text)}"))
        self.app.post_message(Answered())

    def on_input_submitted(self) -> None:
        self.join()

    def on_techniques_entered(self) -> None:
        self.join()

    def join(self) -> None:
        """Post `Chosen`, or show what is wrong, when every field has taken what was typed into it."""
        fields = [self.query_one(OptionList), *self.query(Input)]

        def next_one() -> None:
            if fields:
                fields.pop().call_later(next_one)
            else:
                self.call_later(self._join)

        next_one()

    def _join(self) -> None:
        number = self.query_one(OptionList).highlighted
        if number is None:
            self.fail("no technique is chosen, or none can run here: chat doctor says why")
            return
        field = self.query_one("#picker-room", Input)
        try:
            room = clean_room(field.value.strip())
            field = self.query_one("#picker-nick", Input)
            nick = clean_nick(field.value.strip()) if field.value.strip() or self._ask_name else ""
        except BadName as error:
            field.focus()
            self.fail(str(error))
            return
        self.post_message(self.Chosen(self, self._techniques[number].name, room, nick or None))
