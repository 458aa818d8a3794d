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
MOST = 50
"""Names that are offered at once: a room may have thousands, and nobody goes through them."""
EMOJI_LETTERS = 2
"""How many letters must follow a colon, so that ``:)`` and ``::`` offer nothing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible completion."""

    word: str
    """Replaces the word before the cursor; "": it only says something, and can't be chosen."""
    usage: str = ""
    note: str = ""
    free: bool = False
    """Whether Enter takes it only if the user has gone to it: what is typed may be meant as it is."""


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
        if command is not None and before.count(" ") == 1:
            if command.values:
                return [Candidate(value) for value in command.values if value.startswith(word)]
            if command.names_room and not word.startswith("#"):
                return _rooms(rooms, word)
    if word.startswith(":") and len(word) > EMOJI_LETTERS:
        return [Candidate(emoji, f":{name.rstrip(':')}:") for name, emoji in like(word[1:].rstrip(":"), ROWS)]
    if word.startswith("#"):
        return _rooms(rooms, word[1:], "#")
    sign = "@" if word.startswith("@") else ""
    start = word[len(sign) :].casefold()
    if not (sign or (asked and start)):
        return []
    names = sorted({nick for nick in nicks if nick.casefold().startswith(start)}, key=str.casefold)
    return _first([Candidate(sign + name) for name in names[:MOST]], len(names))


def _rooms(rooms: Iterable[str], start: str, sign: str = "") -> list[Candidate]:
    names = sorted(room for room in rooms if room.startswith(start))
    return _first([Candidate(sign + name, free=True) for name in names[:MOST]], len(names))


def _first(offered: list[Candidate], count: int) -> list[Candidate]:
    """Return them, and how many more there are."""
    more = count - len(offered)
    return [*offered, Candidate("", note=translate(f"{more} more: type on"))] if more else offered


class Completion(OptionList, can_focus=False):
    """The list above the composer. The composer keeps the focus and calls `move`."""

    def __init__(self) -> None:
        super().__init__(id="completion", compact=True)
        self.offered: list[Candidate] = []
        self.moved = False
        """Whether the user has gone to another candidate than the first."""

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
        self.offered, self.moved = offered, False
        self.clear_options()
        wide = max((cell_len(f"{candidate.word} {candidate.usage}") for candidate in offered), default=0)
        # Names come from other people: a Content is never parsed as markup.
        self.add_options(
            Option(
                Content.assemble(
                    (f" {candidate.word} ", "bold"),
                    (fit(candidate.usage, wide - cell_len(candidate.word)), "$quiet"),
                    (f" {candidate.note} ", ""),
                ),
                disabled=not candidate.word,
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
        self.moved = True
        if step < 0:
            self.action_cursor_up()
        else:
            self.action_cursor_down()
