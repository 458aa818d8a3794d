"""Emoji whose width terminals disagree about, drawn so that the rest of the row stands where it should.

Measured: tmux 3.3a takes ❤️ and 1️⃣ for one cell and 👍🏽 for four, Textual (with Rich 15) each for two. So a
variation selector or a skin tone is not drawn, and the cells that are then missing are filled with blanks.
xterm.js with Unicode 11, as textual-serve has it, does not join emoji: a woman, a joiner and a computer
take four cells. So there only the first emoji is drawn. Messages keep every character, and copies have them.
"""

from __future__ import annotations

import re

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

SELECTOR = "\ufe0f"
TONES = "\U0001f3fb-\U0001f3ff"
_DOUBTFUL = re.compile(f"[{SELECTOR}{TONES}]")
# A character, what changes its look, and with joiners further ones.
_CLUSTER = re.compile(
    f"[^{SELECTOR}{TONES}\u200d](?:[{SELECTOR}{TONES}\u20e3]|\u200d[^{SELECTOR}{TONES}\u200d])+"
)


def steady(text: str, *, joins: bool = True) -> str:
    """Return a text that takes as many cells as this one, on every terminal the same.

    Args:
        text: what is to be drawn.
        joins: whether the terminal joins emoji with a zero-width joiner between them to one.
    """
    if not _DOUBTFUL.search(text) and (joins or "\u200d" not in text):
        return text

    def drawn(match: re.Match[str]) -> str:
        cluster = match[0]
        bare = _DOUBTFUL.sub("", cluster if joins else cluster.partition("\u200d")[0])
        blanks = cell_len(cluster) - cell_len(bare)
        return bare + " " * blanks if blanks >= 0 else cluster

    return _CLUSTER.sub(drawn, text)


class SteadyWidths(LineFilter):
    """Applies `steady` to everything that is drawn."""

    def __init__(self, *, joins: bool) -> None:
        super().__init__()
        self._joins = joins

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or segment.text.isascii()
            else segment._replace(text=steady(segment.text, joins=self._joins))
            for segment in segments
        ]
