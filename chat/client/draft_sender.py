"""Sends the drafts of a session, in order and at the server's rate, and reports what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from chat.client.outbox import Outbox, QueuedDraft
from chat.client.session_events import DraftMoved, Phase, Update
from chat.domain.errors import ChatError, ConnectionLost, SeatGone, SeatTaken, Unconfirmed
from chat.domain.model import Draft, Limits, Welcome
from chat.domain.rate_limit import TokenBucket
from chat.interfaces.client import ChatClient
from chat.language import N_

HOLD = 1.0
"""Seconds to wait after a refusal that is not final and names no time."""


class DraftSender:
    """The outbox of a session, and the task that empties it over each connection."""

    def __init__(
        self, *, resend: bool, clock: Callable[[], float], tell: Callable[[Update], Awaitable[None]]
    ) -> None:
        """Prepare.

        Args:
            resend: drafts without an answer are sent again over the next connection; else they are reported
                as unconfirmed.
            clock: returns seconds.
            tell: takes the updates about the drafts.
        """
        self._resend = resend
        self._switched = False  # the next connection sends everything again, whatever the technique
        self._clock = clock
        self._tell = tell
        self._outbox = Outbox()
        self._limits = Limits()
        self._bucket = TokenBucket(self._limits, clock)
        self._held_until = 0.0  # by the clock: nothing is sent before
        self._held_no_more = asyncio.Event()
        self._one_at_a_time = False  # a draft was refused for now, and none was accepted since
        self._wake = asyncio.Event()  # something to send
        self._shrunk = asyncio.Event()  # the outbox has lost a draft, or the session has ended
        self._ended = False

    def add(self, draft: Draft) -> int:
        """Put a draft into the outbox; return its token."""
        token = self._outbox.add(draft, self._clock())
        self._wake.set()
        return token

    @property
    def unanswered(self) -> list[int]:
        """The tokens of the drafts that the room has not answered, oldest first."""
        return self._outbox.tokens

    @property
    def waiting(self) -> int:
        """How many drafts the next connection will send."""
        again = self._resend or self._switched
        return len(self._outbox) - (0 if again else len(self._outbox.on_wire()))

    def switched(self, *, resend: bool) -> None:
        """The next connection is over another technique: no answer of the old one will come any more.

        So it sends all drafts again that were not answered. The room recognises their numbers.

        Args:
            resend: as in the constructor, for the connections after it.
        """
        self._resend, self._switched = resend, True

    async def settled(self, at_most: int) -> None:
        """Wait until at most so many drafts are unanswered, or the session has ended."""
        while len(self._outbox) > at_most and not self._ended:
            self._shrunk.clear()
            await self._shrunk.wait()

    def end(self) -> None:
        """Wake the callers that wait, because the session has ended."""
        self._ended = True
        self._shrunk.set()

    def welcomed(self, welcome: Welcome) -> None:
        """Use the server's limits, and continue after the seat's highest draft number."""
        self._limits = welcome.limits
        self._outbox.number = max(self._outbox.number, welcome.n)
        self._bucket.follow(welcome.limits)

    def hold_no_longer(self) -> None:
        """What was refused for now may be accepted at once: the room has other rules."""
        self._held_until = 0.0
        self._held_no_more.set()

    def arrived(self, n: int) -> QueuedDraft | None:
        """Return the own draft whose event has come."""
        queued = self._outbox.arrived(n)
        if queued is not None:
            self._accepted()
        return queued

    # --- sending -------------------------------------------------------------------------------

    async def run(self, client: ChatClient) -> None:
        """Send the outbox over this connection, what was sent before included, until cancelled.

        After a refusal that is not final (too fast, disk full) no other draft is sent before that one; the
        server refuses those that are under way behind it (an older server, or a broker, does not). Then
        drafts are sent one at a time until one is accepted.
        """
        if not self._resend and not self._switched:
            await self.give_up(N_("the connection broke before the answer"))
        self._outbox.send_again()
        self._switched = False
        self._one_at_a_time = False
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                self._wake.clear()
                if (queued := self._outbox.next()) is None:
                    await self._wake.wait()
                    continue
                if self._one_at_a_time and self._outbox.on_wire():
                    await self._wake.wait()
                    continue
                if (wait := self._held_until - self._clock()) > 0:
                    self._held_no_more.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait):
                            await self._held_no_more.wait()
                    continue  # another draft may be first now
                if wait := self._bucket.take():
                    await self._moved(queued, "waiting", N_(f"waiting ({self._limits.rate:g}/s)"))
                    await asyncio.sleep(wait)
                    continue
                self._outbox.sending(queued)
                await self._moved(queued, "sending")
                task = asyncio.create_task(self._send(client, queued))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, client: ChatClient, queued: QueuedDraft) -> None:
        try:
            ack = await client.send(queued.draft)
        except Unconfirmed as error:
            if self._remove(queued):
                await self._moved(queued, "unconfirmed", str(error))
        except (ConnectionLost, SeatGone, SeatTaken):
            # It stays in the outbox; reading ends this connection. Who took the seat may be this session over
            # another technique, which sends it again.
            return
        except ChatError as error:
            if error.final:
                await self._fail(queued, str(error))
                return
            self._held_until = self._clock() + (error.retry_after or HOLD)
            queued.on_wire = False
            self._one_at_a_time = True
            self._wake.set()
            await self._moved(queued, "waiting", str(error))
        else:  # without an ack, its event has come
            self._accepted()
            if ack is not None and self._remove(queued):
                await self._moved(queued, "sent")

    async def give_up(self, reason: str) -> None:
        """Report the drafts that were sent and not answered as unconfirmed."""
        for queued in self._outbox.on_wire():
            self._remove(queued)
            await self._moved(queued, "unconfirmed", reason)

    async def fail_changes(self, reason: str) -> None:
        """Report the drafts that change a message as failed: in another log the id is another message's."""
        for queued in self._outbox.changes():
            await self._fail(queued, reason)

    def _accepted(self) -> None:
        self._one_at_a_time = False
        self._wake.set()
        self._shrunk.set()

    def _remove(self, queued: QueuedDraft) -> bool:
        self._shrunk.set()
        self._wake.set()
        return self._outbox.acknowledged(queued)

    async def _fail(self, queued: QueuedDraft, reason: str) -> None:
        self._shrunk.set()
        self._wake.set()
        self._outbox.failed(queued)
        await self._moved(queued, "failed", reason)

    async def _moved(self, queued: QueuedDraft, phase: Phase, reason: str = "") -> None:
        await self._tell(DraftMoved(queued.token, phase, reason))
