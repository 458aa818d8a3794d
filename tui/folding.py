"""Folds the people who come and go into one row, if they are many, and parts it again."""

from __future__ import annotations

from dataclasses import replace

from tui.rows import Place
from tui.traffic import FOLDED, SIGNS, folded
from tui.widgets.message_view import MessageView


class Folding:
    """Folds what one change of a list has brought, when it ends: thousands may come in one batch.

    Args:
        view: the list.
    """

    def __init__(self, view: MessageView) -> None:
        self._view = view
        self._places: list[Place] = []
        view.at_end = self._fold

    def later(self, place: Place) -> None:
        """The next row is that of somebody who came or went, at this place."""
        self._places.append(place)

    def _fold(self) -> None:
        places, self._places = self._places, []
        for place in places:
            if self._view.row(place) is not None:  # else it is in the row of another one already
                fold(self._view, place)


def fold(view: MessageView, place: Place) -> None:
    """Make one row of the people who came and went around a place, if they are many."""
    rows = view.rows
    first = last = view.lines.before(place)
    day = rows[first].day
    while first and rows[first - 1].traffic and rows[first - 1].day == day:
        first -= 1
    while last < len(rows) and rows[last].traffic and rows[last].day == day:
        last += 1
    run = rows[first:last]
    traffic = tuple(sorted(going for row in run for going in row.traffic))
    if len(traffic) >= FOLDED and len(run) > 1:
        for row in run[1:]:
            view.drop(row.place)
        sign, text = folded(traffic)
        view.put(replace(run[0], text=text, nick=sign, traffic=traffic))


def part(view: MessageView, place: Place) -> None:
    """Part the run into which an event falls that came late, or that stands between its two halves."""
    index = view.lines.before(place)
    row = view.rows[index - 1] if index else None
    if row is None or row.place.log != place.log or not row.traffic or row.traffic[-1].seq < place.seq:
        return
    for half in (
        tuple(going for going in row.traffic if going.seq < place.seq),
        tuple(going for going in row.traffic if going.seq > place.seq),
    ):
        for going in half if len(half) < FOLDED else half[:1]:
            sign, text = (SIGNS[going.kind], going.text) if len(half) < FOLDED else folded(half)
            traffic = (going,) if len(half) < FOLDED else half
            at = Place(place.log, going.seq)
            view.put(replace(row, place=at, text=text, nick=sign, traffic=traffic))
