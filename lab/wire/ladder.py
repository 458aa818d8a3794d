"""The ladder: a space-time diagram of what passed, a column for each party and an arrow for each frame.

The tap stands between client and server, so a time is when it saw the frame. Logical times are Lamport's
(1978): a party counts its steps, and a frame carries its sender's number to the receiver.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from chat.interfaces.frames import Direction, Frame
from chat.transport.decoding.text import one_line
from lab.wire.capture import Connection
from lab.wire.table import Table

LINES = 40
"""The newest arrows that are drawn."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One frame, or several empty polls."""

    at: float
    """When its first byte passed: seconds after the first arrow."""
    source: int
    """Index of a party."""
    target: int
    label: str
    role: str
    sent: int
    """The source's logical time when it sent."""
    got: int
    """The target's logical time when it had received."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """A diagram that is not drawn yet."""

    parties: tuple[str, ...]
    """The server is the last one."""
    arrows: tuple[Arrow, ...]


def ladder(
    frames: Iterable[Frame],
    connections: Mapping[int, Connection],
    server: str = "server",
    *,
    count: int = LINES,
    control: bool = False,
) -> Ladder:
    """Return the diagram of frames.

    Args:
        frames: in their order.
        connections: of the frames, by number.
        server: what the server is called: a broker is one, too.
        count: the newest arrows that are drawn.
        control: draw control frames.
    """
    table = Table()
    table.control = control
    table.add(frame for frame in frames if frame.data)
    rows = table.rows[-count:]
    names = _names(frame for row in table.rows for frame in row.frames)
    parties: list[str] = []
    for row in rows:
        name = _party(row.frame, names, connections)
        if name not in parties:
            parties.append(name)
    clocks = dict.fromkeys((*parties, server), 0)
    arrows = []
    start = rows[0].frames[0].began if rows else 0.0
    for row in rows:
        frame = row.frames[0]
        client = _party(frame, names, connections)
        source, target = (client, server) if frame.direction is Direction.UP else (server, client)
        clocks[source] += 1
        clocks[target] = max(clocks[target], clocks[source]) + 1
        places = [*parties, server]
        arrows.append(
            Arrow(
                frame.began - start,
                places.index(source) if source is not server else len(parties),
                places.index(target) if target is not server else len(parties),
                _label(row.frames),
                frame.role,
                clocks[source],
                clocks[target],
            )
        )
    return Ladder((*parties, server), tuple(arrows))


def _names(frames: Iterable[Frame]) -> dict[int, str]:
    """Return the nicks that the connections' own frames tell, by connection."""
    names: dict[int, str] = {}
    for frame in frames:
        if frame.direction is Direction.UP and frame.call is not None and frame.connection not in names:
            for field in frame.call.fields:
                if field.name in ("nick", "author") and field.value:
                    names[frame.connection] = field.value.strip('"')
    return names


def _party(frame: Frame, names: Mapping[int, str], connections: Mapping[int, Connection]) -> str:
    if frame.connection in names:
        return names[frame.connection]
    connection = connections.get(frame.connection)
    return connection.client if connection else f"client {frame.connection}"


def _label(frames: Sequence[Frame]) -> str:
    size = sum(len(frame.data) for frame in frames)
    if len(frames) > 1:
        return f"{len(frames)} empty polls, {size:,} B"
    frame = frames[0]
    name = frame.call.name if frame.call is not None else frame.kind
    text = (
        f' "{one_line(frame.texts[0])}"'
        if len(frame.texts) == 1
        else f" ×{len(frame.texts)}"
        if frame.texts
        else ""
    )
    return f"{name}{text} {size:,} B"


# --- drawing -----------------------------------------------------------------------------------


def as_text(diagram: Ladder, width: int, *, logical: bool = False) -> list[str]:
    """Return the diagram as lines.

    Args:
        diagram: the diagram.
        width: columns.
        logical: show logical times at both ends of each arrow.
    """
    left = 10
    count = len(diagram.parties)
    step = max(8, (width - left - 4) // max(1, count - 1))
    places = [left + index * step for index in range(count)]
    lines = [_heads(diagram.parties, places, width), _posts(places, width)]
    for arrow in diagram.arrows:
        line = list(_posts(places, width))
        start, end = sorted((places[arrow.source], places[arrow.target]))
        line[start + 1 : end] = (
            "·" * (end - start - 1) if arrow.role == "control" else "─" * (end - start - 1)
        )
        if arrow.target > arrow.source:
            line[end - 1] = "▶"
        else:
            line[start + 1] = "◀"
        label = arrow.label
        if logical:
            ends = (arrow.sent, arrow.got) if arrow.target > arrow.source else (arrow.got, arrow.sent)
            label = f"{ends[0]} │ {label} │ {ends[1]}"
        room = end - start - 5
        label = f" {label if len(label) <= room else label[: max(0, room - 1)] + '…'} "
        if room > 1:
            line[start + 2 : start + 2 + len(label)] = label
        time = f"{arrow.at * 1000:8.1f}"
        line[: len(time)] = time
        lines.append("".join(line).rstrip())
    return lines


def _heads(parties: Sequence[str], places: Sequence[int], width: int) -> str:
    line = [" "] * (width + 40)
    for number, (name, place) in enumerate(zip(parties, places, strict=True)):
        space = (places[1] - places[0] if len(places) > 1 else 20) - 2
        shown = name if len(name) <= space else f"{name[: space - 1]}…"
        start = max(0, place - len(shown) + 1 if number == len(parties) - 1 else place)
        line[start : start + len(shown)] = shown
    line[:2] = "ms"
    return "".join(line)[:width].rstrip()


def _posts(places: Sequence[int], width: int) -> str:
    line = [" "] * max(width, places[-1] + 1)
    for place in places:
        line[place] = "│"
    return "".join(line)


def as_mermaid(diagram: Ladder, *, logical: bool = False) -> str:
    """Return the diagram in the language of Mermaid."""
    lines = ["sequenceDiagram"]
    lines += [f"    participant P{number} as {_plain(name)}" for number, name in enumerate(diagram.parties)]
    for arrow in diagram.arrows:
        arrow_sign = "-->>" if arrow.target < arrow.source else "->>"
        label = f"{arrow.sent} → {arrow.got}: {arrow.label}" if logical else arrow.label
        lines.append(f"    P{arrow.source}{arrow_sign}P{arrow.target}: {_plain(label)}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Return a text without what has a meaning in Mermaid."""
    return "".join(f"#{ord(one)};" if one in '#;<>"' else " " if one in "\r\n" else one for one in text)


def as_svg(diagram: Ladder, *, logical: bool = False) -> str:
    """Return the diagram as a picture that needs nothing from elsewhere."""
    gap, top, step = 300, 40, 26
    width = 120 + gap * (len(diagram.parties) - 1) + 60
    height = top + step * (len(diagram.arrows) + 1)
    places = [120 + gap * number for number in range(len(diagram.parties))]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">',
        "<style>text{font:13px monospace;fill:#222}line{stroke:#888}.a{stroke:#1a5fb4;stroke-width:1.5}"
        ".control{stroke-dasharray:3}@media(prefers-color-scheme:dark){text{fill:#ddd}.a{stroke:#78aeed}}</style>",
        '<defs><marker id="h" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0,0L8,4L0,8z" fill="#1a5fb4"/></marker></defs>',
    ]
    for name, place in zip(diagram.parties, places, strict=True):
        parts.append(f'<text x="{place}" y="18" text-anchor="middle">{escape(name)}</text>')
        parts.append(f'<line x1="{place}" y1="26" x2="{place}" y2="{height - 8}"/>')
    for number, arrow in enumerate(diagram.arrows):
        y = top + step * (number + 1) - 8
        start, end = places[arrow.source], places[arrow.target]
        kind = "a control" if arrow.role == "control" else "a"
        label = f"{arrow.sent} → {arrow.got}  {arrow.label}" if logical else arrow.label
        parts.append(f'<text x="4" y="{y + 4}">{arrow.at * 1000:.1f} ms</text>')
        parts.append(
            f'<line class="{kind}" x1="{start}" y1="{y}" x2="{end}" y2="{y}" marker-end="url(#h)"/>'
            f'<text x="{(start + end) / 2}" y="{y - 4}" text-anchor="middle">{escape(label)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])
