"""The calls of one client's callback: which are under way, and which wait until fewer are. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from backends.rpyc.codec import Callback, Raised
from backends.rpyc.protocol import RpycProtocol

WINDOW = 64
"""Callbacks that may be under way to one client at a time."""

_UNKNOWN = b"", 0.0


class Callbacks:
    """Sends them in their order, as fast as the client answers."""

    def __init__(self, protocol: RpycProtocol) -> None:
        self.function: Callback | None = None
        """What is called; None before the login."""
        self.outstanding = 0
        """Bytes of what the client has not answered."""
        self.under_way: dict[int, tuple[bytes, float]] = {}
        """Keywords and time of those without a reply, by number; the oldest first. A ping has no keywords."""
        self._protocol = protocol
        self._waiting: deque[bytes] = deque()
        self._window = 1  # the first event shows whether the callback takes keywords

    def put(self, keywords: Iterable[bytes]) -> None:
        """Add calls with these keywords; `send` sends them."""
        for one in keywords:
            self._waiting.append(one)
            self.outstanding += len(one)

    def send(self, now: float) -> None:
        """Send the calls that fit into the window. ``now``: the loop's time."""
        waiting, under_way = self._waiting, self.under_way
        count = min(len(waiting), self._window - len(under_way))
        if count <= 0:
            return
        assert self.function is not None
        frame, frames = self.function.frame, []
        first = self._protocol.next_number(count)
        for number in range(first, first + count):
            keywords = waiting.popleft()
            under_way[number] = keywords, now
            frames.append(frame(number, keywords))
        self._protocol.send(*frames)

    def open(self) -> None:
        """Let all that waits fit into the window, and one more."""
        self._window = len(self._waiting) + len(self.under_way) + 1

    def returned(self, numbers: Iterable[int]) -> None:
        """Take replies with a value, to calls or pings."""
        pop = self.under_way.pop
        for number in numbers:
            keywords, _ = pop(number, _UNKNOWN)
            if keywords:
                self.outstanding -= len(keywords)
                self._window = WINDOW

    def raised(self, answer: Raised) -> bool:
        """Take an exception; return whether the same event is to be sent again, as one argument.

        A function that takes no keywords refuses the first event: from then on it gets one argument.
        """
        keywords, _ = self.under_way.pop(answer.number, _UNKNOWN)
        function = self.function
        # "print() got an unexpected keyword argument", "append() takes no keyword arguments": every Python
        # says "argument" if a call does not fit, and seldom where the function itself is wrong.
        does_not_fit = answer.name == "TypeError" and "argument" in answer.text
        if keywords and does_not_fit and function and not function.one_argument and self._window == 1:
            function.use_one_argument()
            self._waiting.appendleft(keywords)
            return True
        self.outstanding -= len(keywords)
        return False
