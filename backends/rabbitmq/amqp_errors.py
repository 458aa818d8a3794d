"""pika's errors, told as errors of the chat: what happened, and what to do next."""

from __future__ import annotations

import ssl
from typing import Any

from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout

from backends.rabbitmq.names import virtual_host
from chat.domain.errors import AccessDenied, ChatError, Closing, ConnectionLost
from chat.domain.validation import printable
from chat.interfaces.address import Address
from chat.language import N_
from chat.transport.errors import handshake_failed, no_answer

GUEST = "guest"
"""User and password that RabbitMQ has from the start (https://www.rabbitmq.com/docs/access-control)."""
CONSUMER_CANCELLED = 320
"""Reply code with which this client closes a channel after the broker has cancelled its consumer: the queue
is gone (https://www.rabbitmq.com/docs/consumer-cancel)."""
MAX_CAUSES = 30
"""Nested errors that are looked at inside the one that pika gives."""


class Refused(ChatError):
    """The broker has closed a channel because of a call, or has returned a message (AMQP 0-9-1, 2.3.6).

    Attributes:
        reply_code: e.g. 404, not found; see https://www.rabbitmq.com/amqp-0-9-1-reference#constants.
    """

    def __init__(self, text: str, reply_code: int) -> None:
        super().__init__(text)
        self.reply_code = reply_code

    @property
    def not_found(self) -> bool:
        """Whether the queue or exchange does not exist (404)."""
        return self.reply_code == 404

    @property
    def locked(self) -> bool:
        """Whether another connection has declared the exclusive queue (405, RESOURCE_LOCKED)."""
        return self.reply_code == 405


class BrokerFault(ConnectionLost):
    """The broker has ended the connection with 541, INTERNAL_ERROR: it has failed itself."""


def to_chat_error(error: Any, address: Address, user: str = GUEST) -> ChatError:
    """Return an error of the chat for an error of pika.

    Args:
        error: what pika raised, or gave to a callback; it may wrap the cause.
        address: the broker's, for the text.
        user: the user of the login, for the text.

    Returns:
        `AccessDenied`, `Closing`, `Refused`, `BrokerFault` or a plain `ChatError` where the cause is known;
        else `ConnectionLost`.
    """
    for cause in _causes(error):
        if (known := _translate(cause, address, user)) is not None:
            return known
    return ConnectionLost(f"the connection to the broker at {address} is gone")


def said_nothing(address: Address) -> ConnectionLost:
    """Return the error for a connection that was ended before a word came."""
    return ConnectionLost(
        f"{address} ended the connection without a word: the broker has just stopped, or it is no broker, or "
        "speaks only TLS (amqps://)"
    )


def _translate(error: Any, address: Address, user: str) -> ChatError | None:
    match error:
        case exceptions.ProbableAuthenticationError() | exceptions.ProbableAccessDeniedError() if _broke(
            error
        ):
            return ConnectionLost(f"the connection to the broker at {address} broke during the login")
        case exceptions.IncompatibleProtocolError() if _broke(error):
            return said_nothing(address)
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
        case exceptions.ConnectionClosedByBroker(reply_code=541):
            return BrokerFault(N_(f"the broker at {address} has failed: {_reply(error)}"))
        case exceptions.ChannelClosedByBroker():
            return Refused(f"the broker refuses: {printable(error.reply_text)}", error.reply_code)
        case exceptions.ConnectionClosedByBroker():
            return ConnectionLost(f"the broker at {address} has closed the connection: {_reply(error)}")
        case exceptions.IncompatibleProtocolError():
            return ChatError(
                f"{address} is no broker: it does not speak AMQP 0-9-1, or only with TLS (amqps://)"
            )
        case exceptions.AMQPHeartbeatTimeout():
            return ConnectionLost(f"the broker at {address} has sent no heartbeat in time")
        case exceptions.ChannelClosedByClient(reply_code=code) if code == CONSUMER_CANCELLED:
            return ConnectionLost(str(error.reply_text))
        case exceptions.ConnectionClosedByClient() | exceptions.ChannelClosedByClient():
            return ConnectionLost("the connection is closed")
        case ConnectionRefusedError():
            hint = _or_without(address)
            return ConnectionLost(
                f"no broker listens on {address}: start one (docker compose up -d rabbitmq){hint}"
            )
        case ssl.SSLError():
            return ConnectionLost(handshake_failed(str(address), error))
        case TimeoutError() | AMQPConnectorStackTimeout():
            return ConnectionLost(no_answer(address))
        case OSError():
            return ConnectionLost(f"no connection to {address}: {error.strerror or error}")
    return None


def _broke(error: exceptions.AMQPError) -> bool:
    """Return whether pika only guesses by how far it came. A broker that refuses says why, with a code."""
    return any(str(one).startswith(exceptions.StreamLostError.__name__) for one in error.args)


def hindrance(reason: str) -> str:
    """Return why the broker takes no messages, and what to do (https://www.rabbitmq.com/docs/alarms).

    Args:
        reason: of ``connection.blocked``, e.g. ``low on memory``.
    """
    remedies = []
    if "memory" in reason:
        remedies.append(N_("give it more memory (rabbitmqctl set_vm_memory_high_watermark)"))
    if "disk" in reason:
        remedies.append(
            N_("free disk space on its machine, or lower its limit (rabbitmqctl set_disk_free_limit)")
        )
    what = " and ".join(remedies) or N_("see its log")
    return N_(f"the broker takes no messages, it is {reason}: {what}; what waits is sent then")


def _or_without(address: Address) -> str:
    """Return how not to use this broker, if the user named it."""
    name = address.named_by
    if not name:
        return ""
    return N_(f", or unset {name}" if name.startswith("CHAT_") else f", or leave {name} out")


def _denied(address: Address, user: str) -> str:
    scheme = address.url.partition("://")[0] or "amqp"
    hint = "" if address.named_by == "--log" else N_(", or the password in CHAT_TOKEN")
    return N_(
        f"the broker at {address} refuses user {printable(user)} with this password: give both in "
        f"{address.named_by or '--server'} {scheme}://USER:PASSWORD@HOST{hint}"
    )


def _no_virtual_host(address: Address, user: str) -> ChatError:
    host = printable(virtual_host(address))
    return ChatError(
        f"the broker at {address} has no virtual host {host} for user {printable(user)}: make it with "
        f"rabbitmqctl add_vhost {host} and set_permissions, or name another one "
        f"in {address.named_by or '--server'}"
    )


def _reply(error: exceptions.ConnectionClosed) -> str:
    return f"{error.reply_code} {printable(error.reply_text)}"


def _causes(error: Any) -> list[Any]:
    """Return the error and those inside it. pika nests them as cause, as context and as argument."""
    found: list[Any] = []
    todo = [error]
    while todo and len(found) < MAX_CAUSES:
        one = todo.pop(0)
        if one in found or one is None:
            continue
        found.append(one)
        if isinstance(one, BaseException):
            todo += [*one.args, one.__cause__, one.__context__]
        todo += [getattr(one, "exception", None), *getattr(one, "exceptions", ())]
    return found
