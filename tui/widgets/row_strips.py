"""Drawing rows: turns a row and its layout into the strips that Textual paints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.rows import Layout, Look, Row, fit, fit_name, lay_out
from tui.themes import NICKS

URL = re.compile(r"https?://[^\s<>\"'\])}]+[^\s<>\"'\])}.,;:!?]")
MAX_LINK = 2000
"""The most characters of an address that a terminal is given as a link."""
CURSOR = "►"
MARKS = {"": " ", "pending": " ", "failed": "✖", "unconfirmed": "?"}
STYLES = (
    "time",
    "notice",
    "badge",
    "took",
    "pending",
    "failed",
    "unconfirmed",
    "edited",
    "deleted",
    "receipt",
    "mention",
    "found",
    "selected",
    "cursor",
    "day",
    "rule",
    *(f"nick-{number}" for number in range(NICKS)),
)


def style_of(view: Widget, name: str) -> Style:
    """Return a list's style with a name of `STYLES`, or its own for ""."""
    if not name:
        return view.rich_style
    # The visual style is blended with its background; the rich component style is not.
    style = view.get_visual_style(f"message--{name}").rich_style
    if name in ("mention", "cursor"):
        return Style(bgcolor=style.bgcolor)
    if name in ("found", "selected"):
        return style
    return Style(color=style.color, bold=style.bold, italic=style.italic, underline=style.underline)


def draw_day(day: str, look: Look, style: Callable[[str], Style]) -> Strip:
    """Return the line that names a day."""
    return _rule(day, look.width, style("") + style("day"))


def draw(
    row: Row, look: Look, style: Callable[[str], Style], found: str = "", *, chosen: bool = False
) -> list[Strip]:
    """Return the strips of a row.

    Args:
        row: what to draw.
        look: the columns; each strip is ``look.width`` cells wide.
        style: returns the style with a name of `STYLES`, or the list's own for "".
        found: a text to highlight.
        chosen: the cursor is on the row.
    """
    if row.kind == "rule":
        return [_rule(row.text, look.width, style("") + style("rule"))]
    layout = lay_out(row, look)
    base = style("")
    if row.mention:
        base += style("mention")
    if chosen:
        base += style("cursor")
    spans = list(_spans(row, layout, style, found))
    blank_left = Segment(" " * look.left, base)
    strips = []
    for number, (start, end) in enumerate(layout.lines):
        last = number == len(layout.lines) - 1
        segments = list(_first_columns(row, look, base, style, chosen)) if number == 0 else [blank_left]
        segments += _pieces(layout.text, start, end, base, spans)
        if last and layout.tail:
            tail = style("took") if row.took is not None or row.seen else style("pending")
            strip = Strip(segments).adjust_cell_length(look.left + look.body - len(layout.tail), base)
            segments = [*strip, Segment(layout.tail, base + tail)]
        strip = Strip(segments).adjust_cell_length(look.left + look.body, base)
        if number == 0 and look.right and row.kind == "message":
            badge = fit(row.technique, look.badge)
            strip = Strip([*strip, Segment("  ", base), Segment(badge, base + style("badge"))])
        strips.append(strip.adjust_cell_length(look.width, base))
    return strips


def _first_columns(
    row: Row, look: Look, base: Style, style: Callable[[str], Style], chosen: bool
) -> Iterator[Segment]:
    if chosen:
        yield Segment(CURSOR, base + style("rule"))
    elif row.mention:
        yield Segment("▌", base + style("rule"))
    else:
        yield Segment(MARKS[row.mark], base + style(row.mark))
    if look.bare:
        return
    clock = f"#{row.id}" if look.ids and row.id else row.clock
    yield Segment(fit(clock, look.clock) + " ", base + style("time"))
    nick = style("notice") if row.kind == "notice" else style(f"nick-{row.colour}")
    if row.mark == "pending":
        nick = style("pending")
    yield Segment(fit_name(row.nick, look.nick, right=True), base + nick)
    yield Segment(" ", base)


def _spans(
    row: Row, layout: Layout, style: Callable[[str], Style], found: str
) -> Iterator[tuple[int, int, Style]]:
    text = layout.text
    if row.kind == "notice":
        yield 0, len(text), style("failed" if row.mark == "failed" else "notice")
    elif row.mark:
        yield 0, len(text), style("pending" if row.mark == "pending" else "notice")
    for match in URL.finditer(text):
        yield match.start(), match.end(), Style(underline=True, link=safe_link(match[0]))
    for start, end, part in layout.parts:
        name = (row.mark or "notice") if part == "reason" else part
        yield start, end, style(name)
    if found:
        for match in re.finditer(re.escape(found), text, re.IGNORECASE):
            yield match.start(), match.end(), style("found")


def safe_link(url: str) -> str | None:
    """Return what a terminal may open (OSC 8); None: this is shown and underlined only.

    The text may be anybody's. An address of printable ASCII without spaces can't end the sequence, nor look
    like another address. Terminals take 2,083 bytes (VTE) at most.
    """
    return url if url.isascii() and url.isprintable() and len(url) <= MAX_LINK else None


def _pieces(
    text: str, start: int, end: int, base: Style, spans: list[tuple[int, int, Style]]
) -> Iterator[Segment]:
    """Yield a line in pieces: it is cut where a span begins or ends."""
    end = start + len(text[start:end].rstrip(" "))
    cuts = {start, end}
    for first, last, _ in spans:
        cuts.update(cut for cut in (first, last) if start < cut < end)
    places = sorted(cuts)
    for here, there in pairwise(places):
        style = base
        for first, last, piece in spans:
            if first <= here and there <= last:
                style += piece
        yield Segment(text[here:there], style)


def _rule(label: str, width: int, style: Style) -> Strip:
    label = fit(label, min(width - 6, len(label) * 2)).rstrip() if width > 8 else label
    strip = Strip([Segment(f" {label} ", style)])
    left = max(0, (width - strip.cell_length) // 2)
    return Strip([Segment("─" * left, style), *strip, Segment("─" * width, style)]).crop(0, width)
