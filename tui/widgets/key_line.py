"""The line that says what the keys do now: while writing, and for the message that was chosen to be read."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from chat.language import N_
from chat.language.translation import translate
from tui.commands import TABLE, in_words, key_name
from tui.rows import Row

Keys = tuple[tuple[str, str], ...]


def writing() -> Keys:
    """Return the keys while this user writes; the last ones are left out first."""
    of = {name: key_name(command.key) for name, command in TABLE.items()}
    keys = (
        ("Enter", N_("send")),
        ("Tab", N_("complete")),
        (of["read"], N_("read")),
        (of["wire"], N_("wire")),
        (of["help"], N_("help")),
        (of["find"], N_("find")),
        ("Ctrl+P", N_("commands")),
        (of["quit"], N_("leave")),
    )
    return tuple((key, does) for key, does in keys if key)


SEARCHING: Keys = (
    ("F3", N_("older")),
    ("Shift+F3", N_("newer")),
    ("Ctrl+Up", N_("read")),
    ("Esc", N_("end")),
    ("Enter", N_("send")),
)
"""While a text is marked."""


def reading(row: Row, *, searching: bool) -> Keys:
    """Return the keys that do something with a message."""
    keys = [("↑↓", N_("choose")), ("Esc", N_("write"))]
    keys += [("n N", N_("hits"))] if searching else []
    if row.said and row.mark in ("failed", "unconfirmed"):
        keys.append(("R", N_("send again")))
    if row.id and not row.deleted:
        keys += [("r", N_("reply")), ("c", N_("copy"))]
        keys += [("e", N_("edit")), ("d", N_("delete"))] if row.own else []
        keys += [("i", N_("wire")), ("Y", N_("as a command"))]
    return (*keys, ("m M", N_("mentions")), ("u", N_("new")), ("g G", N_("ends")))


class KeyLine(Widget):
    """Shows as many keys as fit."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._keys = writing()
        self._mode = ""

    def show(self, row: Row | None, *, searching: bool = False) -> None:
        """Show the keys for a chosen message; None: those for writing."""
        if row is not None:
            mode, keys = N_("READING"), reading(row, searching=searching)
        else:
            mode, keys = (N_("SEARCH"), SEARCHING) if searching else ("", writing())
        if (mode, keys) != (self._mode, self._keys):
            self._mode, self._keys = mode, keys
            self.refresh()

    def render(self) -> Content:
        mode = f" {translate(self._mode)} " if self._mode else ""
        parts, used = [(mode, "bold $accent")], cell_len(mode)
        for key, does in ((in_words(key), translate(does)) for key, does in self._keys):
            used += cell_len(f" {key} {does} ")
            if used > self.size.width:
                break
            parts += [(f" {key} ", "bold $foreground"), (f"{does} ", "")]
        return Content.assemble(*parts)
