"""What both modes of the client share: the link to the broker, the limits, the last will, the end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from secrets import token_hex

import pika

from backends.rabbitmq import names
from backends.rabbitmq.amqp_errors import Refused, hindrance
from backends.rabbitmq.stream import Link, gap_notice, oldest_offset
from backends.rabbitmq.will import LastWill
from chat.domain.classroom import PREFIX, WRITTEN_BY_SEVERAL
from chat.domain.errors import BadRequest, ChatError, ConnectionLost, NotYours, TooFast
from chat.domain.model import Body, Deleted, Draft, Edited, Left, Limits, Say, Sent
from chat.domain.rate_limit import TokenBucket, too_fast
from chat.domain.room import body_of
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.language import N_

LEAVE_TIMEOUT = 2.0
"""Seconds until the broker has confirmed the ``left`` entry; without a confirm the last will publishes it."""


class BrokerClient(ChatClient):
    """One connection of one person to a broker. No server enforces the limits, so each client keeps them."""

    technique = "rabbitmq"

    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self.limits = Limits()
        self.room = ""
        self.nick = ""
        self.seat = ""
        self._link: Link | None = None
        self._will: LastWill | None = None
        self._left: Left | None = None  # the entry that ends the seat
        self._bucket = TokenBucket(self.limits, time.monotonic, margin=1.0)
        self._reason: ChatError | None = None  # why the connection is over; None while it is not
        self._closing = False
        self._notices: list[str] = []

    # --- connecting ----------------------------------------------------------------------------

    async def open_link(self, access: str) -> Link:
        """Connect to the broker.

        Args:
            access: the shared access token.

        Raises:
            BadRequest: this client has connected before.
            ChatError: no broker answers, or it refuses the login.
        """
        if self._link is not None:
            raise BadRequest("a client can connect only once")
        self._bucket = TokenBucket(self.limits, time.monotonic, margin=1.0)
        name = f"chat: {self.nick} in {self.room}"
        link = await Link.open(self.address, access, name, self.options.trust)
        self._link = link
        link.closed.add_done_callback(lambda closed: self.lost(closed.result()))
        link.on_blocked = lambda: self.on_hindered(hindrance(link.blocked) if link.blocked else "")
        link.streams.on_gap = lambda *gap: self.on_notice(gap_notice(*gap))
        return link

    async def check(self, access: str) -> float:
        """Declare a stream of a new name, publish to it and read it; delete it whatever happens."""
        self.room, self.nick = f"doctor-{token_hex(6)}", "doctor"
        link = await self.open_link(access)
        log = names.log(self.room)
        channel = await link.consuming.channel()  # the one to publish may be blocked in the end
        try:
            await channel.call("queue_declare", queue=log, durable=True, arguments=names.LOG_ARGUMENTS)
            start = time.perf_counter()
            await link.publisher.publish("", log, b"{}", pika.BasicProperties(delivery_mode=2))
            took = time.perf_counter() - start
            await oldest_offset(link, self.room)
            return took
        finally:
            with suppress(ChatError):
                await channel.call("queue_delete", queue=log)

    @property
    def link(self) -> Link:
        """The link to the broker, while the client has a seat. Raises a `ChatError` that says why not."""
        if self._reason is not None:
            raise self._reason
        if self._link is None or not self.seat:
            raise ConnectionLost("not connected")
        return self._link

    async def write_will(self, link: Link) -> None:
        """Publish the last will of the seat. Raises a `ChatError`."""
        self._left = Left(self.seat, self.nick, self.technique, self.seat)
        self._will = LastWill(link, self.room, self._left, self.limits.grace)
        await self._will.write()

    async def without_servers(self, link: Link) -> bool:
        """Return whether no server, through which other techniques join, is connected to this broker."""
        channel = await link.consuming.channel()
        try:
            answer = await channel.call("queue_declare", queue=names.NODES, passive=True)
            return not answer.consumer_count
        except Refused:
            return True
        finally:
            await channel.close()

    def passed_over(self, seq: int, reason: str) -> None:
        """Tell, if the user wants to know, why an entry has no effect.

        Args:
            seq: its place; 0: it has none.
            reason: for the publisher.
        """
        if self.options.settings.get("explain") == "on":
            self.on_notice(N_(f"{f'seq {seq}' if seq else 'a message'} was passed over: {reason}"))

    def notices(self) -> list[str]:
        return self._notices

    def activity(self) -> str:
        if self._link is not None and self._link.blocked:
            return N_(f"broker takes no messages: {self._link.blocked}")
        return ""

    # --- publishing ----------------------------------------------------------------------------

    def body(self, draft: Draft) -> Sent | Edited | Deleted:
        """Return the entry's body for a draft. Raises the `ChatError` that a server would refuse it with."""
        if not draft.n:
            raise BadRequest("a draft needs a number, counted from 1")
        if isinstance(draft, Say) and draft.text.startswith(PREFIX):
            raise NotYours(WRITTEN_BY_SEVERAL, n=draft.n)
        return body_of(draft, draft.n, self.seat, self.nick, self.technique, self.limits.text_bytes)

    def check_rate(self, n: int) -> None:
        """Count draft ``n`` against the rate limit. Raises `TooFast` if it is over the limit."""
        if wait := self._bucket.take():
            raise TooFast(too_fast(self.limits), n=n, retry_after=wait)

    def publish(self, link: Link, body: Body, id: str) -> asyncio.Future[None]:
        """Publish an entry with the time of now; see `Link.publish`."""
        return link.publish(self.room, body, int(time.time() * 1000), id)

    # --- the end -------------------------------------------------------------------------------

    def lost(self, reason: ChatError) -> None:
        """End, because the connection or a channel has ended. A new connection may help."""
        self.end(ConnectionLost(str(reason)) if isinstance(reason, Refused) else reason)

    def end(self, reason: ChatError) -> None:
        """End with this reason; only the first one counts."""
        if self._reason is None:
            self._reason = reason
            self.on_end(reason)

    def on_end(self, reason: ChatError) -> None:
        """Wake what waits in this client: the connection is over."""

    async def close(self, *, leave: bool = True) -> None:
        if self._closing:
            return
        self._closing = True
        link, will, connected = self._link, self._will, self._reason is None
        if link is not None:
            if leave and connected and self._left is not None:
                await self._publish_left(link, self._left)
            if will is not None:
                await (will.revoke() if leave and connected else will.stop())
        self.end(ConnectionLost("the connection is closed"))
        if link is not None:
            await link.close()

    async def _publish_left(self, link: Link, left: Left) -> None:
        with suppress(ChatError, TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT):
                await self.publish(link, left, link.next_id())
