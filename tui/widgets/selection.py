"""Mouse selection: highlights it, and finds its text without columns and line breaks."""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment
from rich.style import Style
from textual.selection import Selection
from textual.strip import Strip

from tui.rows import Look, Row, lay_out
from tui.widgets.row_lines import RowLines


def highlight(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """Return a line with ``style`` from cell ``start`` to ``end``; -1: to its end."""
    length = strip.cell_length
    end = length if end == -1 else min(end, length)
    if start >= end:
        return strip
    before, chosen, after = strip.crop(0, start), strip.crop(start, end), strip.crop(end, length)
    chosen = Strip([Segment(text, (own or Style()) + style) for text, own, _ in chosen])
    return Strip.join([before, chosen, after])


def selected_text(strip: Strip, row: Row, look: Look, line: int, start: int, end: int) -> str:
    """Return the text of a selected part of one line.

    Args:
        strip: the line as it is drawn.
        row: the row that it belongs to.
        look: how the row is laid out.
        line: the line's index in the row; below 0 for the day above the row.
        start: the first selected cell.
        end: the cell after the last selected one; -1: the end of the line.
    """
    end = strip.cell_length if end == -1 else end
    if line < 0 or row.kind == "rule":
        return strip.crop(start, end).text.strip("─ ")
    left, body = look.left, look.left + look.body
    text = strip.crop(max(start, left), max(min(end, body), start, left)).text.rstrip()
    if line == 0 and start < left:  # time and nick
        text = " ".join([*strip.crop(start, min(end, left)).text.split(), text])
    return text


def selected_rows(selection: Selection, lines: RowLines, drawn: Callable[[int], list[Strip]]) -> str:
    """Return the selected text of several rows.

    Args:
        selection: what is selected.
        lines: the rows.
        drawn: returns the strips of a row.
    """
    first = selection.start.y if selection.start else 0
    last = min(selection.end.y if selection.end else lines.total - 1, lines.total - 1)
    pieces: list[str] = []
    for line in range(first, last + 1):
        at, span = lines.at(line), selection.get_span(line)
        if at is None or span is None:
            continue
        index, row = at[0], lines.rows[at[0]]
        number = at[1] - lines.names_day(index)
        if pieces:
            pieces.append(separator(row, lines.look, number))
        pieces.append(selected_text(drawn(index)[at[1]], row, lines.look, number, *span))
    return "".join(pieces)


def separator(row: Row, look: Look, line: int) -> str:
    """Return what stands before a line in the copied text: nothing, a space or a newline."""
    if line <= 0:
        return "\n"
    layout = lay_out(row, look)
    start = layout.lines[line][0]
    if start == layout.lines[line - 1][1]:
        return " " if layout.text[start - 1 : start] == " " else ""
    return "\n"
