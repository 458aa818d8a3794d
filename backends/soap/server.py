"""The SOAP server: one address for both versions, which the Content-Type tells apart, and the WSDL.

uvicorn receives a request, `backends.soap.codec` reads it, and an operation of `backends.soap.service` is
awaited on the event loop. No thread waits for a poll.
"""

from __future__ import annotations

import asyncio
import logging
from email.message import Message as Headers
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from backends.soap.codec import SERVER_FAILED, Codec, codecs
from backends.soap.conversion import ADDRESS, PATH, WSDL, WSDL11
from backends.soap.schema import Operation
from backends.soap.security import WRONG, UsernameTokens
from backends.soap.service import Call
from backends.soap.xml_reader import Refused
from chat.domain.errors import BadRequest, ChatError
from chat.domain.model import Event
from chat.interfaces.address import Address
from chat.interfaces.server import Reader, Seat, ServerOptions
from chat.transport.asgi import Application, Receive, Scope, Send
from chat.transport.http_response import respond, respond_later
from chat.transport.http_server import ClientDisconnected, News, WebServer, Whole, read_body
from chat.transport.preconditions import failed_precondition

MAX_BODY = 256 * 1024
"""Bytes of a request."""
WSDLS = {
    (PATH, b"wsdl"): WSDL,
    (PATH, b"wsdl=1.1"): WSDL11,
    (f"/{WSDL.name}", b""): WSDL,
    (f"/{WSDL11.name}", b""): WSDL11,
}
"""The files that are served, by path and query in lower case."""
CHARSETS = ("utf-8", "utf-16", "us-ascii")
XML = "text/xml; charset=utf-8"

log = logging.getLogger(__name__)


class SoapServer(WebServer):
    async def start(self) -> Address:
        self._codecs, self._wsdls = await asyncio.to_thread(_prepare)
        self._codec11 = self._codecs["text/xml"]
        access, encrypted = self.options.access, self.options.identity is not None
        self._tokens = UsernameTokens(access, encrypted=encrypted) if access else None
        return await super().start()

    def renew(self, options: ServerOptions) -> None:
        super().renew(options)
        if self._tokens is not None:
            self._tokens.renew(options.access)

    def application(self) -> Application:
        return self._answer

    def refusal(self, status: int, error: ChatError) -> tuple[str, bytes]:
        return XML, self._codec11.fault(error)[1]

    # --- HTTP ----------------------------------------------------------------------------------

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        query = scope["query_string"].lower() if path == PATH else b""
        file = WSDLS.get((path, query))
        if path != PATH and file is None:
            await _refuse(send, self._codec11, 404, f"there is no resource {path}: the service is at {PATH}")
        elif method in ("GET", "HEAD") and file is not None:
            if status := failed_precondition(_conditions(scope), None, reads=True):
                await self._unmet(send, self._codec11, status)
                return
            at = self.asked_at(scope) + PATH
            await _respond(send, 200, XML, self._wsdls[file].replace(ADDRESS.encode(), at.encode()))
        elif path != PATH or method != "POST":
            allowed = "POST" if path == PATH else "GET, HEAD"
            wsdl = f"its WSDL is at {PATH}?wsdl, or {PATH}?wsdl=1.1 for SOAP 1.1 only"
            why = f"{path} does not have {method}: the service takes POST; {wsdl}"
            await _refuse(send, self._codec11, 405, why, ("allow", allowed))
        else:
            await self._post(scope, receive, send)

    @staticmethod
    async def _unmet(send: Send, codec: Codec, status: int) -> None:
        """Answer a request whose preconditions do not hold; nothing here has an entity tag."""
        if status == 304:
            await send({"type": "http.response.start", "status": 304, "headers": []})
            await send({"type": "http.response.body"})
        else:
            await _refuse(send, codec, status, "it is not in the state that If-Match names")

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        kind, charset = _content_type(_header(headers, b"content-type"))
        codec = self._codecs.get(kind)
        if codec is None or (charset and charset not in CHARSETS) or _encoded(headers):
            why = "a message is text/xml (SOAP 1.1) or application/soap+xml (1.2), in UTF-8, not compressed"
            await _refuse(send, self._codec11, 415, why, ("accept-post", ", ".join(self._codecs)))
            return
        if status := failed_precondition(_conditions(scope), None, reads=False, exists=False):
            await self._unmet(send, codec, status)
            return
        try:
            data = await read_body(receive, MAX_BODY)
            if data is None:
                await _refuse(
                    send, codec, 413, f"a message may have {MAX_BODY} bytes", ("connection", "close")
                )
                return
        except ClientDisconnected:
            return
        if (answer := await self._serve(codec, data, scope, send)) is not None:
            await respond(send, *answer)

    def _check_token(self, security: Any, peer: str) -> str:
        """Return the access token that is proved.

        Raises:
            Refused: none is.
            AccessDenied: too many tokens of this host were wrong.
        """
        assert self._tokens is not None
        self.hub.may_guess(peer)
        try:
            return self._tokens.check(security)
        except Refused as refused:
            if str(refused.error) == WRONG and peer:
                self.hub.wrong_token(peer)
            raise

    # --- SOAP ----------------------------------------------------------------------------------

    async def _serve(self, codec: Codec, data: bytes, scope: Scope, send: Send) -> Whole | None:
        """Return the response to a message; None: it comes later."""
        client = scope.get("client") or ("",)
        peer = str(client[0])
        try:
            message = codec.open(data)
            access = "" if self._tokens is None else self._check_token(message.security, peer)
            operation, arguments = codec.read(message)
            self.hub.admit(access, peer, operation.seat_key(arguments))
            call = Call(self.hub, access, peer, " ".join(map(str, client)), codec.version)
            values = await operation.function(call, *arguments)
            if isinstance(values, News):
                answer = partial(_fetched, codec, operation, values.source)
                await respond_later(send, self.answer_news(scope, send, values, answer))
                return None
            if operation.name == "Fetch":
                head, events = values
                return _whole(codec, 200, codec.page(operation, head, tuple(events)))
            return _whole(codec, 200, codec.write(operation, values))
        except Exception as error:
            return _failed(codec, error)


def _prepare() -> tuple[dict[str, Codec], dict[Path, bytes]]:
    return codecs(), {file: file.read_bytes() for file in (WSDL, WSDL11)}


def _conditions(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers of preconditions; a repeated one is one list (RFC 9110, 5.3)."""
    said: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in (b"if-match", b"if-none-match"):
            said[name] = said[name] + b", " + value if name in said else value
    return said


def _header(headers: Any, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key == name), "")


@lru_cache(64)
def _content_type(value: str) -> tuple[str, str]:
    """Return the media type and its charset, both in lower case."""
    said = Headers()
    said["content-type"] = value
    charset = said.get_param("charset", "")
    return said.get_content_type(), charset.lower() if isinstance(charset, str) else "?"


def _encoded(headers: Any) -> bool:
    return _header(headers, b"content-encoding").lower() not in ("", "identity")


def _failed(codec: Codec, error: Exception) -> Whole:
    """Return the response of what a call has raised: a fault."""
    if isinstance(error, Refused):
        return _whole(codec, *codec.fault(error.error, error.code))
    if not isinstance(error, ChatError):
        log.error("a call failed", exc_info=error)
        error = ChatError(SERVER_FAILED)
    return _whole(codec, *codec.fault(error))


def _fetched(
    codec: Codec, operation: Operation, source: Seat | Reader, told: list[Event] | Exception
) -> Whole:
    """Return the response of a Fetch that has waited."""
    if isinstance(told, Exception):
        return _failed(codec, told)
    return _whole(codec, 200, codec.page(operation, source.head, tuple(told)))


def _whole(codec: Codec, status: int, body: bytes) -> Whole:
    """Return a response with this message."""
    return status, _headers(codec.content_type, len(body)), body


@lru_cache(64)
def _headers(content_type: str, size: int) -> tuple[tuple[bytes, bytes], ...]:
    return (b"content-type", content_type.encode()), (b"content-length", b"%d" % size)


async def _refuse(
    send: Send, codec: Codec, status: int, why: str, header: tuple[str, str] | None = None
) -> None:
    _, body = codec.fault(BadRequest(why))
    await _respond(send, status, codec.content_type, body, header)


async def _respond(
    send: Send, status: int, content_type: str, body: bytes, header: tuple[str, str] | None = None
) -> None:
    more = () if header is None else ((header[0].encode(), header[1].encode()),)
    await respond(send, status, (*_headers(content_type, len(body)), *more), body)
