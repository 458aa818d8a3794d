"""Connections: how it is noticed that a peer has vanished, and what to say when there is none.

The words are for the person who waits: what happened, to what, and what to do next.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from chat.ports import Address, is_loopback

_OTHER = "another technique may listen there (chat techniques tells the ports)"


def no_answer(address: Address) -> str:
    """Say that nothing came back at all, and what that means here."""
    if is_loopback(address.host):
        return f"no answer from {address}: the program that listens there is stopped or stuck"
    return f"no answer from {address}: a firewall, or the network keeps its clients apart"


def connection_refused(address: Address, error: OSError) -> str:
    """Say for a person why no connection came about, and what to do."""
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on {address}: start a server there with chat serve"
    if isinstance(error, TimeoutError):
        return no_answer(address)
    return f"cannot reach {address}: {error.strerror or error}"


def silent(address: Address) -> str:
    """Say that a connection came about, and nothing over it."""
    return f"{address} took the connection and said nothing: {_OTHER}, or it is stopped or stuck"


def closed_without_a_word(address: Address) -> str:
    """Say that a connection was closed before anything came over it."""
    return f"{address} closed the connection without a word: {_OTHER}, or it speaks TLS (then give --ca)"


def not_our_words(address: Address, technique: str, why: object = "") -> str:
    """Say that what listens there speaks something else."""
    return f"what listens at {address} does not speak {technique}{why and f' ({why})'}: {_OTHER}"


def keep_alive(connection: socket.socket) -> None:
    """Let the kernel find out within a minute or so that a peer has vanished, where nobody sends pings."""
    with suppress(OSError):  # it may be reset already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if (option := getattr(socket, name, None)) is not None:  # not every system has each
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
