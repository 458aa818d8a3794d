"""What the board shows, and how it is laid out. There is no widget and no connection in this file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from chat.client.class_lines import class_line
from chat.domain.classroom import Classroom, is_clear
from chat.domain.model import Event, Member, log_of
from chat.language.translation import translate
from tui.rows import clock_and_day, fit, one_line, shown, wrap

KEPT = 100
"""The most messages that are remembered."""
NAMES = 12
"""Cells of a name, at most."""
TECHNIQUE = 9
"""Cells of a technique: ``rabbitmq`` fits."""

Piece = tuple[str, str]
"""A text and its style."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message, or what somebody did."""

    id: int
    clock: str
    nick: str
    """Empty: it is a sentence about somebody."""
    technique: str
    text: str


@dataclass
class Board:
    """The state of a room, as far as a projector shows it."""

    room: str
    join: str = ""
    """How to join; "": nobody knows it here."""
    order: Sequence[str] = ()
    """The techniques, in the order of their lanes."""
    zone: tzinfo | None = None
    members: list[Member] = field(default_factory=list)
    behind: Mapping[str, int] = field(default_factory=dict)
    """By seat, how many seqs they lack."""
    said: deque[Said] = field(default_factory=lambda: deque(maxlen=KEPT))
    classroom: Classroom = field(default_factory=Classroom)
    head: int = 0
    """The seq of the newest event that was taken."""
    log: str = ""
    """Which log the events are from: its UUID; "": there are none yet."""
    trouble: str = ""
    """Why nothing comes at the moment."""

    def look_at(self, epoch: str) -> None:
        """Begin anew if the room has another log than before; ``epoch``: of now."""
        log = log_of(epoch)
        if log != self.log:
            self.said.clear()
            self.classroom, self.head, self.log = Classroom(), 0, log

    def take(self, events: Iterable[Event]) -> bool:
        """Take the next events; return whether people came or went."""
        moved = False
        for event in events:
            self.head = event.seq
            self.classroom = self.classroom.after(event)
            match event.kind:
                case "sent":
                    self._sent(event)
                case "edited":
                    texts = (
                        one if one.id != event.id else replace(one, text=shown(event.text))
                        for one in self.said
                    )
                    self.said = deque(texts, KEPT)
                case "deleted":
                    self.said = deque((one for one in self.said if one.id != event.id), KEPT)
                case "joined" | "resumed" | "left":
                    moved = True
        return moved

    def _sent(self, event: Event) -> None:
        if is_clear(event.text):
            self.said.clear()
        clock, _ = clock_and_day(event.at // 60_000, self.zone)
        nick, technique = one_line(event.author), fit(one_line(event.technique), TECHNIQUE).rstrip()
        line = class_line(event)
        self.said.append(
            Said(
                event.seq,
                clock,
                "" if line else nick,
                technique,
                one_line(line) if line else shown(event.text),
            )
        )

    # --- the screen ----------------------------------------------------------------------------

    def content(self, width: int, height: int, now: int) -> Content:
        """Return the whole screen.

        Args:
            width: in cells.
            height: in lines.
            now: milliseconds since the epoch.
        """
        head = [*self._title(width), *self._lanes(width), *self._notices(width, now)]
        rest = height - len(head) - 1
        lines = [*head, [("─" * width, "$faint")], *self._messages(width, rest)]
        return Content("\n").join(Content.assemble(*line) for line in lines[:height])

    def _title(self, width: int) -> list[list[Piece]]:
        """Return the first line, with how to join; below it, if it does not fit there."""
        left = f" #{self.room}  " + translate(f"{len(self.members)} here")
        right = f"{self.join} " if cell_len(left) + cell_len(self.join) + 4 <= width else ""
        first: list[Piece] = [(set_cell_size(left, width - cell_len(right)) + right, "bold reverse")]
        below = [] if right or not self.join else wrap(self.join, width - 1)
        return [first, *([(set_cell_size(f" {self.join[a:b]}", width), "bold reverse")] for a, b in below)]

    def _lanes(self, width: int) -> list[list[Piece]]:
        """Return a line for each technique that somebody uses: how many, and who."""
        there: dict[str, list[Member]] = {name: [] for name in self.order}
        for member in self.members:
            there.setdefault(member.technique, []).append(member)
        lines = []
        for name, members in there.items():
            if members:
                names = _fitting(map(self._named, members), len(members), width - 17)
                lines.append(
                    [
                        (f" ● {fit(one_line(name), TECHNIQUE)}", "bold $success"),
                        (f"{len(members):3}  ", "bold"),
                        (names, ""),
                    ]
                )
        return lines

    def _named(self, member: Member) -> str:
        """Return a member's name, and how far behind this reader is."""
        lacks = self.behind.get(member.seat, 0)
        return f"{_short(member.nick)} ▼{lacks}" if lacks else _short(member.nick)

    def _notices(self, width: int, now: int) -> list[list[Piece]]:
        """Return what the teacher has said that still holds, and what is wrong, a line each."""
        room, texts = self.classroom, []
        if self.trouble:
            texts.append((f"▲ {translate(self.trouble)}", "bold $warning"))
        if fault := room.fault_at(now):
            left = (room.fault_until - now + 999) // 1000
            texts.append((translate(f"✖ FAULT for everybody: {one_line(fault)}, {left} s"), "bold $error"))
        if room.frozen:
            texts.append((translate("■ FROZEN: only the teacher writes"), "bold $error"))
        if room.slow:
            texts.append((translate(f"◷ SLOW: a message in {room.slow:g} s"), "bold $warning"))
        if room.to:
            texts.append((translate(f"▶ EVERYBODY TO {one_line(room.to)}: F7, or /follow"), "bold $warning"))
        if room.hands:
            names = _fitting(map(_short, room.hands), len(room.hands), width - 12)
            texts.append((translate(f"▲ HANDS {len(room.hands)}: {names}"), "bold $accent"))
        return [[(set_cell_size(f" {text}", width), style)] for text, style in texts]

    def _messages(self, width: int, height: int) -> list[list[Piece]]:
        """Return the newest messages that fit, the newest at the bottom; the newest one stands out."""
        lines: list[list[Piece]] = []
        for one in reversed(self.said):
            block = self._message(one, width, newest=one is self.said[-1])
            if len(lines) + len(block) > height:
                if not lines:
                    lines = block[:height]
                break
            lines = [*block, *lines]
        return [*([("", "")] for _ in range(height - len(lines))), *lines]

    def _message(self, one: Said, width: int, *, newest: bool) -> list[list[Piece]]:
        style = "bold" if newest else ""
        if not one.nick:
            told = translate(one.text)
            texts = [told[start:end].rstrip() for start, end in wrap(told, width - 10)]
            first, *others = texts or [""]
            return [
                [(f" {one.clock} ▣ ", "$quiet"), (first, f"{style} $accent".strip())],
                *([(f"{'':9}{text}", f"{style} $accent".strip())] for text in others),
                [("", "")],
            ]
        head: list[Piece] = [
            (f" {one.clock} ", "$quiet"),
            (_short(one.nick), "bold $accent"),
            (f"  {one.technique}", "$quiet"),
        ]
        body = [
            [(f"   {line[start:end].rstrip()}", style)]
            for line in one.text.split("\n")
            for start, end in wrap(line, width - 4)
        ]
        return [head, *body, [("", "")]]


def _short(nick: str) -> str:
    nick = one_line(nick)
    return nick if cell_len(nick) <= NAMES else set_cell_size(nick, NAMES - 1).rstrip() + "…"


def _fitting(names: Iterable[str], count: int, width: int) -> str:
    """Return as many names as fit, and how many more there are.

    Args:
        names: only those are made that a line of this width may have.
        count: how many they are.
        width: in cells.
    """
    taken, used = [], -1
    for name in names:
        taken.append(name)
        used += 1 + cell_len(name)
        if used > width:
            break
    if len(taken) == count and used <= width:
        return " ".join(taken)
    while len(taken) > 1:
        taken.pop()
        line = " ".join([*taken, f"+{count - len(taken)}"])
        if cell_len(line) <= width:
            return line
    return set_cell_size(" ".join([*taken, f"+{count - len(taken)}"] if count > 1 else taken), width).rstrip()
