"""Calling: zeep makes the envelopes from the WSDL and reads the answers; here its errors become ours.

The WSDL is the project's own file, not the server's, so another server can't change what we call.
"""

from __future__ import annotations

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
from chat.domain.errors import ChatError, ConnectionLost
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
"""Of what a server says before it looks at the request (that it is full, or has another name): SOAP 1.1."""
SETTINGS = {"forbid_dtd": True, "forbid_external": True}


class Strange(Exception):
    """An answer that no server of ours gives; the text says what it is."""


@cache
def document() -> Document:
    """Return the contract as zeep reads it: once in a process, in a thread, for it takes 50 ms."""
    return Document(str(WSDL), zeep.Transport(), settings=zeep.Settings(**SETTINGS))  # type: ignore[arg-type]  # its hint is wrong


class _Transport(AsyncTransport):
    """zeep's, over a client of ours: answers are bounded in size and time."""

    def __init__(self, http: httpx.AsyncClient, wait: float) -> None:
        # The second is asked for nothing.
        super().__init__(client=http, wsdl_client=http)  # type: ignore[no-untyped-call]
        self._wait = wait

    async def post_xml(self, address: str, envelope: Any, headers: dict[str, str]) -> httpx.Response:
        request = httpx.Request("POST", address, headers=headers, content=etree_to_string(envelope))
        response, content = await ask(self.client, request, self._wait)
        kind = response.headers.get("content-type", "nothing that has a type").partition(";")[0].strip()
        if kind == REFUSAL and response.is_error:
            settings = zeep.Settings(**SETTINGS)
            refusal = parse_xml(content, self, settings=settings)  # type: ignore[arg-type]  # takes bytes
            raise zeep.exceptions.Fault("refused", detail=refusal.find(".//detail"))
        if kind != MEDIA_TYPE:
            raise Strange(f"HTTP status {response.status_code} and {kind}")
        return httpx.Response(response.status_code, content=content, headers={"content-type": kind})


class Calls:
    """The operations of one server."""

    def __init__(self, address: Address, options: ClientOptions, nick: str, access: str) -> None:
        self._address = address
        self._heard = False
        self._http = open_http(options)
        token = UsernameToken(nick, access, use_digest=True) if access else None

        def proxy(wait: float) -> Any:
            client = zeep.AsyncClient(
                document(),
                wsse=token,
                transport=_Transport(self._http, wait),
                settings=zeep.Settings(**SETTINGS),
            )
            url = base_url(address, options) + PATH
            return AsyncServiceProxy(client, client.wsdl.bindings[BINDING], address=url)

        self._quick, self._patient = proxy(0), proxy(MAX_WAIT)

    async def call(self, operation: str, **arguments: Any) -> Any:
        """Return what zeep reads in the response.

        Raises the `ChatError` that the server tells, and `ConnectionLost` for whatever is no answer of one.
        """
        service = self._patient if arguments.get("wait") else self._quick
        try:
            answer = await service[operation](**arguments)
        except zeep.exceptions.Fault as fault:
            error = self._error(fault)
            self._heard = True
            raise error from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise lost(self._address, "soap", error, heard=self._heard) from None
        except Exception as error:  # a strange document makes zeep stumble in any of its ways
            raise self.strange(error) from None
        self._heard = True
        return answer

    def strange(self, error: Exception) -> ConnectionLost:
        """Return what to raise for an answer that no server of ours gives."""
        why = shorten(printable(str(error) or type(error).__name__))
        return ConnectionLost(not_our_words(self._address, "soap", why))

    async def close(self) -> None:
        await self._http.aclose()

    def _error(self, fault: Any) -> ChatError:
        """Return the error that a fault's detail tells; its code says nothing that is not there."""
        unknown = fault.detail is None or isinstance(fault.detail, str | bytes)
        for element in () if unknown else fault.detail:
            namespace, _, name = str(element.tag)[1:].partition("}")
            if namespace == TNS and name in KINDS:
                return KINDS[name](
                    printable(element.findtext(f"{{{TNS}}}text") or ""),
                    n=int(_number(element, "n") or 0),
                    retry_after=_number(element, "retryAfter"),
                )
        return self.strange(Strange(f"a fault: {fault.message}"))


def _number(element: Any, name: str) -> float | None:
    """Return a number that a detail holds; None if it holds none."""
    try:
        number = float(element.findtext(f"{{{TNS}}}{name}"))
    except (TypeError, ValueError):
        return None
    return number if 0 <= number <= MAX_NUMBER else None
