"""What a terminal shows after what was written to it: the sequences that the chat writes, and no others.

A sequence that is not known is an error, so that a picture is never quietly wrong.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from rich.cells import cell_len

TOKEN = re.compile(
    r"\x1b\[(?P<parameters>[0-9:;<=>?]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)"
)
UNSEEN = re.compile(r"[<=>?][0-9;]*[hlupq]|[0-9;]*t")
"""Modes, questions and window operations: nothing of them is drawn."""
BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?)?\Z")
"""The beginning of a sequence whose end comes later."""
ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike"}
OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",), 29: ("strike",)}


class Style(NamedTuple):
    """How a cell looks; a colour is ``#rrggbb``, or empty for the terminal's own."""

    fg: str = ""
    bg: str = ""
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False
    strike: bool = False


class Cell(NamedTuple):
    """One cell; the second one of a wide character has no text."""

    text: str = " "
    style: Style = Style()


Row = tuple[Cell, ...]


class Screen:
    """A terminal without its window."""

    def __init__(self, cols: int, rows: int) -> None:
        self.cols, self.rows = cols, rows
        self._x = self._y = 0
        self._style = Style()
        self._begun = ""
        self._cells = self._empty()
        self._behind = self._cells, 0, 0  # the usual screen, and where the cursor was, behind the other one

    def _empty(self) -> list[list[Cell]]:
        return [[Cell()] * self.cols for _ in range(self.rows)]

    @property
    def picture(self) -> tuple[Row, ...]:
        """What is shown, line by line."""
        return tuple(tuple(row) for row in self._cells)

    @property
    def lines(self) -> list[str]:
        """What is shown as text, without blanks at the ends of lines."""
        return ["".join(cell.text for cell in row).rstrip() for row in self._cells]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)

    def resize(self, cols: int, rows: int) -> None:
        """Have another size; who draws draws everything anew then."""
        self.cols, self.rows = cols, rows
        self._cells = self._empty()
        self._x = self._y = 0

    def write(self, text: str) -> None:
        """Take what a program has written; a sequence may go on in the next text. Raises ValueError."""
        text = self._begun + text
        at = 0
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                break
            self._take(found)
            at = found.end()
        self._begun = text[at:]
        if self._begun and not BEGUN.match(self._begun):
            raise ValueError(f"a sequence that is not known: {self._begun[:20]!r}")

    def _take(self, found: re.Match[str]) -> None:
        if found["text"] is not None:
            for character in found["text"]:
                self._put(character)
        elif found["control"] is not None:
            self._control(found["control"])
        elif found["final"] == "m" and not found["parameters"].startswith(("<", "=", ">", "?")):
            self._look(found["parameters"])
        elif found["final"] is not None:
            self._sequence(found["parameters"] + found["between"] + found["final"])

    def _put(self, character: str) -> None:
        width, row = cell_len(character), self._cells[self._y]
        if width == 0:
            before = max(at for at in range(max(1, self._x)) if row[at].text)
            row[before] = row[before]._replace(text=row[before].text + character)
            return
        self._x = min(self._x, self.cols - width)  # there is no wrap: the chat switches it off
        row[self._x : self._x + width] = [
            Cell(character, self._style),
            *[Cell("", self._style)] * (width - 1),
        ]
        self._x += width

    def _control(self, control: str) -> None:
        if control == "\r":
            self._x = 0
        elif control == "\n":
            self._y += 1
            if self._y == self.rows:
                self._y -= 1
                self._cells = [*self._cells[1:], [Cell()] * self.cols]
        elif control != "\a":
            raise ValueError(f"a control character that is not known: {control!r}")

    def _sequence(self, sequence: str) -> None:
        if place := re.fullmatch(r"(\d*)(?:;(\d*))?H", sequence):
            self._y = min(self.rows, int(place[1] or 1)) - 1
            self._x = min(self.cols, int(place[2] or 1)) - 1
        elif sequence == "J":
            self._cells[self._y][self._x :] = [Cell()] * (self.cols - self._x)
            self._cells[self._y + 1 :] = self._empty()[self._y + 1 :]
        elif sequence == "?1049h":
            self._behind = self._cells, self._x, self._y
            self._cells = self._empty()
        elif sequence == "?1049l":
            self._cells, self._x, self._y = self._behind
        elif not UNSEEN.fullmatch(sequence.replace("$", "")):
            raise ValueError(f"a sequence that is not known: {sequence!r}")

    def _look(self, parameters: str) -> None:
        """Take SGR: colours and attributes (ECMA-48, 8.3.117)."""
        codes = [int(code or 0) for code in parameters.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self._style = Style()
            elif code in ON:
                self._change(ON[code], True)
            elif code in OFF:
                for name in OFF[code]:
                    self._change(name, False)
            elif code in (38, 48) and codes[0] == 2 and len(codes) >= 4:
                _, red, green, blue, *codes = codes
                self._change("fg" if code == 38 else "bg", f"#{red:02x}{green:02x}{blue:02x}")
            elif code in (39, 49):
                self._change("fg" if code == 39 else "bg", "")
            else:
                raise ValueError(f"a colour or attribute that is not known: {parameters!r}")

    def _change(self, name: str, value: Any) -> None:
        self._style = self._style._replace(**{name: value})
