"""AMQP 0-9-1 connections and channels whose calls can be awaited, on top of pika's asyncio adapter.

pika reports by callbacks. When a connection or a channel ends, it calls none of the callbacks that are
pending. Here every call and every publisher confirm has a future, and all of them fail when the channel ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import pika
from pika import exceptions

from backends.rabbitmq.amqp_errors import Refused, to_chat_error
from backends.rabbitmq.amqp_login import OPEN_TIMEOUT, parameters
from backends.rabbitmq.pika_connection import (
    BatchingConnection,
    Properties,
    read_stream_offset,
    stream_offset,
)
from chat.domain.errors import ChatError, ConnectionLost, NotStored
from chat.domain.validation import printable
from chat.interfaces.address import Address
from chat.interfaces.tls import Trust
from chat.transport.errors import no_answer

# pika logs what it also reports to its caller. Its tracebacks must not reach the user's screen.
logging.getLogger("pika").addHandler(logging.NullHandler())
logging.getLogger("pika").propagate = False

CALL_TIMEOUT = 10.0
"""Seconds until the broker has answered a call. A working broker needs a few milliseconds."""
CLOSE_TIMEOUT = 2.0
"""Seconds until the broker has answered the closing of a connection or a channel."""
NO_ROUTE = 312
"""Reply code of a mandatory message that no queue takes."""

OnStreamed = Callable[[int, int, str, bytes], None]
"""Called on the loop for each message of a stream: delivery tag, offset, ``message_id`` or "", body."""
OnMessage = Callable[[Any, pika.BasicProperties, bytes], None]
"""Called on the loop for each delivery: its method (``delivery_tag``), properties and body."""


class Connection:
    """One AMQP connection to a broker."""

    def __init__(self, raw: BatchingConnection, address: Address, user: str) -> None:
        self.raw = raw
        """pika's connection."""
        self._address = address
        self._user = user
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[ChatError] = self._loop.create_future()
        """Done when the connection has ended, with the reason."""
        self.blocked = ""
        """The reason of ``connection.blocked``, while the broker reads nothing from this connection; else "".
        See https://www.rabbitmq.com/docs/connection-blocked."""
        self.on_blocked: Callable[[], None] = lambda: None
        raw.add_on_close_callback(lambda _, error: self._ended(error))
        raw.add_on_connection_blocked_callback(
            lambda _, frame: self._block(str(frame.method.reason) or "an alarm")
        )
        raw.add_on_connection_unblocked_callback(lambda *_: self._block(""))

    @classmethod
    async def open(cls, address: Address, access: str, name: str, trust: Trust | None = None) -> Connection:
        """Connect and log in.

        Args:
            address: the broker's.
            access: the shared access token; see `parameters`.
            name: the connection's name in the broker's own tools.
            trust: connect with TLS; None: without.

        Raises:
            AccessDenied: the broker refuses user or password.
            ConnectionLost: no broker answers, or it ends the connection.
            ChatError: there is no such virtual host, or no broker.
        """
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[BatchingConnection | Exception] = loop.create_future()
        options = parameters(address, access, name, trust)
        user = options.credentials.username
        BatchingConnection.create_connection(
            [options], on_done=lambda result: _resolve(opened, result), custom_ioloop=loop
        )
        try:
            async with asyncio.timeout(OPEN_TIMEOUT + 1):
                result = await asyncio.shield(opened)
        except BaseException as error:
            opened.add_done_callback(_close_unused)  # pika 1.4 can't cancel an attempt: its abort() fails
            if isinstance(error, TimeoutError):
                raise ConnectionLost(no_answer(address)) from None
            # The loop may end before pika has opened it, and nobody would close it then.
            await asyncio.wait([opened], timeout=CLOSE_TIMEOUT)
            if opened.done() and isinstance(raw := opened.result(), BatchingConnection):
                await cls(raw, address, user).close()
            raise
        if not isinstance(result, BatchingConnection):
            raise to_chat_error(result, address, user)
        return cls(result, address, user)

    async def channel(self, *, confirm: bool = False, prefetch: int = 0) -> Channel:
        """Open a channel.

        Args:
            confirm: the broker confirms each message that is published
                (https://www.rabbitmq.com/docs/confirms#publisher-confirms).
            prefetch: deliveries that may be unacknowledged (``basic.qos``); 0: no limit.

        Raises:
            ChatError: the channel could not be opened.
        """
        channel = Channel(self)
        try:
            await channel.wait_for_callback(
                lambda done: channel.bind(self.raw.channel(on_open_callback=done))
            )
            if confirm:
                await channel.wait_for_callback(
                    lambda done: channel.raw.confirm_delivery(channel.told_by_pika, done)
                )
                self.raw.confirms[channel.raw.channel_number] = channel.confirmed
            if prefetch:
                await channel.call("basic_qos", prefetch_count=prefetch)
        except exceptions.AMQPError as error:
            raise self.to_chat_error(error) from None
        return channel

    async def close(self) -> None:
        """Close with the handshake of AMQP, within `CLOSE_TIMEOUT`. Never raises."""
        if self.raw.is_open:
            self.raw.close()
        await asyncio.wait([self.closed], timeout=CLOSE_TIMEOUT)
        if not self.closed.done():
            self.abort()

    def abort(self) -> None:
        """End the connection without waiting for the broker."""
        if not self.raw.is_closed and not self.raw.is_closing:
            self.raw.close()
        self._ended(exceptions.StreamLostError("given up"))

    def to_chat_error(self, error: Any) -> ChatError:
        """Return an error of the chat for an error of pika on this connection."""
        return to_chat_error(error, self._address, self._user)

    def _block(self, reason: str) -> None:
        self.blocked = printable(reason)
        self.on_blocked()

    def _ended(self, error: Any) -> None:
        if not self.closed.done():
            self.closed.set_result(self.to_chat_error(error))


class Channel:
    """One channel of a connection. A call that fails closes it (AMQP 0-9-1, 2.3.6)."""

    raw: Any
    """pika's channel."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[ChatError] = self._loop.create_future()
        """Done when the channel has ended, with the reason."""
        self._calls: set[asyncio.Future[Any]] = set()
        self._unconfirmed: OrderedDict[int, asyncio.Future[None]] = OrderedDict()
        self._published = self._number = 0
        self._returned = False  # no queue took the message that the next confirm is about
        connection.closed.add_done_callback(self._connection_ended)

    def bind(self, raw: Any) -> None:
        """Use this channel of pika from now on."""
        self.raw, self._number = raw, raw.channel_number
        raw.add_on_close_callback(lambda _, error: self._end(self._connection.to_chat_error(error)))
        raw.add_on_return_callback(self._return)

    # --- calls ---------------------------------------------------------------------------------

    async def call(self, name: str, **arguments: Any) -> Any:
        """Call a method of the broker and return its answer.

        Args:
            name: a method of pika's channel, e.g. ``queue_declare``.
            arguments: passed on to it.

        Raises:
            Refused: the broker has closed the channel because of the call.
            ConnectionLost: the channel or the connection has ended, or no answer came in `CALL_TIMEOUT`.
        """
        method = getattr(self.raw, name)
        return (await self.wait_for_callback(lambda done: method(callback=done, **arguments))).method

    async def consume(
        self,
        queue: str,
        on_message: OnMessage,
        *,
        auto_ack: bool = False,
        exclusive: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> str:
        """Have a queue's messages delivered to ``on_message``; return the consumer tag.

        Args:
            queue: its name.
            on_message: may be called before this method has returned.
            auto_ack: deliveries need no acknowledgement. A stream does not allow it (540).
            exclusive: no other consumer may read the queue.
            arguments: of ``basic.consume``, e.g. ``x-stream-offset``.

        Raises:
            ChatError: like `call`.
        """
        tag: str = ""

        def begin(done: Callable[[Any], None]) -> None:
            nonlocal tag
            tag = self.raw.basic_consume(
                queue,
                lambda _, method, properties, body: on_message(method, properties, body),
                auto_ack=auto_ack,
                exclusive=exclusive,
                arguments=dict(arguments or {}),
                callback=done,
            )

        await self.wait_for_callback(begin)
        return tag

    async def consume_stream(self, queue: str, start: int | str, on_message: OnStreamed) -> None:
        """Have the messages of a stream delivered to ``on_message``.

        Args:
            queue: the stream's name.
            start: ``x-stream-offset``.
            on_message: may be called before this method has returned.

        Raises a `ChatError` like `call`.
        """

        def from_pika(method: Any, properties: pika.BasicProperties, body: bytes) -> None:
            on_message(method.delivery_tag, *stream_offset(properties), body)

        def deliver(tag: int, properties: bytes, body: bytes) -> None:
            if self.raw.is_open:  # pika, too, drops what comes behind a close
                on_message(tag, *read_stream_offset(properties), body)

        tag = await self.consume(queue, from_pika, arguments={"x-stream-offset": start})
        self._connection.raw.streams[self._number, tag.encode()] = deliver

    async def wait_for_callback(self, begin: Callable[[Callable[[Any], None]], object]) -> Any:
        """Start an operation and wait until it calls back.

        Args:
            begin: starts the operation; it is given the callback.

        Returns:
            What the callback was given: a frame.

        Raises:
            ChatError: like `call`.
        """
        if self.closed.done():
            raise self.closed.result()
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._calls.add(answer)
        try:
            begin(lambda frame: _resolve(answer, frame))
            async with asyncio.timeout(CALL_TIMEOUT):
                return await answer
        except exceptions.AMQPError as error:
            raise self._connection.to_chat_error(error) from None
        except TimeoutError:
            raise ConnectionLost(f"the broker has not answered for {CALL_TIMEOUT:.0f} s") from None
        finally:
            self._calls.discard(answer)
            answer.cancel()

    # --- publishing ----------------------------------------------------------------------------

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Properties,
        *,
        mandatory: bool = False,
    ) -> asyncio.Future[None]:
        """Publish a message on a channel that was opened with ``confirm``.

        Args:
            exchange: its name; "" is the default exchange, which routes to the queue named by the key.
            routing_key: for a fanout exchange: "".
            body: of the message.
            properties: of the message.
            mandatory: the message is returned if no queue takes it.

        Returns:
            A future that is done when the broker has confirmed the message. It fails with `NotStored` if the
            broker refuses it (``basic.nack``), with `Refused` (`NO_ROUTE`) if it was returned, with
            `ConnectionLost` if the channel ends first. Nobody has to look at the failure.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        if self.closed.done():
            _fail(done, self.closed.result())
            return done
        self._published += 1
        self._unconfirmed[self._published] = done
        try:
            what = (exchange, routing_key, body, properties, mandatory)
            if not (self.raw.is_open and self._connection.raw.publish(self._number, *what)):
                self.raw.basic_publish(*what)
        except exceptions.AMQPError as error:
            del self._unconfirmed[self._published]
            self._published -= 1
            _fail(done, self._connection.to_chat_error(error))
        return done

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Acknowledge a delivery, with ``multiple`` also all before it. A closed channel ignores it."""
        if self.raw.is_open:
            self.raw.basic_ack(tag, multiple)

    def told_by_pika(self, frame: Any) -> None:
        """Handle a confirm as pika has it."""
        method = frame.method
        self.confirmed(method.delivery_tag, method.multiple, taken=isinstance(method, pika.spec.Basic.Ack))

    def confirmed(self, last: int, multiple: bool, *, taken: bool = True) -> None:
        """Handle a publisher confirm: ``basic.ack`` or ``basic.nack``, for one message or several."""
        tags = [last]
        if multiple:
            tags = []
            for tag in self._unconfirmed:
                if tag > last:
                    break
                tags.append(tag)
        returned, self._returned = self._returned, False
        for tag in tags:
            done = self._unconfirmed.pop(tag, None)
            if done is None or done.done():
                continue
            if not taken:
                _fail(done, NotStored("the broker does not take the message: try again"))
            elif returned and tag == tags[-1]:
                _fail(done, Refused("no queue takes the message", NO_ROUTE))
            else:
                done.set_result(None)

    def _return(self, *_: Any) -> None:
        self._returned = True  # RabbitMQ sends basic.return just before the confirm

    # --- closing -------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close the channel; it has ended then, even if the broker does not answer. Never raises."""
        if self.raw.is_open:
            self.raw.close()
            await asyncio.wait([self.closed], timeout=CLOSE_TIMEOUT)
        self._end(ConnectionLost("the channel is closed"))

    def _connection_ended(self, connection: asyncio.Future[ChatError]) -> None:
        self._end(connection.result())

    def _end(self, reason: ChatError) -> None:
        if self.closed.done():
            return
        self.closed.set_result(reason)
        self._connection.raw.forget(self._number)
        self._connection.closed.remove_done_callback(self._connection_ended)
        for waiting in [*self._calls, *self._unconfirmed.values()]:
            if not waiting.done():
                _fail(waiting, reason)
        self._unconfirmed.clear()


def _resolve(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _close_unused(opened: asyncio.Future[Any]) -> None:
    """Close a connection that was opened after its caller had given up."""
    if isinstance(raw := opened.result(), BatchingConnection) and raw.is_open:
        raw.close()


def _fail(future: asyncio.Future[Any], error: ChatError) -> None:
    """Let the future fail without a warning if nobody awaits it: the channel reports its end as well."""
    future.set_exception(error)
    future.exception()
