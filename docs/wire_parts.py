"""Generates what the pages say about the wire from the kept captures, with the decoders of today.

`make docs` writes it, and `make check` fails if a page and what a decoder says differ. `make captures`
records the captures anew.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import replace

import backends
from chat.interfaces.frames import Direction, Frame, Part
from lab.wire import capture, datagrams
from lab.wire.ladder import as_text, ladder
from lab.wire.levels import LEVELS, WHAT, Line, lines, rows
from lab.wire.masking import shown_bytes
from lab.wire.receipt import DEFINITION, Receipt
from lab.wire.send_one import Cost, table
from lab.wire.trace import MAX_BYTES, MAX_FRAMES
from tests.support.kept_captures import Seen, seen
from tests.support.tshark import DECODE_AS, SEEN

WIDTH = 110
TIMES = 10
"""Columns of a ladder that hold the time: that of one run says nothing on a page."""
ROWS = 16
"""Lines of a dump that are printed."""
LINES = 60
"""Lines of a level that are printed."""
ARROWS = {Direction.UP: "→", Direction.DOWN: "←"}
PARTS: tuple[Part, ...] = ("framing", "envelope", "payload")


def message(name: str) -> str:
    """Return the section of a chapter: one message, from what was said down to its bytes."""
    one = seen(name)
    (draft,) = [frame for frame in one.message if frame.texts and frame.direction is Direction.UP]
    return "\n".join(
        [
            *textwrap.wrap(
                f"A client said `hello`. A tap between it and the server recorded what passed "
                f"([docs/captures/{name}.json](../../docs/captures/{name}.json)); this is what the inspector "
                f"([docs/wire.md](../../docs/wire.md), F2 in the chat) shows of it.",
                150, break_long_words=False, break_on_hyphens=False,
            ),
            "",
            *_frames(one),
            "",
            _receipt(one),
            "",
            "```",
            *_ladder(one),
            "```",
            "",
            *_dotted(one),
            f"The frame with the text (`{draft.kind}`, from the client), from the text to the bytes:",
            "",
            "```",
            *_zoomed(draft, one),
            "```",
        ]
    )  # fmt: skip


def _frames(one: Seen) -> list[str]:
    """Return a row for each frame of the message."""
    table = ["| | frame | bytes | what it says |", "| --- | --- | --: | --- |"]
    for frame in one.message:
        said = frame.summary.replace("|", "\\|")
        frames = f"{frame.protocol} `{frame.kind}`"
        table.append(f"| {ARROWS[frame.direction]} | {frames} | {len(frame.data):,} | {_code(said)} |")
    return table


def _code(text: str) -> str:
    mark = "``" if "`" in text else "`"
    return f"{mark}{text}{mark}"


def _receipt(one: Seen) -> str:
    """Return the receipt, without the time: that of one run says nothing on a page."""
    found = one.receipt
    shown = _without_time(found)
    parts = ", ".join(f"{part} {getattr(found, part):.0f} B" for part in PARTS)
    return f"Its [receipt](../../docs/wire.md#the-receipt): {shown}. Of these bytes: {parts}."


def _without_time(receipt: Receipt) -> str:
    return str(replace(receipt, seconds=None))


def _ladder(one: Seen) -> list[str]:
    frames = [frame for frame in one.since if frame in one.message or frame.role == "control"]
    server = "broker" if backends.technique(one.kept.technique).server is None else "server"
    diagram = ladder(frames, one.trace.connections, server, control=True)
    clients = [f"connection {number}" for number in range(1, len(diagram.parties))]
    named = replace(diagram, parties=(*(clients if len(clients) > 1 else ["client"]), server))
    return [line[TIMES:].rstrip() for line in as_text(named, WIDTH - 20 + TIMES)]


def _dotted(one: Seen) -> list[str]:
    if all(frame.role != "control" or frame in one.message for frame in one.since):
        return []
    return [
        "Dotted arrows carry no message: acknowledgements, windows, pings. The receipt leaves them out.",
        "",
    ]


def _zoomed(frame: Frame, one: Seen) -> list[str]:
    shown: list[str] = []
    for level in LEVELS:
        shown += ["", f"[{level}]"] if shown else [f"[{level}]"]
        if level == "bytes":
            shown += _dump(frame)
            continue
        exchange = one.trace.exchange(frame) if level == "call" else [frame]
        exchange = [part for part in exchange if part in one.message]
        shown += _cut([_line(line) for line in lines(frame, exchange, level)], LINES)
    return shown


def _line(line: Line) -> str:
    name = f"{'  ' * line.depth}{line.name}"
    value = line.value.replace("\n", "⏎")
    mark = f"{line.part:<9}"
    return _fit(f"{mark} {name}  {value}".rstrip())


def _fit(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _dump(frame: Frame) -> list[str]:
    dump = []
    for row in rows(frame, shown_bytes(frame)):
        letters = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in row.data)
        dump.append(f"{row.offset:05x}  {row.data.hex(' '):<47}  {letters}".rstrip())
    return _cut(dump, ROWS)


def _cut(text: list[str], count: int) -> list[str]:
    """Return the first lines, and how many more there are."""
    left = len(text) - count
    return text if left <= 1 else [*text[:count], f"... {left} more lines"]


def costs(names: Iterable[str] = backends.KNOWN) -> str:
    """Return the table of `chat receipt`, without times."""
    all_ = []
    for name in names:
        one = seen(name)
        total = one.kept.size(one.kept.reads)
        all_.append(Cost(name, one.receipt, one.kept.set_up, one.kept.idle, total))
    printed = [line.split("  ") for line in table(all_).splitlines()]
    rows_ = [[cell.strip() for cell in line if cell.strip()] for line in printed]
    ms = rows_[0].index("ms")
    rows_ = [[cell for place, cell in enumerate(row) if place != ms] for row in rows_]
    rows_.insert(1, ["---", *["--:"] * (len(rows_[0]) - 1)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows_)


def levels() -> str:
    """Return the table of the five levels."""
    rows_ = ["| level | shows |", "| --- | --- |", *(f"| {level} | {WHAT[level]} |" for level in LEVELS)]
    return "\n".join(rows_)


def definition() -> str:
    """Return what the figures of a receipt mean, as a list."""
    lines = [
        "A receipt is counted from the captured bytes of one message, e.g.",
        "",
        f"    {_without_time(seen('grpc').receipt)}",
        "",
    ]
    lines += [f"- *{name}*: {what}" for name, what in _definitions()]
    return "\n".join(lines)


def _definitions() -> list[tuple[str, str]]:
    """Split `DEFINITION`, which is one paragraph: each name is followed by a colon."""
    names = ("text", "up, down", "extra round trips", "ms")
    places = [DEFINITION.index(f"{name}: ") for name in names] + [len(DEFINITION)]
    return [
        (name, DEFINITION[start + len(name) + 2 : end].strip())
        for name, start, end in zip(names, places, places[1:], strict=False)
    ]


def dissected() -> str:
    """Return the table of what Wireshark makes of each technique."""
    lines = [
        "| technique | port in the file | Wireshark shows | and on the real port |",
        "| --- | --- | --- | --- |",
    ]
    for label in backends.techniques():
        known = ", ".join(sorted(SEEN.get(label.name, ()))) or "the bytes, and our summaries as comments"
        port = str(label.dissected_at) if label.dissected_at else "the real one"
        told = DECODE_AS.get(label.name)
        real = f"`-d {label.traits.transport}.port=={label.port},{told}`" if told else "the same"
        lines.append(f"| {label.name} | {port} | {known} | {real} |")
    return "\n".join(lines)


def limits() -> str:
    """Return what is kept at most."""
    kept = f"{MAX_FRAMES:,} frames are kept, at most {MAX_BYTES >> 20} MiB of memory"
    waiting = f"{capture.MAX_BYTES >> 20} MiB"
    clients, silent = f"{datagrams.MAX_CLIENTS} clients", f"{datagrams.IDLE:.0f} s"
    return (
        f"- The newest {kept}; what waits to be decoded is at most {waiting}, too.\n"
        "  The inspector says how much is not kept. Totals go on.\n"
        f"- Of datagrams, {clients} are relayed at once; one that is silent for {silent} is forgotten."
    )
