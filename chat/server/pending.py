"""What a hub lets wait for the room's decision about an entry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from chat.domain.errors import ChatError
from chat.domain.model import Ack, Draft, Event
from chat.domain.room import Outcome
from chat.interfaces.log import Pending
from chat.interfaces.server import Reply


class Holds(Protocol):
    """A seat whose drafts keep their order."""

    def hold(self, n: int, error: ChatError) -> None:
        """Let no later draft pass one that was refused for now."""


class DraftPending(msgspec.Struct):
    """A client's draft; its backend gets the outcome. A struct, because every draft needs one."""

    draft: Draft
    reply: Reply
    seat: Holds
    """Is told, before the reply, that the draft was not stored."""

    def decided(self, outcome: Outcome) -> None:
        assert outcome is not None  # only a checkpoint has no outcome
        self.reply(self.draft, outcome)

    def failed(self, error: ChatError) -> None:
        self.seat.hold(self.draft.n, error)
        self.reply(self.draft, type(error)(str(error), n=self.draft.n))


class Decision(Pending):
    """An entry of the hub itself; a coroutine may wait for its outcome."""

    __slots__ = ("_refused", "outcome")

    def __init__(self, refused: Callable[[ChatError | Ack], None] | None = None) -> None:
        """``refused`` is called if the entry does not become an event, even if the caller was cancelled."""
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._refused = refused

    def decided(self, outcome: Outcome) -> None:
        if self._refused is not None and not (outcome is None or isinstance(outcome, Event)):
            self._refused(outcome)
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def failed(self, error: ChatError) -> None:
        self.decided(error)
