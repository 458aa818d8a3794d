"""The line that says what the keys do now: while writing, and for the message that was chosen to be read."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from chat.language import N_
from chat.language.translation import translate
from tui.commands import TABLE, key_name
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


def reading(row: Row) -> Keys:
    """Return the keys that do something with a message."""
    keys = [("↑↓", N_("choose")), ("Esc", N_("write"))]
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

    def show(self, row: Row | None) -> None:
        """Show the keys for a chosen message; None: those for writing."""
        mode, keys = ("", writing()) if row is None else (N_("READING"), reading(row))
        if (mode, keys) != (self._mode, self._keys):
            self._mode, self._keys = mode, keys
            self.refresh()

    def render(self) -> Content:
        mode = f" {translate(self._mode)} " if self._mode else ""
        parts, used = [(mode, "bold $accent")], len(mode)
        for key, what in self._keys:
            does = translate(what)
            used += cell_len(f" {key} {does} ")
            if used > self.size.width:
                break
            parts += [(f" {key} ", "bold $foreground"), (f"{does} ", "")]
        return Content.assemble(*parts)
