"""When a session connects again, and when it gives up."""

from __future__ import annotations

from collections.abc import Callable

from chat.domain.errors import BadRequest, ChatError, NickTaken
from chat.domain.rate_limit import backoff

AFTER_RETRY = 0.1
"""Seconds added to what a server asks for: a clock may be a little fast."""


class ReconnectPolicy:
    """Decides after each failure how long to wait: as long as the server asks, or exponentially longer."""

    def __init__(
        self, give_up: float | None, clock: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        """Prepare.

        Args:
            give_up: seconds without a connection after which no more tries are made; None: never.
            clock: returns seconds.
            jitter: returns a random number from 0 to 1.
        """
        self._give_up = give_up
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._refused: type[ChatError] | None = None  # how the last try ended, if that was for good
        self._last_up = clock()

    def connected(self) -> None:
        """A seat was taken."""
        self._failures = 0
        self._refused = None

    def found(self) -> None:
        """Somebody else has found the server: the pauses begin small again."""
        self._failures = 0

    @property
    def away(self) -> float:
        """Seconds since there was a connection."""
        return self._clock() - self._last_up

    def disconnected(self) -> None:
        """A connection has ended, or the session begins."""
        self._last_up = self._clock()

    def delay(self, error: ChatError, *, doubtful: bool = False, seated: bool = False) -> float | None:
        """Return the seconds until the next try; None if there is to be none.

        Args:
            error: how the last one ended.
            doubtful: a refusal may be about what was damaged on its way. It counts when it comes twice.
            seated: the last try got a seat. Then what was sent before was understood, and of the refusals
                only a bad request is doubtful.
        """
        refused = error.final or (isinstance(error, NickTaken) and error.retry_after is None)
        again, self._refused = self._refused, type(error) if refused else None
        doubtful = doubtful and (not seated or isinstance(error, BadRequest))
        if refused and not (doubtful and again is not self._refused):
            return None
        left = None if self._give_up is None else self._give_up - (self._clock() - self._last_up)
        if left is not None and left <= 0:
            return None
        if error.retry_after is None or refused:
            delay = backoff(self._failures, self._jitter())
        else:
            delay = error.retry_after + AFTER_RETRY
        self._failures += 1
        return delay if left is None else min(delay, left)
