"""Flow control: a connection is not read while any reason against it holds.

What is not read stays in the kernel's buffers, and then TCP stops the peer.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol


class Reason(Enum):
    """Why a connection is not read."""

    BACKLOG = auto()
    """Requests wait for their turn."""
    TURN = auto()
    """So much was read that it is the turn of others."""
    BUSY = auto()
    """A request is being served that takes a while; those behind it wait, in order."""
    UNREAD = auto()
    """The peer does not take what was written, so replies to it would pile up."""
    UNDECIDED = auto()
    """Too many drafts wait for the room's decision."""
    STOPPED = auto()
    """No request is served any more; what comes is read and discarded."""


class Readable(Protocol):
    """The part of `asyncio.ReadTransport` that is needed here."""

    def is_closing(self) -> bool: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class FlowControl:
    """Pauses a transport with the first reason, and resumes it with the last."""

    def __init__(self, transport: Readable) -> None:
        self._transport = transport
        self.reasons: set[Reason] = set()

    def pause(self, reason: Reason) -> None:
        if not self.reasons and not self._transport.is_closing():
            self._transport.pause_reading()
        if Reason.STOPPED not in self.reasons:
            self.reasons.add(reason)

    def resume(self, reason: Reason) -> None:
        if self.reasons == {reason}:
            self._read_on()
        self.reasons.discard(reason)

    def stop(self) -> None:
        """Read whatever comes from now on: the end of a connection is noticed only by reading."""
        if Reason.STOPPED not in self.reasons:
            self._read_on()
        self.reasons.clear()
        self.reasons.add(Reason.STOPPED)

    def _read_on(self) -> None:
        if not self._transport.is_closing():  # uvloop refuses to
            self._transport.resume_reading()
