"""The first screen where nothing was chosen: technique, room, name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from chat.model import BadName
from chat.ports import Technique
from chat.text import clean_nick, clean_room


class PickerScreen(Screen[None]):
    """Shows every technique's label; posts what was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "join", "Join", priority=True)]

    @dataclass
    class Chosen(Message):
        picker: PickerScreen
        technique: str
        room: str
        nick: str | None

    def __init__(self, techniques: Sequence[Technique], *, room: str, nick: str | None) -> None:
        super().__init__()
        self._techniques = techniques
        self._missing = {label.name: label.missing() for label in techniques}
        self._room = room
        self._nick = nick or ""
        self._failure = Static("", id="picker-failure", markup=False)

    def compose(self) -> ComposeResult:
        with Vertical(id="picker"):
            yield Static(
                Content.assemble(("chat", "bold $accent"), ("  one room, many techniques", "$quiet"))
            )
            yield Static("Technique", classes="label")
            yield OptionList(*map(self._option, self._techniques), id="picker-techniques", compact=True)
            with Horizontal(classes="field"):
                yield Static("Room", classes="label")
                yield Input(self._room, id="picker-room", compact=True)
            with Horizontal(classes="field"):
                yield Static("Name", classes="label")
                yield Input(self._nick, placeholder="your login name", id="picker-nick", compact=True)
            yield self._failure
            yield Static("Enter joins · Tab goes on · Up and Down choose · Ctrl+Q leaves", id="picker-keys")

    def _option(self, label: Technique) -> Option:
        missing = self._missing[label.name]
        wide = max(len(other.name) for other in self._techniques)
        title = max(len(other.title) for other in self._techniques)
        pieces: list[tuple[str, str]] = [
            (f"{label.name:<{wide}}  ", "bold"),
            (f"{label.title:<{title}}  ", ""),
            (label.summary, "$quiet"),
        ]
        if missing:
            needs = ", ".join(need.what for need in missing)
            how = "; ".join(need.install for need in missing)
            pieces.append((f"\n{'':<{wide}}  ✖ cannot run here: {needs} is missing. {how}", "$warning"))
        return Option(Content.assemble(*pieces), id=label.name, disabled=bool(missing))

    def on_mount(self) -> None:
        able = [number for number, label in enumerate(self._techniques) if not self._missing[label.name]]
        techniques = self.query_one(OptionList)
        techniques.highlighted = able[0] if able else None
        techniques.focus()

    def fail(self, text: str) -> None:
        """Say why nobody can join like this."""
        self._failure.update(Content(f"✖ {text}"))

    def action_join(self) -> None:
        number = self.query_one(OptionList).highlighted
        if number is None:
            self.fail("no technique is chosen, or none can run here: chat doctor says why")
            return
        nick = self.query_one("#picker-nick", Input).value.strip()
        try:
            room = clean_room(self.query_one("#picker-room", Input).value.strip())
            nick = clean_nick(nick) if nick else nick
        except BadName as error:
            self.fail(str(error))
            return
        self.post_message(self.Chosen(self, self._techniques[number].name, room, nick or None))
