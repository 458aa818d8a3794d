"""What both modes of the client share: the link to the broker, the limits, the will, the end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from backends.rabbitmq import names
from backends.rabbitmq.amqp import Refused
from backends.rabbitmq.stream import Link
from backends.rabbitmq.will import Will
from chat.domain.errors import BadRequest, ChatError, ConnectionLost, TooFast
from chat.domain.model import Body, Deleted, Draft, Edited, Left, Limits, Sent
from chat.domain.rate_limit import Pace, too_fast
from chat.domain.room import body_of
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions

LEAVE_TIMEOUT = 2.0
"""Seconds in which a good-bye must be confirmed; then the will says it."""


class Member(ChatClient):
    """One person's link to a broker. No server keeps a room's limits, so each client keeps them itself."""

    technique = "rabbitmq"

    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self.limits = Limits()
        self.room = ""
        self.nick = ""
        self.seat = ""
        self._link: Link | None = None
        self._will: Will | None = None
        self._left: Left | None = None
        self._pace = Pace(self.limits, time.monotonic, margin=1.0)
        self._end: ChatError | None = None
        """Why it is over; None while it is not."""
        self._closing = False
        self._notices: list[str] = []

    # --- coming in -----------------------------------------------------------------------------

    async def open_link(self, access: str) -> Link:
        """Connect. Raises a `ChatError`."""
        if self._link is not None:
            raise BadRequest("a client connects once")
        self._pace = Pace(self.limits, time.monotonic, margin=1.0)
        link = await Link.open(self.address, access, f"chat: {self.nick} in {self.room}")
        self._link = link
        link.closed.add_done_callback(lambda closed: self.lost(closed.result()))
        return link

    @property
    def link(self) -> Link:
        """The link that stands. Raises why there is none."""
        if self._end is not None:
            raise self._end
        if self._link is None or not self.seat:
            raise ConnectionLost("not connected")
        return self._link

    async def write_will(self, link: Link) -> None:
        """From now on others hear of it when we are gone without a word."""
        self._left = Left(self.seat, self.nick, self.technique, self.seat)
        self._will = Will(link, self.room, self._left, self.limits.grace)
        await self._will.write()

    async def alone(self, link: Link) -> bool:
        """Return whether no server is connected to this broker, through which other techniques come in."""
        channel = await link.consuming.channel()
        try:
            answer = await channel.call("queue_declare", queue=names.NODES, passive=True)
            return not answer.consumer_count
        except Refused:
            return True
        finally:
            await channel.close()

    def notices(self) -> list[str]:
        return self._notices

    def activity(self) -> str:
        if self._link is not None and self._link.blocked:
            return f"broker takes nothing: {self._link.blocked}"
        return ""

    # --- speaking ------------------------------------------------------------------------------

    def body(self, draft: Draft) -> Sent | Edited | Deleted:
        """Return the entry that a draft becomes. Raises what a server would refuse it with."""
        if not draft.n:
            raise BadRequest("a draft needs a number, counted from 1")
        return body_of(draft, draft.n, self.seat, self.nick, self.technique, self.limits.text_bytes)

    def take_pace(self, n: int) -> None:
        """Raise `TooFast` for who is over the rate."""
        if wait := self._pace.take():
            raise TooFast(too_fast(self.limits), n=n, retry_after=wait)

    def publish(self, link: Link, body: Body, id: str) -> asyncio.Future[None]:
        return link.publish(self.room, body, int(time.time() * 1000), id)

    # --- the end -------------------------------------------------------------------------------

    def lost(self, reason: ChatError) -> None:
        """The connection has ended, or a channel that is needed: to connect again may help."""
        self.over(ConnectionLost(str(reason)) if isinstance(reason, Refused) else reason)

    def over(self, reason: ChatError) -> None:
        """It has ended; only the first reason counts."""
        if self._end is None:
            self._end = reason
            self.ended(reason)

    def ended(self, reason: ChatError) -> None:
        """Tell whoever waits."""

    async def close(self, *, leave: bool = True) -> None:
        if self._closing:
            return
        self._closing = True
        link, will, standing = self._link, self._will, self._end is None
        if link is not None:
            if leave and standing and self._left is not None:
                await self._say_good_bye(link)
            if will is not None:
                await (will.revoke() if leave and standing else will.stop())
        self.over(ConnectionLost("the connection is closed"))
        if link is not None:
            await link.close()

    async def _say_good_bye(self, link: Link) -> None:
        assert self._left is not None
        with suppress(ChatError, TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT):
                await self.publish(link, self._left, link.next_id())
