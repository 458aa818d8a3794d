"""Turns a session's updates into rows, in the room's order.

It also remembers what rows do not contain: the drafts without an answer, and edits of messages that are not
in the list yet because older history is loaded later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import tzinfo

from chat.client.class_lines import class_line
from chat.client.session_events import (
    Arrived,
    DraftMoved,
    Entered,
    Hindered,
    Missed,
    Noticed,
    Reconnected,
    StartedOver,
    Update,
)
from chat.domain.classroom import is_clear
from chat.domain.errors import history_starts
from chat.domain.model import Event, MissingEvents, log_of
from chat.language import N_
from tui.folding import Folding, part
from tui.missing import MissingNotices
from tui.rows import PENDING, Place, Row, clock_and_day, one_line, shown
from tui.search import holds
from tui.themes import NickColours
from tui.traffic import SIGNS, Going
from tui.unread import Unread
from tui.widgets.message_view import MessageView

REMEMBERED = 5000
"""The most edits and deletions that are kept for messages that are not in the list."""
SHORT = 20
"""The most characters of a reason that is shown on the line of the text."""


class Timeline:
    """The rows of one room. Call `apply` inside ``view.changing()``."""

    def __init__(
        self, view: MessageView, *, nick: str, zone: tzinfo | None, now: Callable[[], float]
    ) -> None:
        self.nick = one_line(nick)
        self.newest = 0
        """The seq of the newest event that was shown."""
        self.first = 0
        """The seq of the oldest entry that the room still has."""
        self.exhausted = False
        """Whether the server has said that there are no older events."""
        self.new_members = False
        """Whether the members have changed since this was last set to False."""
        self.colours = NickColours()
        self.unread = Unread(view)
        self._view = view
        self._oldest = 0
        self._above: list[Place] = []  # what a search has found above a hole in the list, and a line below
        self._zone = zone
        self._now = now
        self._log = 0  # the number of the log, see `Place`
        self._old = -1  # what was there when this user came is not new; -1: not there yet
        self._epoch = ""
        self._hidden = 0  # what is before this seq is not shown
        self._notes = 0  # notices since the newest event
        self._seats: set[str] = set()
        self._drafts: dict[int, tuple[str, Place]] = {}  # token to the kind of draft and its row
        self._unconfirmed: dict[int, Place] = {}  # token to its row: the message may still come
        self._missing = MissingNotices(view)
        self._folding = Folding(view)
        self._noticed: set[str] = set()
        self._changes: dict[int, Event] = {}  # by message: the newest edit or deletion
        self._name = re.compile("(?!)")  # matches a mention of this user

    @property
    def oldest(self) -> int:
        """The seq of the oldest event of which everything newer was shown; 0: none yet."""
        if (cut := self._view.cut) is not None:
            if cut.log == self._log and cut.seq > self._oldest:
                self._oldest, self.exhausted = cut.seq, False
            self._view.cut = None
        return self._oldest

    # --- what the session says -----------------------------------------------------------------

    def apply(self, update: Update) -> None:
        """Show an update."""
        match update:
            case Entered(welcome):
                self._entered(welcome.nick, welcome.seat, welcome.epoch)
                self.first = welcome.first
                self._old = welcome.head if self._old < 0 else self._old
                self.new_members = True
            case StartedOver(reason):
                self._start_over(reason)
            case Arrived(event, draft, took):
                self._arrived(event, draft, took)
            case Missed(missing):
                self._missed(missing)
            case Noticed(text) if text not in self._noticed:
                self._noticed.add(text)
                self.note(one_line(text))
            case Reconnected() | Hindered() as news:
                self.note(one_line(news.text))
            case DraftMoved(draft, phase, reason):
                self._moved(draft, phase, one_line(reason))
            case _:
                pass

    def _entered(self, nick: str, seat: str, epoch: str) -> None:
        if self._epoch and log_of(epoch) != self._epoch:
            self._start_over(N_("this room has another log now"))
        self._epoch = log_of(epoch)
        self._seats.add(seat)
        self.nick = nick = one_line(nick)
        # A name of one or two letters may also be a word: it counts as a mention only with "@".
        sign = "@?" if len(nick) > 2 else "@"
        self._name = re.compile(rf"(?<!\w){sign}{re.escape(nick)}(?!\w)", re.IGNORECASE)

    def _start_over(self, reason: str) -> None:
        self.rule(N_(f"starting over: {one_line(reason)}"))
        self._epoch = ""
        self._log += 1
        self.newest = self._oldest = self.first = self._notes = self._hidden = self._old = 0
        self.exhausted = False
        self._changes.clear()
        self._missing.clear()

    def _arrived(self, event: Event, draft: int, took: float | None) -> None:
        if draft:
            asked, place = self._drafts.pop(draft, ("say", self._unconfirmed.pop(draft, None)))
            if asked == "say" and place is not None:
                self._view.drop(place)
        if event.seq > self.newest:
            self.newest, self._notes = event.seq, 0
        if not self.oldest or event.seq < self.oldest:
            self._oldest = event.seq
        if event.kind in ("joined", "resumed", "left"):
            self.new_members = True
        self._show(event, took)
        if event.kind == "sent" and event.seq > self._old and event.seat not in self._seats:
            row = self._view.row(Place(self._log, event.seq))
            if row is not None and row.kind == "message":  # not a line of the class
                self.unread.arrived(row)

    def _missed(self, missing: MissingEvents) -> None:
        """Show a notice where the missing events would be."""
        self.newest = max(self.newest, missing.events[-1].seq)
        place = Place(self._log, missing.events[0].seq, -1)  # next to the first of them, which may come late
        row = Row(place, "notice", str(missing), nick="✖", mark="failed")
        self._missing.add(missing, self._timed(row, self._now_ms()))
        self.new_members = True

    def _moved(self, draft: int, phase: str, reason: str) -> None:
        asked, place = self._drafts.get(draft, ("", None))
        row = self._view.row(place) if place is not None else None
        if phase in ("failed", "unconfirmed"):
            self._drafts.pop(draft, None)
            place = self._fail(asked, row, phase, reason)
            if phase == "unconfirmed" and place is not None:
                self._unconfirmed[draft] = place
        elif row is not None:
            say = reason or phase
            if len(say) > SHORT:
                self._view.put(replace(row, phase=phase, reason=N_(f"◌ {phase}: {say}")))
            else:
                self._view.put(replace(row, phase=say, reason=""))

    def _fail(self, asked: str, row: Row | None, phase: str, reason: str) -> Place | None:
        """Show that a draft failed or is unconfirmed; return its place, if it has its own row."""
        if asked == "say" and row is not None:
            self._view.drop(row.place)
            said = _failed(phase, reason)
            place = self._after_newest()
            self._view.put(
                replace(
                    row,
                    place=place,
                    mark="failed" if phase == "failed" else "unconfirmed",
                    phase="",
                    reason=said,
                )
            )
            return place
        if asked:
            if row is not None:
                self._view.put(replace(row, phase=""))
            self.note(
                N_(f"{asked} {'not done' if phase == 'failed' else 'unconfirmed'}: {reason}"), failed=True
            )
        return None

    def ended(self, reason: str) -> None:
        """The session has ended: show that the waiting drafts are not sent."""
        for draft in list(self._drafts):
            self._moved(draft, "failed", reason)

    # --- what the user did ---------------------------------------------------------------------

    def said(self, draft: int, text: str, phase: str) -> None:
        """Show an own message before its event has come."""
        self.unread.forget_line()
        place = Place(PENDING, draft)
        self._drafts[draft] = ("say", place)
        row = Row(place, "message", shown(text), nick=self.nick, own=True, mark="pending", phase=phase)
        self._view.put(self._timed(replace(row, said=text), self._now_ms()))

    def asked(self, draft: int, what: str) -> None:
        """Note a draft that is shown when its event has come, and before only if it fails."""
        self._drafts[draft] = (what, Place(PENDING, draft))

    def changing(self, draft: int, id: int, what: str) -> None:
        """Show that a change of an own message is being sent; ``what``: ``edit`` or ``delete``."""
        place = Place(self._log, id)
        self._drafts[draft] = (N_(f"{what} of #{id}"), place)
        row = self._view.row(place)
        if row is not None:
            self._view.put(replace(row, phase=N_(f"{what}: sending")))

    def note(self, text: str, *, failed: bool = False) -> None:
        """Show a notice of this program below the newest event."""
        row = Row(self._after_newest(), "notice", shown(text), nick="✖" if failed else "·")
        self._view.put(self._timed(replace(row, mark="failed") if failed else row, self._now_ms()))

    def rule(self, text: str) -> None:
        """Draw a rule below the newest event, with a text in it."""
        self._view.put(self._timed(Row(self._after_newest(), "rule", text), self._now_ms()))

    def own_message(self, id: int | None) -> Row | None:
        """Return the own message with this id, or the newest one, if it can be changed."""
        for row in reversed(self._view.rows):
            if row.place.log == self._log and row.own and row.id and not row.deleted and id in (None, row.id):
                return row
        return None

    @property
    def complete(self) -> bool:
        """Whether the oldest event that the room still has is shown."""
        return self.exhausted or self.oldest <= max(self.first, 1)

    @property
    def beginning(self) -> str:
        """The text for a user who asks for older messages than there are."""
        cut = self.first > 1
        return history_starts(self.first) if cut else N_("nothing older: the room's log begins here")

    @property
    def reaches_back(self) -> bool:
        """Whether the first row belongs to the current log, so that older rows can be put above it."""
        return bool(self._view.rows) and self._view.rows[0].place.log == self._log

    def cleared(self) -> None:
        """Note that the list was emptied: older messages are loaded from the newest event on."""
        self._oldest = self.newest + 1
        self.exhausted = False

    def add_older(self, events: Iterable[Event]) -> int:
        """Add events that are older than those in the list; return how many they were."""
        count = 0
        for event in events:
            count += 1
            self._show(event, None)
            if not self.oldest or event.seq < self.oldest:
                self._oldest = event.seq
        return count

    def add_found(self, events: Sequence[Event], text: str, room: int) -> None:
        """Show only those of older events that hold a text, because the list has no room for all.

        Args:
            events: older than all that are shown.
            text: what is searched.
            room: for how many rows there is room.
        """
        places: list[Place] = []
        for event in reversed(events):  # a change stands behind its message
            if event.kind in ("edited", "deleted"):
                self._remember(event)
            elif event.kind == "sent" and len(places) < room - 1:
                self._show(event, None)
                place = Place(self._log, event.seq)
                row = self._view.row(place)
                if row is not None and holds(row, text):
                    places.append(place)
                else:
                    self._view.drop(place)
        if not self._above and places:
            self._above.append(Place(self._log, self.oldest, -3))
            self._view.put(Row(self._above[0], "rule", N_("above: only what was found")))
        self._above += places

    def forget_found(self) -> None:
        """Remove what `add_found` has shown."""
        for place in self._above:
            self._view.drop(place)
        self._above.clear()

    # --- rows ----------------------------------------------------------------------------------

    def _show(self, event: Event, took: float | None) -> None:
        self._missing.came(event.seq)
        if event.seq < self._hidden:
            return
        place = Place(self._log, event.seq)
        part(self._view, place)
        match event.kind:
            case "sent" if line := class_line(event):
                self._put_notice(place, "▣", one_line(line), event.at)
                self._hide_before(event.seq if is_clear(event.text) else 0)
            case "sent":
                row = Row(
                    place,
                    "message",
                    shown(event.text),
                    nick=one_line(event.author),
                    colour=self.colours.number(event.author),
                    technique=one_line(event.technique),
                    id=event.seq,
                    own=event.seat in self._seats,
                    took=took,
                    n=event.n if event.seat in self._seats else 0,
                )
                row = replace(row, mention=self._mentioned(row.nick, row.text))
                self._view.put(self._timed(row, event.at))
                if (change := self._changes.get(event.seq)) is not None:
                    self._change(change, None)
            case "edited" | "deleted":
                self._remember(event)
                self._change(event, took)
            case "opened":
                self._put_notice(place, "○", N_("the room was opened"), event.at)
            case _:
                going = Going(event.seq, event.kind, one_line(event.author), one_line(event.technique))
                row = Row(place, "notice", going.text, nick=SIGNS[event.kind], traffic=(going,))
                self._folding.later(place)
                self._view.put(self._timed(row, event.at))

    def _hide_before(self, seq: int) -> None:
        """Show nothing of what was said before: the teacher has cleared the room."""
        if seq > self._hidden:
            self._hidden = self.first = seq
            for place in [row.place for row in self._view.rows if row.place[:2] < (self._log, seq)]:
                self._view.drop(place)

    def _change(self, event: Event, took: float | None) -> None:
        row = self._view.row(Place(self._log, event.id))
        if row is None or row.changed > event.seq:
            return
        row = replace(row, changed=event.seq, phase="", took=row.took if took is None else took)
        if event.kind == "deleted":
            row = replace(row, text="", deleted=True, edited=False, mention=False)
        else:
            text = shown(event.text)
            row = replace(row, text=text, edited=True, mention=self._mentioned(row.nick, text))
        self._view.put(row)

    def _mentioned(self, author: str, text: str) -> bool:
        return author != self.nick and bool(self._name.search(text))

    def _remember(self, event: Event) -> None:
        known = self._changes.get(event.id)
        if known is None or known.seq < event.seq:
            self._changes.pop(event.id, None)
            self._changes[event.id] = event
            if len(self._changes) > REMEMBERED:
                del self._changes[next(iter(self._changes))]

    def _put_notice(self, place: Place, sign: str, text: str, at: int) -> None:
        self._view.put(self._timed(Row(place, "notice", text, nick=sign), at))

    def _timed(self, row: Row, at: int) -> Row:
        clock, day = clock_and_day(at // 60_000, self._zone)
        return replace(row, clock=clock, day=day)

    def _after_newest(self) -> Place:
        self._notes += 1
        return Place(self._log, self.newest, self._notes)

    def _now_ms(self) -> int:
        return round(self._now() * 1000)


def _failed(phase: str, reason: str) -> str:
    """Return the text under an own message that was not sent, or of which nobody knows."""
    if phase == "failed":
        return N_(f"✖ not sent: {reason}" if reason else "✖ not sent")
    return N_(f"? unconfirmed: {reason}" if reason else "? unconfirmed")
