"""pika's asyncio connection as something that can be awaited.

pika reports by callbacks, and calls none of those that wait when a connection or a channel ends. Here every
call and every confirm has a future, and the end of the channel ends them all with the reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
from pika import exceptions
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout

from backends.rabbitmq.names import HEARTBEAT, virtual_host
from chat.domain.errors import AccessDenied, ChatError, Closing, ConnectionLost, NotStored
from chat.domain.validation import printable
from chat.interfaces.address import Address
from chat.transport.errors import no_answer

# What it logs is told as an error where somebody waits for it; nobody's screen is for its tracebacks.
logging.getLogger("pika").addHandler(logging.NullHandler())
logging.getLogger("pika").propagate = False

OPEN_TIMEOUT = 5.0
"""Seconds until a broker has let us in."""
CALL_TIMEOUT = 10.0
"""Seconds until it has answered a call: far more than it takes, unless it is stuck."""
CLOSE_TIMEOUT = 2.0
CANCELLED = 320
"""With this code we close a channel whose consumer the broker has cancelled: its queue is gone."""
DEEP = 30
"""Errors that are looked at in the one that pika gives."""
GUEST = "guest"
"""Who one is to a broker that is told nothing else: user and password that RabbitMQ has from the start."""

Message = Callable[[Any, pika.BasicProperties, bytes], None]
"""Called on the loop for each delivery: its method (``delivery_tag``), properties and body."""


class Refused(ChatError):
    """The broker has closed the channel over a call; ``reply_code`` is AMQP's (0-9-1, 1.4)."""

    def __init__(self, text: str, reply_code: int) -> None:
        super().__init__(text)
        self.reply_code = reply_code

    @property
    def absent(self) -> bool:
        return self.reply_code == 404

    @property
    def locked(self) -> bool:
        """Another connection has the exclusive queue."""
        return self.reply_code == 405


def parameters(address: Address, access: str, name: str) -> pika.ConnectionParameters:
    """Return how to connect: user and password from the URL; else the access token is the password."""
    parts = urlsplit(address.url)
    user = unquote(parts.username or GUEST)
    password = unquote(parts.password) if parts.password is not None else access or GUEST
    return pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=virtual_host(address),
        credentials=pika.PlainCredentials(user, password),
        heartbeat=HEARTBEAT,
        socket_timeout=OPEN_TIMEOUT,
        stack_timeout=OPEN_TIMEOUT,
        connection_attempts=1,
        client_properties={"connection_name": name},
    )


async def greets(address: Address) -> None:
    """Look whether a broker answers there (AMQP 0-9-1, 4.2.2), before it is pika's: that can't be broken off.

    Raises `ConnectionLost`, or a `ChatError` where something else answers.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"AMQP\x00\x00\x09\x01")
            answer = await reader.read(1)
    except (OSError, TimeoutError) as error:
        raise explained(error, address) from None
    finally:
        if writer is not None:
            writer.transport.abort()
    if answer != b"\x01":  # a method frame
        raise explained(exceptions.IncompatibleProtocolError(), address)


class Connection:
    """One connection to a broker."""

    def __init__(self, raw: AsyncioConnection, address: Address, user: str) -> None:
        self._raw = raw
        self._address = address
        self._user = user
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[ChatError] = self._loop.create_future()
        """Done when the connection has ended, with the reason."""
        self.blocked = ""
        """Why the broker reads nothing that is published here; "" while it does."""
        self.on_blocked: Callable[[], None] = lambda: None
        raw.add_on_close_callback(lambda _, error: self._ended(error))
        raw.add_on_connection_blocked_callback(
            lambda _, frame: self._block(str(frame.method.reason) or "an alarm")
        )
        raw.add_on_connection_unblocked_callback(lambda *_: self._block(""))

    @classmethod
    async def open(cls, address: Address, access: str, name: str) -> Connection:
        """Connect and log in; ``name`` is what the broker's own tools show.

        Raises `AccessDenied`, `ConnectionLost`, or a `ChatError` where the virtual host is not there.
        """
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[AsyncioConnection | Exception] = loop.create_future()
        told = parameters(address, access, name)
        user = told.credentials.username
        AsyncioConnection.create_connection(
            [told], on_done=lambda result: _answer(opened, result), custom_ioloop=loop
        )
        try:
            async with asyncio.timeout(OPEN_TIMEOUT + 1):
                result = await asyncio.shield(opened)
        except BaseException as error:
            opened.add_done_callback(_let_go)  # pika 1.4 can't break off what it has begun: its abort() fails
            if isinstance(error, TimeoutError):
                raise ConnectionLost(no_answer(address)) from None
            await asyncio.wait([opened], timeout=CLOSE_TIMEOUT)
            if opened.done() and isinstance(raw := opened.result(), AsyncioConnection):
                await cls(raw, address, user).close()
            raise
        if not isinstance(result, AsyncioConnection):
            raise explained(result, address, user)
        return cls(result, address, user)

    async def channel(self, *, confirm: bool = False, prefetch: int = 0) -> Channel:
        """Open a channel; ``confirm``: every publishing is confirmed. Raises a `ChatError`."""
        channel = Channel(self)
        try:
            await channel.ask(lambda done: channel.bind(self._raw.channel(on_open_callback=done)))
            if confirm:
                await channel.ask(lambda done: channel.raw.confirm_delivery(channel.confirmed, done))
            if prefetch:
                await channel.call("basic_qos", prefetch_count=prefetch)
        except exceptions.AMQPError as error:
            raise explained(error, self._address, self._user) from None
        return channel

    async def close(self) -> None:
        """Say good-bye; never raises."""
        if self._raw.is_open:
            self._raw.close()
        await asyncio.wait([self.closed], timeout=CLOSE_TIMEOUT)
        if not self.closed.done():
            self.abort()

    def abort(self) -> None:
        """End it at once, without a word."""
        _abandon(self._raw)
        self._ended(exceptions.StreamLostError("given up"))

    def explain(self, error: Any) -> ChatError:
        return explained(error, self._address, self._user)

    def _block(self, reason: str) -> None:
        self.blocked = printable(reason)
        self.on_blocked()

    def _ended(self, error: Any) -> None:
        if not self.closed.done():
            self.closed.set_result(explained(error, self._address, self._user))


class Channel:
    """One channel of a connection. After an error of a call it is closed: AMQP has no other way."""

    raw: Any
    """pika's channel."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[ChatError] = self._loop.create_future()
        """Done when the channel has ended, with the reason."""
        self._asked: set[asyncio.Future[Any]] = set()
        self._unconfirmed: OrderedDict[int, asyncio.Future[None]] = OrderedDict()
        self._published = 0
        self._returned = False  # the message that the next confirm is about was routed nowhere
        connection.closed.add_done_callback(self._connection_ended)

    def bind(self, raw: Any) -> None:
        self.raw = raw
        raw.add_on_close_callback(lambda _, error: self._end(self._connection.explain(error)))
        raw.add_on_return_callback(self._return)

    # --- calls ---------------------------------------------------------------------------------

    async def call(self, name: str, **arguments: Any) -> Any:
        """Call a method of pika's channel and return the broker's answer, e.g. ``queue_declare``.

        Raises `Refused` when the broker closes the channel over it, `ConnectionLost` when it is gone.
        """
        method = getattr(self.raw, name)
        return (await self.ask(lambda done: method(callback=done, **arguments))).method

    async def consume(
        self,
        queue: str,
        on_message: Message,
        *,
        auto_ack: bool = False,
        exclusive: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> str:
        """Have a queue's messages delivered to ``on_message``; return the consumer's tag.

        Raises like `call`.
        """
        tag: str = ""

        def ask(done: Callable[[Any], None]) -> None:
            nonlocal tag
            tag = self.raw.basic_consume(
                queue,
                lambda _, method, properties, body: on_message(method, properties, body),
                auto_ack=auto_ack,
                exclusive=exclusive,
                arguments=dict(arguments or {}),
                callback=done,
            )

        await self.ask(ask)
        return tag

    async def ask(self, begin: Callable[[Callable[[Any], None]], object]) -> Any:
        """Begin something that reports by a callback, and wait for that, or for the channel's end."""
        if self.closed.done():
            raise self.closed.result()
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._asked.add(answer)
        try:
            begin(lambda frame: _answer(answer, frame))
            async with asyncio.timeout(CALL_TIMEOUT):
                return await answer
        except exceptions.AMQPError as error:
            raise self._connection.explain(error) from None
        except TimeoutError:
            raise ConnectionLost(f"the broker has not answered for {CALL_TIMEOUT:.0f} s") from None
        finally:
            self._asked.discard(answer)
            answer.cancel()

    # --- publishing ----------------------------------------------------------------------------

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: pika.BasicProperties,
        *,
        mandatory: bool = False,
    ) -> asyncio.Future[None]:
        """Publish; on a channel with confirms the future is done when the broker has the message.

        It fails with `NotStored` when the broker refuses it, `Refused` (312) when it is mandatory and no
        queue gets it, `ConnectionLost` when the channel ends before.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        if self.closed.done():
            _fail(done, self.closed.result())
            return done
        self._published += 1
        self._unconfirmed[self._published] = done
        try:
            self.raw.basic_publish(exchange, routing_key, body, properties, mandatory)
        except exceptions.AMQPError as error:
            del self._unconfirmed[self._published]
            self._published -= 1
            _fail(done, self._connection.explain(error))
        return done

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Acknowledge a delivery; nothing happens on a channel that has ended."""
        if self.raw.is_open:
            self.raw.basic_ack(tag, multiple)

    def confirmed(self, frame: Any) -> None:
        method = frame.method
        tags = [method.delivery_tag]
        if method.multiple:
            tags = []
            for tag in self._unconfirmed:
                if tag > method.delivery_tag:
                    break
                tags.append(tag)
        returned, self._returned = self._returned, False
        for tag in tags:
            done = self._unconfirmed.pop(tag, None)
            if done is None or done.done():
                continue
            if not isinstance(method, pika.spec.Basic.Ack):
                _fail(done, NotStored("the broker does not take the message: try again"))
            elif returned and tag == tags[-1]:
                _fail(done, Refused("no queue takes the message", 312))
            else:
                done.set_result(None)

    def _return(self, *_: Any) -> None:
        self._returned = True  # RabbitMQ returns a message just before it confirms it

    # --- the end -------------------------------------------------------------------------------

    async def close(self) -> None:
        """Never raises."""
        if self.raw.is_open:
            self.raw.close()
            await asyncio.wait([self.closed], timeout=CLOSE_TIMEOUT)

    def _connection_ended(self, connection: asyncio.Future[ChatError]) -> None:
        self._end(connection.result())

    def _end(self, reason: ChatError) -> None:
        if self.closed.done():
            return
        self.closed.set_result(reason)
        self._connection.closed.remove_done_callback(self._connection_ended)
        for waiting in [*self._asked, *self._unconfirmed.values()]:
            if not waiting.done():
                _fail(waiting, reason)
        self._unconfirmed.clear()


def explained(error: Any, address: Address, user: str = GUEST) -> ChatError:
    """Return pika's error in the words of the chat: what happened, and what to do next."""
    for cause in _causes(error):
        if (told := _explained(cause, address, user)) is not None:
            return told
    return ConnectionLost(f"the connection to the broker at {address} is gone")


def _explained(error: Any, address: Address, user: str) -> ChatError | None:
    match error:
        case exceptions.ProbableAuthenticationError() | exceptions.AuthenticationError():
            return AccessDenied(_denied(address, user))
        case exceptions.ProbableAccessDeniedError():
            return _no_virtual_host(address, user)
        case exceptions.ConnectionClosedByBroker(reply_code=403):
            return AccessDenied(_denied(address, user))
        case exceptions.ConnectionClosedByBroker(reply_code=530):
            return _no_virtual_host(address, user)
        case exceptions.ConnectionClosedByBroker(reply_code=320):
            return Closing(f"the broker at {address} is going down")
        case exceptions.ChannelClosedByBroker():
            return Refused(f"the broker refuses: {printable(error.reply_text)}", error.reply_code)
        case exceptions.ConnectionClosedByBroker():
            return ConnectionLost(f"the broker at {address} has closed the connection: {_said(error)}")
        case exceptions.IncompatibleProtocolError():
            return ChatError(f"{address} is no broker: it does not speak AMQP 0-9-1")
        case exceptions.AMQPHeartbeatTimeout():
            return ConnectionLost(f"the broker at {address} gives no sign of life")
        case exceptions.ChannelClosedByClient(reply_code=code) if code == CANCELLED:
            return ConnectionLost(str(error.reply_text))
        case exceptions.ConnectionClosedByClient() | exceptions.ChannelClosedByClient():
            return ConnectionLost("the connection is closed")
        case ConnectionRefusedError():
            return ConnectionLost(
                f"no broker listens on {address}: start one (docker compose up -d rabbitmq), "
                "or leave --server out"
            )
        case TimeoutError() | AMQPConnectorStackTimeout():
            return ConnectionLost(no_answer(address))
        case OSError():
            return ConnectionLost(f"no connection to {address}: {error.strerror or error}")
    return None


def _denied(address: Address, user: str) -> str:
    return (
        f"the broker at {address} refuses user {printable(user)} with this password: give both in --server "
        "amqp://USER:PASSWORD@HOST, or the password in CHAT_TOKEN"
    )


def _no_virtual_host(address: Address, user: str) -> ChatError:
    host = printable(virtual_host(address))
    return ChatError(
        f"the broker at {address} has no virtual host {host} for user {printable(user)}: make it with "
        f"rabbitmqctl add_vhost {host} and set_permissions, or name another one in --server"
    )


def _said(error: exceptions.ConnectionClosed) -> str:
    return f"{error.reply_code} {printable(error.reply_text)}"


def _causes(error: Any) -> list[Any]:
    """Return the error and what is inside it: pika wraps, by cause, by context and by argument."""
    found: list[Any] = []
    todo = [error]
    while todo and len(found) < DEEP:
        one = todo.pop(0)
        if one in found or one is None:
            continue
        found.append(one)
        if isinstance(one, BaseException):
            todo += [*one.args, one.__cause__, one.__context__]
        todo += [getattr(one, "exception", None), *getattr(one, "exceptions", ())]
    return found


def _answer(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _let_go(opened: asyncio.Future[Any]) -> None:
    """Nobody waits for this connection any more."""
    if isinstance(raw := opened.result(), AsyncioConnection) and raw.is_open:
        raw.close()


def _fail(future: asyncio.Future[Any], error: ChatError) -> None:
    """Let it fail; nobody must look: a confirm that fails is told by the channel's end as well."""
    future.set_exception(error)
    future.exception()


def _abandon(raw: AsyncioConnection) -> None:
    """Free the socket of a connection that nobody waits for any more."""
    if not raw.is_closed and not raw.is_closing:
        raw.close()
