"""Calls with zeep, which makes the envelopes from the WSDL and reads the responses.

The WSDL is the project's own file and not the server's: a server can't change what the client calls.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx
import zeep
from zeep.loader import parse_xml
from zeep.proxy import AsyncServiceProxy
from zeep.transports import AsyncTransport
from zeep.wsdl import Document
from zeep.wsdl.utils import etree_to_string
from zeep.wsse.username import UsernameToken

from backends.soap.conversion import KINDS, MAX_WAIT, PATH, TNS, WSDL
from backends.soap.security import CLOCK
from chat.domain.errors import AccessDenied, ChatError, ConnectionLost
from chat.domain.json_codec import shorten
from chat.domain.model import MAX_NUMBER
from chat.domain.validation import printable
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.transport.errors import not_our_words
from chat.transport.http_client import ask, base_url, lost, open_http

BINDING = f"{{{TNS}}}ChatSoap12"
MEDIA_TYPE = "application/soap+xml"
REFUSAL = "text/xml"
"""The type of a fault that the server sends before it reads the request, e.g. that it is full: SOAP 1.1."""
SETTINGS = {"forbid_dtd": True, "forbid_external": True}


MAX_SHIFT = 86400.0
"""Seconds by which a client follows the server's clock, at most. Somebody in the middle who claims another
time gets a token for that time, to be used then: so it is never more than a day away."""
_SERVER_TIME = re.compile(re.escape(CLOCK) + r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


class UnexpectedAnswer(Exception):
    """An answer that no chat server gives."""


@cache
def document() -> Document:
    """Return the WSDL as zeep reads it. It takes 50 ms once in a process: call it in a thread."""
    return Document(str(WSDL), zeep.Transport(), settings=zeep.Settings(**SETTINGS))  # type: ignore[arg-type]  # its hint is wrong


class _Token(UsernameToken):
    """A digest of the access token, by a clock that may differ from this machine's."""

    def __init__(self, nick: str, access: str) -> None:
        super().__init__(nick, access, use_digest=True)  # type: ignore[no-untyped-call]  # zeep lacks hints
        self.shift = 0.0
        """Seconds by which the server's clock is ahead of this one."""

    def apply(self, envelope: Any, headers: Any) -> Any:
        self.created = datetime.now(UTC) + timedelta(seconds=self.shift) if self.shift else None
        return super().apply(envelope, headers)  # type: ignore[no-untyped-call]  # as above

    def follow(self, error: ChatError) -> bool:
        """Use the time in a refusal from now on. Return False if it names none that may be followed."""
        found = _SERVER_TIME.search(str(error)) if isinstance(error, AccessDenied) else None
        if found is None:
            return False
        try:
            ahead = (datetime.fromisoformat(found[1]) - datetime.now(UTC)).total_seconds()
        except ValueError:
            return False
        if abs(ahead) > MAX_SHIFT:
            return False
        self.shift = ahead
        return True


class _Transport(AsyncTransport):
    """zeep's transport over our HTTP client: responses are bounded in size and time."""

    def __init__(self, http: httpx.AsyncClient, wait: float) -> None:
        # The second is never used: the WSDL is a file.
        super().__init__(client=http, wsdl_client=http)  # type: ignore[no-untyped-call]  # as above
        self._wait = wait

    async def post_xml(self, address: str, envelope: Any, headers: dict[str, str]) -> httpx.Response:
        request = httpx.Request("POST", address, headers=headers, content=etree_to_string(envelope))
        response, content = await ask(self.client, request, self._wait)
        kind = response.headers.get("content-type", "no Content-Type").partition(";")[0].strip()
        if kind == REFUSAL and response.is_error:
            settings = zeep.Settings(**SETTINGS)
            refusal = parse_xml(content, self, settings=settings)  # type: ignore[arg-type]  # takes bytes
            raise zeep.exceptions.Fault("refused", detail=refusal.find(".//detail"))
        if kind != MEDIA_TYPE:
            raise UnexpectedAnswer(f"HTTP status {response.status_code} and {kind}")
        return httpx.Response(response.status_code, content=content, headers={"content-type": kind})


class Calls:
    """The operations of one server."""

    def __init__(self, address: Address, options: ClientOptions, nick: str, access: str) -> None:
        self._address = address
        self._heard = False
        self._http = open_http(options)
        self._token = _Token(nick, access) if access else None

        def proxy(wait: float) -> Any:
            client = zeep.AsyncClient(
                document(),
                wsse=self._token,
                transport=_Transport(self._http, wait),
                settings=zeep.Settings(**SETTINGS),
            )
            url = base_url(address, options) + PATH
            return AsyncServiceProxy(client, client.wsdl.bindings[BINDING], address=url)

        self._service, self._waiting_service = proxy(0), proxy(MAX_WAIT)

    async def call(self, operation: str, **arguments: Any) -> Any:
        """Return what zeep reads in the response.

        If the server's clock differs from this one, the call is made again by the server's clock, once.

        Raises:
            ChatError: the server's refusal.
            ConnectionLost: no response, or one that no chat server gives.
        """
        try:
            return await self._call(operation, arguments)
        except AccessDenied as error:
            if self._token is None or not self._token.follow(error):
                raise
        return await self._call(operation, arguments)

    async def _call(self, operation: str, arguments: dict[str, Any]) -> Any:
        service = self._waiting_service if arguments.get("wait") else self._service
        try:
            answer = await service[operation](**arguments)
        except zeep.exceptions.Fault as fault:
            error = self._error(fault)
            self._heard = True
            raise error from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise lost(self._address, "soap", error, heard=self._heard) from None
        except Exception as error:  # zeep raises errors of any kind for an unexpected document
            raise self._unexpected(error) from None
        self._heard = True
        return answer

    def _unexpected(self, error: Exception) -> ConnectionLost:
        """Return what to raise for an answer that no chat server gives."""
        why = shorten(printable(str(error) or type(error).__name__))
        return ConnectionLost(not_our_words(self._address, "soap", why))

    async def close(self) -> None:
        await self._http.aclose()

    def _error(self, fault: Any) -> ChatError:
        """Return the error in a fault's detail, which says all that the code says."""
        unknown = fault.detail is None or isinstance(fault.detail, str | bytes)
        for element in () if unknown else fault.detail:
            namespace, _, name = str(element.tag)[1:].partition("}")
            if namespace == TNS and name in KINDS:
                return KINDS[name](
                    printable(element.findtext(f"{{{TNS}}}text") or ""),
                    n=int(_number(element, "n") or 0),
                    retry_after=_number(element, "retryAfter"),
                )
        return self._unexpected(UnexpectedAnswer(f"a fault: {fault.message}"))


def _number(element: Any, name: str) -> float | None:
    """Return a number in a detail; None if there is none."""
    try:
        number = float(element.findtext(f"{{{TNS}}}{name}"))
    except (TypeError, ValueError):
        return None
    return number if 0 <= number <= MAX_NUMBER else None
