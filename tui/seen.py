"""How many have a message of this user's: what is shown, and when it is worth asking. No widget is here."""

from __future__ import annotations

from collections.abc import Collection, Hashable

from chat.language import N_

MOST = 100
"""Members of a room in which is asked, at most: over udp a list of them takes many datagrams."""
ASKS = 7
"""How often is asked about the same messages: at the 1st, 2nd, 4th, ... 64th measurement of the connection,
so for about five minutes."""

Place = int | None
"""How far a member has read: `chat.domain.model.Member.seen`."""


def seen_by(seq: int, others: Collection[Place]) -> str:
    """Return how many of the others have a message, e.g. ``seen by 3 of 5, 1 unknown``.

    Args:
        seq: of the message.
        others: how far each has read.

    Returns:
        "" if nobody else is there, or nothing is known of anybody.
    """
    have = sum(place is not None and place >= seq for place in others)
    unknown = sum(place is None for place in others)
    if unknown == len(others):
        return ""
    if unknown:
        return N_(f"seen by {have} of {len(others)}, {unknown} unknown")
    return N_(f"seen by {have} of {len(others)}")


def all_have(seq: int, others: Collection[Place]) -> bool:
    """Return whether the answer can't change: all have the message of whom anything is known."""
    return all(place is None or place >= seq for place in others)


class Asking:
    """Decides when to ask: never more often than the connection is measured, and less and less often."""

    def __init__(self) -> None:
        self._about: Hashable = None
        self._measured = 0  # since it became something else

    def due(self, about: Hashable, *, answered: bool) -> bool:
        """Return whether to ask now; to be called with each measurement.

        Args:
            about: which messages are meant, and who should have them.
            answered: the last answer can't change any more, if it was about the same.
        """
        if self._about != about:
            self._about, self._measured = about, 0
        self._measured += 1
        if self._measured == 1:
            return True
        return not answered and self._measured.bit_count() == 1 and self._measured < 2**ASKS
