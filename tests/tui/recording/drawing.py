"""Draws a recording as an SVG that moves by itself: CSS only, without a script or a font from elsewhere.

Each line of the terminal is a strip of all that it ever shows, seen through a hole as high as one line. An
animation moves the strip. So what does not change costs nothing, and what comes again is drawn once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from xml.sax.saxutils import escape

from tests.tui.recording.asciicast import Recording
from tests.tui.recording.screen import Row, Screen, Style

TOGETHER = 100
"""Milliseconds: what comes within them is one picture."""
HOLD = 3000
"""Milliseconds for which the last picture stays."""
WIDTH, HEIGHT, BASELINE = 8.4, 17, 13
"""Pixels of a cell, and where the letters stand in it."""
EDGE, HEAD = 12, 40
"""Pixels around the terminal, and above it for the title."""
BACKGROUND, FOREGROUND = "#12161c", "#e4e8ee"
FONT = "Fira Code, Menlo, Consolas, DejaVu Sans Mono, monospace"


@dataclass(frozen=True, slots=True)
class Picture:
    """What is shown from a time on, in milliseconds."""

    at: int
    title: str
    rows: tuple[Row, ...]

    @property
    def empty(self) -> bool:
        return not any(cell.text.strip() for row in self.rows for cell in row)


def pictures(recording: Recording) -> list[Picture]:
    """Return what the terminal shows, one after the other; each differs from the one before.

    The time begins with the first chapter. An empty terminal, before and behind what there is to see, is left
    out.
    """
    screen = Screen(recording.cols, recording.rows)
    drawn: list[Picture] = []
    begun, title = 0, ""
    for event, after in zip(recording.events, [*recording.events[1:], None], strict=True):
        if event.code == "o":
            screen.write(event.data)
        elif event.code == "r":
            screen.resize(*map(int, event.data.split("x")))
        elif event.code == "m":
            title = event.data
        if after is None or after.at - begun >= TOGETHER or "m" in (event.code, after.code):
            picture = Picture(event.at, title, screen.picture)
            if not picture.empty and title and (not drawn or replace(drawn[-1], at=event.at) != picture):
                drawn.append(picture)
            begun = after.at if after else 0
    return [replace(picture, at=picture.at - drawn[0].at) for picture in drawn]


@dataclass
class Strip:
    """All that one place shows, and when."""

    name: str
    shown: list[str] = field(default_factory=list)
    """Ids of what it shows, each once."""
    stops: list[tuple[int, int]] = field(default_factory=list)
    """Times, and the index of what is shown from then on."""

    def show(self, at: int, what: str) -> None:
        if what not in self.shown:
            self.shown.append(what)
        index = self.shown.index(what)
        if not self.stops or self.stops[-1][1] != index:
            self.stops.append((at, index))

    def index_at(self, at: int) -> int:
        return [index for begin, index in self.stops if begin <= at][-1]

    def css(self, duration: int, still: int) -> Iterable[str]:
        if len(self.shown) > 1:
            steps = "".join(f"{100 * at / duration:.6g}%{{{_moved(index)}}}" for at, index in self.stops)
            yield f"@keyframes {self.name}{{{steps}}}"
            yield (
                f".{self.name}{{{_moved(self.index_at(still))};"
                f"animation:{self.name} {duration / 1000:g}s step-end infinite}}"
            )

    def svg(self, x: float, y: float, width: float) -> str:
        uses = "".join(
            f'<use href="#{what}" y="{index * HEIGHT}"/>' if index else f'<use href="#{what}"/>'
            for index, what in enumerate(self.shown)
        )
        return (
            f'<svg x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT}">'
            f'<g class="{self.name}">{uses}</g></svg>'
        )


def _moved(index: int) -> str:
    return f"transform:translateY({-index * HEIGHT}px)"


class Drawing:
    """The styles and the lines of a recording, each of them once."""

    def __init__(self) -> None:
        self._styles: dict[str, str] = {}
        self._ids: dict[Row | str, str] = {}
        self.defs: list[str] = []

    @property
    def css(self) -> list[str]:
        return [f".{name}{{{style}}}" for style, name in self._styles.items()]

    def line(self, row: Row) -> str:
        """Return the id of a line of the terminal."""
        return self._ids.get(row) or self._define(row, "".join(self._pieces(row)))

    def title(self, text: str) -> str:
        """Return the id of a title."""
        return self._ids.get(text) or self._define(
            text, f'<text class="title" y="{BASELINE}">{escape(text)}</text>' if text else ""
        )

    def _define(self, what: Row | str, drawn: str) -> str:
        self._ids[what] = name = f"l{len(self.defs)}"
        self.defs.append(f'<g id="{name}">{drawn}</g>')
        return name

    def _style(self, kind: str, style: str) -> str:
        return self._styles.setdefault(style, f"{kind}{len(self._styles)}")

    def _pieces(self, row: Row) -> Iterable[str]:
        x = 0
        for style, group in groupby(row, key=lambda cell: cell.style):
            cells = list(group)
            yield from self._piece(x, "".join(cell.text for cell in cells), len(cells), style)
            x += len(cells)

    def _piece(self, x: int, text: str, width: int, style: Style) -> Iterable[str]:
        fg, bg = style.fg or FOREGROUND, style.bg or BACKGROUND
        if style.reverse:
            fg, bg = bg, fg
        if bg != BACKGROUND:
            name = self._style("b", f"fill:{bg}")
            yield f'<rect class="{name}" x="{x * WIDTH:g}" width="{width * WIDTH:g}" height="{HEIGHT}"/>'
        if text.strip():
            before = len(text) - len(text.lstrip())
            width -= before + len(text) - len(text.rstrip())
            name = self._style("t", _letters(fg, style))
            yield (
                f'<text class="{name}" x="{(x + before) * WIDTH:g}" y="{BASELINE}" '
                f'textLength="{width * WIDTH:g}">{escape(text.strip()).replace(" ", "&#160;")}</text>'
            )


def _letters(fg: str, style: Style) -> str:
    parts = [f"fill:{fg}"]
    if style.bold:
        parts.append("font-weight:bold")
    if style.dim:
        parts.append("opacity:.6")
    if style.italic:
        parts.append("font-style:italic")
    if style.underline or style.strike:
        lines = ["underline"] * style.underline + ["line-through"] * style.strike
        parts.append(f"text-decoration:{' '.join(lines)}")
    return ";".join(parts)


def draw(recording: Recording, still: str) -> str:
    """Return the SVG.

    Args:
        recording: what it shows.
        still: a chapter; its last picture is all that is seen where nothing may move.
    """
    shown = pictures(recording)
    quiet = [picture.at for picture in shown if picture.title == still][-1]
    drawing = Drawing()
    title = Strip("k")
    strips = [Strip(f"k{number}") for number in range(recording.rows)]
    for picture in shown:
        title.show(picture.at, drawing.title(picture.title))
        for strip, row in zip(strips, picture.rows, strict=True):
            strip.show(picture.at, drawing.line(row))
    duration = shown[-1].at + HOLD
    return _document(recording, drawing, [title, *strips], duration, quiet)


def _document(
    recording: Recording, drawing: Drawing, strips: Sequence[Strip], duration: int, still: int
) -> str:
    inner = recording.cols * WIDTH
    width, height = inner + 2 * EDGE, recording.rows * HEIGHT + HEAD + EDGE
    css = [
        f"text{{font:14px {FONT};white-space:pre}}",
        f".title{{fill:{FOREGROUND};font-weight:bold}}",
        "rect{shape-rendering:crispEdges}",
        *drawing.css,
        *(rule for strip in strips for rule in strip.css(duration, still)),
        "@media(prefers-reduced-motion:reduce){g{animation:none!important}}",
    ]
    title, *rows = strips
    body = [
        title.svg(EDGE, (HEAD - HEIGHT) / 2, inner),
        *(strip.svg(EDGE, HEAD + number * HEIGHT, inner) for number, strip in enumerate(rows)),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}">',
            f"<style>\n{chr(10).join(css)}\n</style>",
            f"<defs>\n{chr(10).join(drawing.defs)}\n</defs>",
            f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{BACKGROUND}"/>',
            f'<path d="M0 {HEAD - 4}H{width:g}" stroke="#2a3140"/>',
            *body,
            "</svg>\n",
        ]
    )
