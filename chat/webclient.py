"""What the techniques over HTTP share on the client's side: an httpx client, and words for its errors."""

from __future__ import annotations

import ssl

import httpx

from chat.connections import closed_without_a_word, connection_refused, not_our_words, silent
from chat.model import ConnectionLost
from chat.ports import Address, ClientOptions
from chat.tls import handshake_failed

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 10.0
"""Seconds that a server has for an answer, besides the time that it was asked to wait."""
CONNECTIONS = 16
"""A poll has one, and so has each draft that is not answered yet."""


def base_url(address: Address, options: ClientOptions) -> str:
    return f"{'https' if options.trust else 'http'}://{address}"


def open_http(options: ClientOptions) -> httpx.AsyncClient:
    """Return a client that trusts whom the options say, and takes no proxy from the environment."""
    return httpx.AsyncClient(
        verify=options.trust.context if options.trust else False,
        trust_env=False,
        timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT, pool=None),
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
    )


def waiting(seconds: float) -> httpx.Timeout:
    """Return the timeouts for a question that the server may keep open."""
    return httpx.Timeout(ANSWER_TIMEOUT + seconds, connect=CONNECT_TIMEOUT, pool=None)


def lost(address: Address, technique: str, error: Exception, *, heard: bool) -> ConnectionLost:
    """Return what to tell of an error of httpx; ``heard``: the server has answered before."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return ConnectionLost(handshake_failed(str(address), cause))
        if isinstance(cause, OSError) and not isinstance(error, httpx.ReadError | httpx.WriteError):
            return ConnectionLost(connection_refused(address, cause))
        cause = cause.__cause__ or cause.__context__
    match error:
        case httpx.ConnectTimeout():
            return ConnectionLost(connection_refused(address, TimeoutError()))
        case httpx.TimeoutException():
            return ConnectionLost(
                f"{address} has not answered for {ANSWER_TIMEOUT:.0f} s" if heard else silent(address)
            )
        case httpx.RemoteProtocolError() if not heard and "disconnected" not in str(error):
            return ConnectionLost(not_our_words(address, technique, "no HTTP"))
        case _:
            return ConnectionLost(
                "the server closed the connection" if heard else closed_without_a_word(address)
            )
