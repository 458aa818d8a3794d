"""How a client logs in to a broker: pika's connection parameters, and a probe before it connects."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote, urlsplit

import pika
from pika import exceptions

from backends.rabbitmq import names
from backends.rabbitmq.amqp_errors import GUEST, said_nothing, to_chat_error
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address
from chat.interfaces.tls import Trust
from chat.transport.errors import handshake_failed, needs_trust

OPEN_TIMEOUT = 5.0
"""Seconds until a broker has accepted the login."""


def parameters(
    address: Address, access: str, name: str, trust: Trust | None = None
) -> pika.ConnectionParameters:
    """Return pika's connection parameters.

    Args:
        address: the broker's; user, password and virtual host are taken from its URL.
        access: the shared access token. It is the password if the URL has none.
        name: the ``connection_name``, which the broker's own tools show.
        trust: connect with TLS; None: without.

    Raises:
        ChatError: the URL means TLS, and nobody is trusted: the password would be sent in the clear.
    """
    if trust is None and address.encrypted:
        raise ChatError(needs_trust(address, "amqps"))
    parts = urlsplit(address.url)
    user = unquote(parts.username or GUEST)
    password = unquote(parts.password) if parts.password is not None else access or GUEST
    return pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=names.virtual_host(address),
        credentials=pika.PlainCredentials(user, password),
        heartbeat=names.HEARTBEAT,
        socket_timeout=OPEN_TIMEOUT,
        stack_timeout=OPEN_TIMEOUT,
        connection_attempts=1,
        client_properties={"connection_name": name},
        ssl_options=pika.SSLOptions(trust.context, address.host) if trust else None,
    )


async def probe(address: Address, trust: Trust | None = None) -> None:
    """Check that a broker answers at this address (AMQP 0-9-1, 4.2.2).

    It is done before pika connects, because a connection attempt of pika can't be cancelled.

    Raises:
        ConnectionLost: nothing answers there.
        ChatError: something else than a broker answers.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=trust.context if trust else None
            )
            writer.write(names.PROTOCOL_HEADER)
            answer = await reader.read(1)
    except ConnectionResetError as error:
        if trust and writer is None:  # by a broker that takes TLS for nonsense
            raise ConnectionLost(handshake_failed(str(address), error)) from None
        raise to_chat_error(error, address) from None
    except (OSError, TimeoutError) as error:
        raise to_chat_error(error, address) from None
    finally:
        if writer is not None:
            writer.transport.abort()
    if not answer:
        raise said_nothing(address)
    if answer != b"\x01":  # the type of a method frame: Connection.Start
        raise to_chat_error(exceptions.IncompatibleProtocolError(), address)
