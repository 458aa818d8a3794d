"""Completion of /commands, names, @names, #rooms and :emoji: finds candidates and shows them in a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from chat.language.translation import translate
from tui.commands import TABLE, in_words
from tui.emoji import like
from tui.rows import fit

ROWS = 8
EMOJI_LETTERS = 2
"""How many letters must follow a colon, so that ``:)`` and ``::`` offer nothing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible completion."""

    word: str
    """Replaces the word before the cursor."""
    usage: str = ""
    note: str = ""


def last_word(before: str) -> str:
    """Return the word that ends at the cursor; ``before``: the text before the cursor."""
    return before.rpartition("\n")[2].rpartition(" ")[2]


def candidates(
    before: str, nicks: Iterable[str], rooms: Iterable[str] = (), *, asked: bool = False
) -> list[Candidate]:
    """Return the completions of the last word, best first.

    Args:
        before: the text before the cursor.
        nicks: names that can be completed.
        rooms: names of rooms, without ``#``.
        asked: the user pressed Tab: complete names without ``@`` too. Any word could be the start of one.
    """
    word = last_word(before)
    if before.startswith("/") and not before.startswith("//"):
        if before == word:
            return [
                Candidate(f"/{command.name}", in_words(command.usage), translate(command.summary))
                for command in TABLE.values()
                if f"/{command.name}".startswith(word)
            ]
        command = TABLE.get(before[1:].partition(" ")[0])
        if command is not None and command.values and before.count(" ") == 1:
            return [Candidate(value) for value in command.values if value.startswith(word)]
    if word.startswith(":") and len(word) > EMOJI_LETTERS:
        return [Candidate(emoji, f":{name.rstrip(':')}:") for name, emoji in like(word[1:].rstrip(":"), ROWS)]
    if word.startswith("#"):
        return [Candidate(f"#{room}") for room in sorted(rooms) if room.startswith(word[1:])]
    sign = "@" if word.startswith("@") else ""
    start = word[len(sign) :].casefold()
    if not (sign or (asked and start)):
        return []
    names = sorted({nick for nick in nicks if nick.casefold().startswith(start)}, key=str.casefold)
    return [Candidate(sign + name) for name in names]


class Completion(OptionList, can_focus=False):
    """The list above the composer. The composer keeps the focus and calls `move`."""

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
        """Show these candidates; close the list if there are none."""
        if offered == self.offered:
            return
        self.offered = offered
        self.clear_options()
        wide = max((cell_len(f"{candidate.word} {candidate.usage}") for candidate in offered), default=0)
        # Names come from other people: a Content is never parsed as markup.
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
            # The list covers the last messages and ends where the composer begins.
            self.styles.height = height = min(ROWS, len(offered))
            self.styles.offset = (1, -height)

    def move(self, step: int) -> None:
        """Highlight the next candidate (1) or the one before (-1)."""
        if step < 0:
            self.action_cursor_up()
        else:
            self.action_cursor_down()
