"""Completion of /commands, names and @names: what fits, and the list that offers it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.commands import TABLE
from tui.rows import fit

ROWS = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    word: str
    """What takes the place of the word before the cursor."""
    usage: str = ""
    note: str = ""


def last_word(before: str) -> str:
    """Return the word that the cursor stands behind."""
    return before.rpartition("\n")[2].rpartition(" ")[2]


def candidates(before: str, nicks: Iterable[str], *, asked: bool = False) -> list[Candidate]:
    """Return what may stand in place of the last word of ``before``, best first.

    Plain names are completed only when ``asked``: every word could be the beginning of one.
    """
    word = last_word(before)
    if before.startswith("/") and not before.startswith("//"):
        if before == word:
            return [
                Candidate(f"/{command.name}", command.usage, command.summary)
                for command in TABLE.values()
                if f"/{command.name}".startswith(word)
            ]
        command = TABLE.get(before[1:].partition(" ")[0])
        if command is not None and command.values and before.count(" ") == 1:
            return [Candidate(value) for value in command.values if value.startswith(word)]
    sign = "@" if word.startswith("@") else ""
    start = word[len(sign) :].casefold()
    if not (sign or (asked and start)):
        return []
    names = sorted({nick for nick in nicks if nick.casefold().startswith(start)}, key=str.casefold)
    return [Candidate(sign + name) for name in names]


class Completion(OptionList, can_focus=False):
    """A list above the composer; the keys stay with the composer."""

    def __init__(self) -> None:
        super().__init__(id="completion", compact=True)
        self.offered: list[Candidate] = []

    @property
    def open(self) -> bool:
        return bool(self.offered)

    @property
    def chosen(self) -> Candidate | None:
        if self.open and self.highlighted is not None:
            return self.offered[self.highlighted]
        return None

    def offer(self, offered: list[Candidate]) -> None:
        """Show the candidates; none: close."""
        if offered == self.offered:
            return
        self.offered = offered
        self.clear_options()
        wide = max((cell_len(f"{candidate.word} {candidate.usage}") for candidate in offered), default=0)
        # Names come from others: a Content is never read as markup.
        self.add_options(
            Option(
                Content.assemble(
                    (f" {candidate.word} ", "bold"),
                    (fit(candidate.usage, wide - cell_len(candidate.word)), "$quiet"),
                    (f" {candidate.note} ", ""),
                )
            )
            for candidate in offered
        )
        self.set_class(bool(offered), "-open")
        if offered:
            self.highlighted = 0
            # It lies over the messages and ends where the composer begins.
            self.styles.height = height = min(ROWS, len(offered))
            self.styles.offset = (1, -height)

    def move(self, step: int) -> None:
        if step < 0:
            self.action_cursor_up()
        else:
            self.action_cursor_down()
