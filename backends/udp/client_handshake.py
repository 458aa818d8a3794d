"""The client's half of the handshake: hello, cookie, hello with the cookie, welcome."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from msgspec import structs

from backends.udp.client_connection import MAX_RETRANSMIT_AFTER, RETRANSMIT_AFTER, ClientConnection
from backends.udp.codec import (
    CookieMessage,
    EndMessage,
    HelloMessage,
    WelcomeMessage,
    decode_response,
    encode_hello,
)
from backends.udp.message_auth import (
    DOWN,
    HELLO_DOWN,
    HELLO_UP,
    UP,
    Authenticator,
    Verifier,
    derive,
    root_key,
    unverified_body,
)
from chat.domain.errors import AccessDenied, BadRequest
from chat.domain.model import Hello
from chat.domain.validation import has_no_bytes

WELCOME_TIMEOUT = 5.0
"""Seconds for cookie and welcome, retransmissions included."""
MAX_REPLIES = 16
"""Replies that may wait to be processed; more are dropped. A correct server sends far fewer."""


class Handshake:
    """Proves the client's address and, where a token is used, the token; then takes the seat."""

    def __init__(self, hello: Hello) -> None:
        """Prepare the hello. Raises `BadText` for a name with a lone surrogate."""
        self._hello = HelloMessage.of(hello, secrets.token_hex(16))
        self._root = root_key(hello.access) if hello.access else b""
        self._welcome: WelcomeMessage | None = None
        self._replies: asyncio.Queue[CookieMessage | WelcomeMessage | EndMessage] = asyncio.Queue(MAX_REPLIES)
        try:
            encode_hello(self._hello)
        except UnicodeEncodeError as error:
            raise has_no_bytes(error) from None

    @property
    def nonce(self) -> str:
        """The nonce of this connection."""
        return self._hello.nonce

    def send_hello(self, connection: ClientConnection) -> None:
        """Send the hello once, with the cookie if there is one."""
        connection.send_encoded(encode_hello(self._hello))

    async def run(self, connection: ClientConnection) -> WelcomeMessage:
        """Send the hello until the welcome comes.

        Raises:
            TimeoutError: no welcome came within `WELCOME_TIMEOUT`.
            ConnectionLost: the connection ended first.
            ChatError: the server's refusal.
        """
        delay = RETRANSMIT_AFTER
        async with asyncio.timeout(WELCOME_TIMEOUT):
            while True:
                if self._welcome is None:
                    self.send_hello(connection)
                getting = asyncio.create_task(self._replies.get())
                ending = asyncio.create_task(connection.wait_ended(delay))
                try:
                    await asyncio.wait([getting, ending], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    getting.cancel()
                    ending.cancel()
                    await asyncio.wait([getting, ending])
                if getting.cancelled():
                    if connection.ended:
                        raise connection.reason
                    delay = min(MAX_RETRANSMIT_AFTER, 1.5 * delay)
                    continue
                match getting.result():
                    case WelcomeMessage() as welcome:
                        return welcome
                    case EndMessage() as end:
                        raise end.error()
                    case CookieMessage() as cookie:
                        self._use_cookie(connection, cookie)

    def receive(self, connection: ClientConnection, data: bytes) -> WelcomeMessage | None:
        """Process a datagram that came before the welcome; anything but a reply to this hello is dropped.

        Returns:
            The welcome, if this is it: from now on the connection uses its keys, and events may come.
        """
        try:
            message = decode_response(unverified_body(data))
        except BadRequest:
            connection.dropped += 1
            return None
        if not isinstance(message, CookieMessage | WelcomeMessage | EndMessage):
            return None
        if message.nonce != self.nonce:
            return None
        if not self._verify(connection, message, data):
            connection.dropped += 1
            return None
        if isinstance(message, WelcomeMessage):
            self._welcome = message
        with suppress(asyncio.QueueFull):
            self._replies.put_nowait(message)
        return self._welcome

    def _use_cookie(self, connection: ClientConnection, cookie: CookieMessage) -> None:
        if self._welcome is not None:
            return  # duplicated or late: the welcome has come too, and its keys are in use
        self._hello = structs.replace(self._hello, cookie=cookie.cookie)
        if not cookie.access:
            self._root = b""  # the server asks for no token
        if self._root:
            key = derive(self._root, HELLO_UP, self.nonce, cookie.cookie)
            connection.authenticator = Authenticator(key)

    def _verify(
        self, connection: ClientConnection, message: CookieMessage | WelcomeMessage | EndMessage, data: bytes
    ) -> bool:
        """Return whether the sender has proven that it knows the token, if one is used.

        A cookie carries no MAC. Nor does a denial: a client without the right token could not verify it.
        A welcome begins the use of the connection's keys.
        """
        if not self._root or isinstance(message, CookieMessage):
            return True
        if isinstance(message, WelcomeMessage):
            verifier = Verifier(derive(self._root, DOWN, self.nonce, message.salt))
            if verifier.verify(data) is None:
                return False
            connection.verifier = verifier
            connection.authenticator = Authenticator(derive(self._root, UP, self.nonce, message.salt))
            return True
        key = derive(self._root, HELLO_DOWN, self.nonce, self._hello.cookie)
        return message.code == AccessDenied.code or Verifier(key).verify(data) is not None
