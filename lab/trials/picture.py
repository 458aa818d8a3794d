"""A picture of one scenario: a lane a technique, a dot a message, over the time. Drawn from histories.

``python -m lab.trials.picture`` draws it anew from the histories beside the page; ``--check`` only looks
whether it is the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chat.domain.model import Event
from lab.check.history import Down, Entered, Fault, Line, Ok, read_lines
from lab.drawing import circle, cross, flag, label, question, rectangle, rule, svg
from lab.trials.cells import file_name
from lab.trials.cells import write as write_lines
from lab.trials.outcome import answers
from lab.trials.scenarios import BY_NAME

SCENARIO = "server away"
FILE = "pictures/server-away.svg"
HISTORIES = "histories"
"""The folder beside the page with the histories that are drawn."""
PAGE_FOLDER = Path("docs")

State = Literal["ok", "lost", "unknown"]
MEANS: dict[State, str] = {
    "ok": "ok: answered, and in the log",
    "unknown": "unknown: in the log, and not answered",
    "lost": "lost: not in the log",
}


@dataclass(frozen=True, slots=True)
class Dot:
    """A message. Times are seconds from the beginning of the trouble."""

    said: float
    state: State
    answered: float | None
    """When it was; None: it was not."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One technique."""

    title: str
    dots: tuple[Dot, ...]
    back: float
    """When the trouble was over."""
    noticed: float | None
    """When the client knew."""


@dataclass(frozen=True, slots=True)
class NotTried:
    """A technique of which there is nothing to draw."""

    title: str
    reason: str


def lane(title: str, lines: Sequence[Line]) -> Lane:
    """Return what there is to draw of a history.

    Args:
        title: the technique.
        lines: of its client, the fault and the log.
    """
    fault = next(line for line in lines if isinstance(line, Fault))
    seats = {line.seat for line in lines if isinstance(line, Entered)}
    stored = {line.text for line in lines if isinstance(line, Event) and line.seat in seats}
    dots = []
    for one in answers(lines):
        state: State = "lost" if one.invoke.text not in stored else "unknown"
        answered = isinstance(one.outcome, Ok)
        if answered and state == "unknown":
            state = "ok"
        at = one.at - fault.at if answered and one.at is not None else None
        dots.append(Dot(one.invoke.at - fault.at, state, at))
    knew = [line.at for line in lines if isinstance(line, Down) and line.at >= fault.at]
    return Lane(title, tuple(dots), fault.until - fault.at, min(knew) - fault.at if knew else None)


def keep(page_folder: Path, options: str, lines: Sequence[Line]) -> None:
    """Keep the history that the picture shows of a technique. Raises OSError."""
    write_lines(lines, page_folder / HISTORIES / f"{file_name(options)}.jsonl")


def write(page_folder: Path) -> None:
    """Draw the picture from the histories that were kept. Raises OSError."""
    file = page_folder / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(drawn(page_folder), encoding="utf-8", newline="\n")


def drawn(page_folder: Path) -> str:
    """Return the picture of the histories that were kept. Raises OSError and `BadRequest`."""
    import backends
    from lab.trials.subject import subjects

    lanes: list[Lane | NotTried] = []
    scenario = BY_NAME[SCENARIO]
    for subject in subjects(backends.techniques()):
        name = subject.options
        file = page_folder / HISTORIES / f"{file_name(name)}.jsonl"
        if reason := scenario.missing(subject.technique, subject.transport):
            lanes.append(NotTried(name, reason))
        elif file.exists():
            with file.open("rb") as opened:
                lanes.append(lane(name, [line for line, _ in read_lines(opened, file.name)]))
        else:
            lanes.append(NotTried(name, "it could not run there"))
    return draw(lanes, f"{scenario.summary}: what became of each message")


# --- drawing -----------------------------------------------------------------------------------

WIDTH, LEFT, RIGHT = 1000, 150, 24
TOP, ROW = 84, 46


def draw(lanes: Sequence[Lane | NotTried], title: str) -> str:
    """Return the picture as SVG."""
    dots = [dot for one in lanes if isinstance(one, Lane) for dot in one.dots]
    times = [time for dot in dots for time in (dot.said, dot.answered or dot.said)]
    start, end = min(times, default=0.0) - 0.2, max(times, default=1.0) + 0.2
    bottom = TOP + ROW * len(lanes)

    def x(time: float) -> float:
        return LEFT + (time - start) * (WIDTH - LEFT - RIGHT) / (end - start)

    parts = [label(20, 34, title, size=22, bold=True)]
    step = 1 if end - start < 16 else 2
    for second in range(int(start), int(end) + 1, step):
        parts += [
            rule(x(second), TOP - 6, x(second), bottom, "#d0d0d0", 1),
            label(
                x(second), TOP - 14, f"{second} s".replace("-", "\N{MINUS SIGN}"), size=15, anchor="middle"
            ),
        ]
    for number, one in enumerate(lanes):
        y = TOP + ROW * number + ROW / 2
        parts.append(label(20, y + 6, one.title, bold=True))
        if isinstance(one, Lane):
            parts += _lane(one, y, x)
        else:
            parts.append(label(LEFT, y + 6, f"not tried: {one.reason}", size=16))
    parts += _legend(bottom + 34)
    return svg(WIDTH, bottom + 128, title, parts)


def _lane(one: Lane, y: float, x: Callable[[float], float]) -> list[str]:
    parts = [rectangle(x(0), y - ROW / 2 + 4, x(one.back) - x(0), ROW - 8, "#e6e6e6")]
    waited = [dot for dot in one.dots if dot.answered is not None]
    parts += [rule(x(dot.said), y, x(dot.answered or 0), y, "#9ecae1", 4) for dot in waited]
    if one.noticed is not None:
        parts.append(flag(x(one.noticed), y - ROW / 2 + 4))
    shapes = {"ok": circle, "lost": cross, "unknown": question}
    return [*parts, *(shapes[dot.state](x(dot.said), y) for dot in one.dots)]


def _legend(y: float) -> list[str]:
    rows = y, y + 32, y + 64
    return [
        circle(32, rows[0]), label(52, rows[0] + 6, MEANS["ok"], size=17),
        question(32, rows[1]), label(52, rows[1] + 6, MEANS["unknown"], size=17),
        cross(32, rows[2]), label(52, rows[2] + 6, MEANS["lost"], size=17),
        rule(530, rows[0], 560, rows[0], "#9ecae1", 4),
        label(574, rows[0] + 6, "waits for its answer", size=17),
        flag(545, rows[1] - 5), label(574, rows[1] + 6, "the client has noticed it", size=17),
        rectangle(532, rows[2] - 11, 26, 22, "#e6e6e6"),
        label(574, rows[2] + 6, "from the kill until the server answers again", size=17),
    ]  # fmt: skip


def main() -> None:
    text = drawn(PAGE_FOLDER)
    if "--check" not in sys.argv[1:]:
        write(PAGE_FOLDER)
    elif (PAGE_FOLDER / FILE).read_text(encoding="utf-8") != text:
        sys.exit(f"{FILE} is not what the code draws now, run: make docs")


if __name__ == "__main__":
    main()
