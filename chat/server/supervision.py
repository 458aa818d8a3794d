"""What the teacher's means do at a server: who may use them, and what they forbid, in one room.

A message that would come after a ``freeze`` in the log is refused, though that is not committed yet: what was
appended counts already.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

from chat.domain.classroom import PREFIX, WRITTEN_BY_SEVERAL, Classroom, is_proof, parse
from chat.domain.errors import BadText, ChatError, NotYours, TooFast
from chat.domain.model import Ack, Body, Deleted, Draft, Edited, Entry, Event, Left, Sent
from chat.domain.room import event_of
from chat.interfaces.server import Reply
from chat.language import N_

NO_TEACHER = N_("this server has no teacher: start it with --lan, or with --teacher-token-file")


class Supervision:
    """The teacher's means in one room of this server."""

    def __init__(self, token: str, *, shared: bool) -> None:
        """Prepare.

        Args:
            token: the teacher's; "": there is no teacher.
            shared: other servers write to the log, too.
        """
        self._token, self._shared = token, shared
        self.state = Classroom()
        """What holds for the next draft: with what is appended and not committed."""
        self._now = self.state
        self._under_way = 0

    def concerns(self, body: Sent | Edited | Deleted) -> TypeGuard[Sent | Edited]:
        """Return whether a draft may be forbidden, or is one of the teacher's means: most are neither."""
        if type(body) is not Sent and isinstance(body, Deleted):
            return False
        state = self.state
        return bool(body.text.startswith(PREFIX) or state.frozen or state.muted or state.slow)

    def permit(self, body: Sent | Edited, since: float) -> ChatError | None:
        """Return why an entry may not be appended; None: it may.

        Args:
            body: a seat's draft, as the log would have it.
            since: the seconds since the last draft of the seat.
        """
        try:
            refused = self._permit(body, since)
        except BadText as error:
            refused = error
        if refused is not None:
            refused.n = body.n
        return refused

    def _permit(self, body: Sent | Edited, since: float) -> ChatError | None:
        order = parse(body.text)
        state = self.state
        if order is None:
            if (left := state.slow - since) > 0 and body.seat not in state.teachers:
                return TooFast(f"slow mode: one message in {state.slow:g} s", retry_after=left)
            return state.forbids(body.seat, body.author)
        if self._shared:
            return NotYours(WRITTEN_BY_SEVERAL)
        if isinstance(body, Edited):
            return BadText("a message can't be changed into one of the teacher's means: send it")
        if order.verb == "teacher":
            if not self._token:
                return NotYours(NO_TEACHER)
            if not is_proof(order.argument, self._token, body.seat):
                return NotYours("the teacher's token is wrong, or it is that of another server")
        elif order.verb != "hand" and body.seat not in state.teachers:
            return NotYours(f"only a teacher may use /class {order.verb}: show the teacher's token first")
        return None

    def appended(self, body: Body, reply: Reply) -> Reply:
        """Count a draft that is appended now, if it is one of the teacher's means.

        Returns:
            What to call with the outcome.
        """
        if not (isinstance(body, Sent) and body.text.startswith(PREFIX)):
            return reply
        self._under_way += 1
        self.state = self._after(Entry(0, 0, body), self.state)

        def decided(draft: Draft, outcome: Event | Ack | ChatError) -> None:
            self._under_way -= 1
            if not self._under_way:
                self.state = self._now
            reply(draft, outcome)

        return decided

    def decided(self, entry: Entry, event: Event) -> None:
        """Take an event and its entry. Messages that are none of the means change nothing."""
        if _matters(entry.body):
            self._set(self._after(entry, self._now, event))

    def replay(self, entries: Iterable[Entry]) -> None:
        """Take the accepted entries of the log, when the room is loaded."""
        for entry in entries:
            if _matters(entry.body):
                self._set(self._after(entry, self._now))

    def _set(self, now: Classroom) -> None:
        self._now = now
        if not self._under_way:
            self.state = now

    def _after(self, entry: Entry, before: Classroom, event: Event | None = None) -> Classroom:
        """Return what holds after an entry. What a log from before, or of others, claims is not believed."""
        event = event or event_of(entry, 0)
        if event.kind != "sent":
            return before.after(event)
        try:
            order = parse(event.text)
        except BadText:
            return before
        if order is None:
            return before
        if order.verb == "teacher":
            believed = is_proof(order.argument, self._token, event.seat)
        else:
            believed = order.verb == "hand" or event.seat in before.teachers
        return before.obeying(order, event) if believed else before


def _matters(body: Body) -> bool:
    """Return whether an entry can change what holds."""
    return type(body) is Left or (type(body) is Sent and body.text.startswith(PREFIX))
