"""What the techniques over HTTP share on the client's side: an httpx client, and texts for its errors."""

from __future__ import annotations

import asyncio
import re
import ssl

import httpx

from chat.domain.errors import ConnectionLost
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.language import N_
from chat.transport.errors import (
    closed_without_a_word,
    connection_refused,
    handshake_failed,
    not_our_words,
    silent,
)

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 10.0
"""Seconds that a server has for an answer, besides the time that it was asked to wait."""
CONNECTIONS = 16
"""Connections to the server: one for the poll, one for each request under way."""
KEEP_ALIVE = 60.0
"""Seconds that a connection may rest between two requests: less than a server keeps it open."""
MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer: a page of the longest texts has a few hundred kilobytes, in the worst case 5 MB."""

_CLOSED = re.compile("disconnected|peer closed")  # in the texts of httpx; others mean that it is no HTTP


class TooLong(httpx.HTTPError):
    """The answer has more than `MAX_ANSWER` bytes."""


def base_url(address: Address, options: ClientOptions) -> str:
    return f"{'https' if options.trust else 'http'}://{address}"


def open_http(options: ClientOptions) -> httpx.AsyncClient:
    """Return a client that trusts the authority in the options, and ignores proxies in the environment."""
    return httpx.AsyncClient(
        verify=options.trust.context if options.trust else False,
        trust_env=False,
        timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT, pool=None),
        limits=httpx.Limits(
            max_connections=CONNECTIONS,
            max_keepalive_connections=CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE,
        ),
    )


def waiting(seconds: float) -> httpx.Timeout:
    """Return the timeouts for a request that the server may keep open for so many seconds."""
    return httpx.Timeout(ANSWER_TIMEOUT + seconds, connect=CONNECT_TIMEOUT, pool=None)


async def ask(
    http: httpx.AsyncClient, request: httpx.Request, wait: float = 0.0
) -> tuple[httpx.Response, bytes]:
    """Send a request with its own headers only; return the response and its body.

    Args:
        http: from `open_http`.
        request: it gets no header besides its own.
        wait: seconds that the server may keep it open.

    Raises:
        httpx.HTTPError: also `TooLong`, and `httpx.ReadTimeout` if the response as a whole takes too long.
    """
    request.extensions["timeout"] = waiting(wait).as_dict()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT + ANSWER_TIMEOUT + wait):
            response = await http.send(request, stream=True)
            try:
                return response, await _read(response)
            finally:
                await response.aclose()
    except TimeoutError:
        raise httpx.ReadTimeout("", request=request) from None


async def _read(response: httpx.Response) -> bytes:
    parts, size = [], 0
    try:
        async for part in response.aiter_raw():  # the request allows no compression
            size += len(part)
            if size <= MAX_ANSWER:
                parts.append(part)
            else:  # not `break`: the generators inside would stay open
                await response.extensions["network_stream"].aclose()
    except httpx.HTTPError:
        if size <= MAX_ANSWER:
            raise
    if size > MAX_ANSWER:
        raise TooLong("an answer without an end")
    return b"".join(parts)


def lost(address: Address, technique: str, error: Exception, *, heard: bool) -> ConnectionLost:
    """Return the error of the model for one of httpx; ``heard``: the server has answered before."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return ConnectionLost(handshake_failed(str(address), cause))
    if isinstance(error, httpx.ConnectError):
        system = [cause for cause in causes if isinstance(cause, OSError)]
        return ConnectionLost(connection_refused(address, system[-1] if system else OSError(str(error))))
    match error:
        case httpx.ConnectTimeout():
            return ConnectionLost(connection_refused(address, TimeoutError()))
        case httpx.TimeoutException():
            return ConnectionLost(
                f"{address} has not answered for {ANSWER_TIMEOUT:.0f} s" if heard else silent(address)
            )
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return ConnectionLost(f"cannot reach {address}: this is not an address of a web server")
        case TooLong():
            return ConnectionLost(not_our_words(address, technique, str(error)))
        case httpx.RemoteProtocolError() if not _CLOSED.search(str(error)):
            return ConnectionLost(not_our_words(address, technique, N_("no HTTP")))
        case _:
            return ConnectionLost(
                "the server closed the connection" if heard else closed_without_a_word(address)
            )


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and its causes, the deepest last; of an exception group the first."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        group = cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()
        cause = group[0] if group else cause.__cause__ or cause.__context__
    return chain
