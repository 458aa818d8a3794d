"""The line that says what the keys do now: while writing, and for the message that was chosen to be read."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from tui.rows import Row

Keys = tuple[tuple[str, str], ...]

WRITING: Keys = (
    ("Enter", "send"),
    ("Tab", "complete"),
    ("Ctrl+Up", "read"),
    ("F2", "wire"),
    ("F1", "help"),
    ("Ctrl+F", "find"),
    ("Ctrl+P", "commands"),
    ("Ctrl+Q", "leave"),
)
"""While this user writes; the last ones are left out first."""


def reading(row: Row) -> Keys:
    """Return the keys that do something with a message."""
    keys = [("↑↓", "choose"), ("Esc", "write")]
    if row.said and row.mark in ("failed", "unconfirmed"):
        keys.append(("R", "send again"))
    if row.id and not row.deleted:
        keys += [("r", "reply"), ("c", "copy")]
        keys += [("e", "edit"), ("d", "delete")] if row.own else []
        keys += [("i", "wire"), ("Y", "as a command")]
    return (*keys, ("m M", "mentions"), ("u", "new"), ("g G", "ends"))


class KeyLine(Widget):
    """Shows as many keys as fit."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._keys = WRITING
        self._mode = ""

    def show(self, row: Row | None) -> None:
        """Show the keys for a chosen message; None: those for writing."""
        mode, keys = ("", WRITING) if row is None else ("READING", reading(row))
        if (mode, keys) != (self._mode, self._keys):
            self._mode, self._keys = mode, keys
            self.refresh()

    def render(self) -> Content:
        mode = f" {self._mode} " if self._mode else ""
        parts, used = [(mode, "bold $accent")], len(mode)
        for key, does in self._keys:
            used += cell_len(f" {key} {does} ")
            if used > self.size.width:
                break
            parts += [(f" {key} ", "bold $foreground"), (f"{does} ", "")]
        return Content.assemble(*parts)
