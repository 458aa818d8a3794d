"""The draft of a seat that was refused for now: it will come again, and later ones may not pass it."""

from __future__ import annotations

import asyncio

from chat.domain.errors import ChatError, NotStored, TooFast

HOLD = 1.0
"""Seconds for which later drafts may not pass: long enough for those that were under way behind it. Who sent
it learns of the refusal, and sends it again first, or gives it up."""


class HeldDraft:
    """The draft, while it holds the later ones back.

    Time in which this process stands still does not count, because what has come meanwhile is read only
    afterwards. So there are two timers, and the second begins when the first has fired.

    Args:
        n: its number.
        error: why it was refused.
    """

    __slots__ = ("_error", "_timer", "n")

    def __init__(self, n: int, error: NotStored | TooFast) -> None:
        self.n = n
        """0: it holds nothing back any more."""
        self._error = error
        self._timer = asyncio.get_running_loop().call_later(HOLD / 2, self._go_on)

    def holds_back(self, n: int) -> ChatError | None:
        """Return why the draft with this number must wait; None: it need not."""
        if self.n and n > self.n:
            wait = max(HOLD / 2, self._error.retry_after or 0.0)
            return type(self._error)(str(self._error), n=n, retry_after=wait)
        if n == self.n:
            self.let_go()
        return None

    def let_go(self) -> None:
        """Hold nothing back any more."""
        self.n = 0
        self._timer.cancel()

    def _go_on(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HOLD / 2, self.let_go)
