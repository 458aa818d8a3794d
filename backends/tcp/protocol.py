"""The line protocol of both sides without I/O: bytes in, messages out, and bytes to be sent.

`docs/protocol.md` is the specification. The client and the server put sockets around it. What the hub writes
to all connections does not pass through here: it is encoded once, and no state depends on it.
"""

from __future__ import annotations

from backends.tcp.codec import MAX_LINE, LineReader
from chat.domain.errors import BadRequest, ChatError
from chat.domain.json_codec import (
    ErrorMessage,
    HelloMessage,
    LeaveMessage,
    Request,
    Response,
    WelcomeMessage,
    decode_request,
    decode_response,
    encode,
    encode_welcome,
)
from chat.domain.model import Event, Hello, Welcome
from chat.domain.validation import has_no_bytes
from chat.language import N_
from chat.transport.connection_state import State

MAX_REPLY_LINE = 4 * 1024 * 1024
"""Bytes of the longest line that a server sends: a page of 200 events of 4,000 bytes, escaped."""


# Looked up for every line: an attribute of an enum costs as much as a call.
_OPENING = State.OPENING
_CHANGES_STATE = frozenset((HelloMessage, LeaveMessage))


class TcpProtocol:
    """What both sides share: the state, framing, and what is to be sent."""

    def __init__(self, max_line: int) -> None:
        """Begin in `State.OPENING`.

        Args:
            max_line: bytes of the longest line that the peer may send.
        """
        self.state = State.OPENING
        self._lines = LineReader(max_line)
        self._out: list[bytes] = []

    def send(self, message: object) -> None:
        """Encode a message. Raises `BadText` if its text can't be encoded as UTF-8."""
        try:
            self._out.append(encode(message))
        except UnicodeEncodeError as error:
            raise has_no_bytes(error) from None

    def data_to_send(self) -> bytes:
        """Return the lines of all messages since the last call."""
        self._out.append(b"")
        data = b"\n".join(self._out)
        self._out.clear()
        return data


class ServerProtocol(TcpProtocol):
    """The server's side: requests in, responses out."""

    def __init__(self) -> None:
        super().__init__(MAX_LINE)

    def receive_data(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now; `read` decodes each when it is its turn.

        One read of a socket may bring thousands of lines, and other clients must not wait for all of them.

        Raises:
            BadRequest: a line is too long. The connection must be closed.
        """
        return self._lines.feed(data)

    def read(self, line: bytes) -> Request | None:
        """Return the request that a line holds; None if it is blank.

        Raises:
            BadRequest: it can't be decoded, or is not allowed in this state. While `State.OPENING` the
                connection must be closed; later it may stay open.
        """
        if line.isspace():
            return None
        try:
            request = decode_request(line)
        except BadRequest as error:
            raise self._refusal(error) from None
        if type(request) in _CHANGES_STATE or self.state is _OPENING:
            self._advance(request)
        return request

    def _advance(self, request: Request) -> None:
        if self.state is State.OPENING:
            if not isinstance(request, HelloMessage):
                raise self._refusal(BadRequest(f"{request.__struct_config__.tag} came before the hello"))
        elif isinstance(request, HelloMessage):
            raise BadRequest("this connection has its seat already: a second hello is refused")
        elif self.state is State.SEATED:
            self.state = State.LEAVING

    def _refusal(self, error: BadRequest) -> BadRequest:
        if self.state is not State.OPENING:
            return error
        return BadRequest(f'{error}; begin with a line like {{"kind":"hello","nick":"ann"}}')

    def welcome(self, welcome: Welcome) -> None:
        """Answer the hello: the client has its seat."""
        self._out.append(encode_welcome(welcome))
        self.state = State.SEATED

    def close(self, reason: ChatError) -> None:
        """Tell the client why the connection ends, unless it asked for that."""
        if self.state is not State.LEAVING:
            self.send(ErrorMessage.of(reason))
        self.state = State.CLOSING


class ClientProtocol(TcpProtocol):
    """The client's side: requests out, responses and events in."""

    def __init__(self) -> None:
        super().__init__(MAX_REPLY_LINE)
        self.reason: ChatError | None = None
        """Why the server ends the connection."""

    def hello(self, hello: Hello) -> None:
        self.send(HelloMessage.of(hello))

    def leave(self) -> None:
        self.send(LeaveMessage())
        self.state = State.LEAVING

    def receive_data(self, data: bytes) -> list[Response | Event]:
        """Return the messages that are complete now.

        Raises:
            BadRequest: a line is too long or holds no message, or the first is no welcome and no error.
        """
        messages: list[Response | Event] = []
        for line in self._lines.feed(data):
            message = decode_response(line)
            if type(message) is not Event or self.state is State.OPENING:
                self._advance(message)
            messages.append(message)
        return messages

    def _advance(self, message: Response | Event) -> None:
        if isinstance(message, WelcomeMessage):
            self.state = State.SEATED
        elif isinstance(message, ErrorMessage) and not message.n and not message.ref:
            self.reason = message.error()
            if self.state is State.OPENING:
                self.state = State.CLOSING
        elif self.state is State.OPENING:
            raise BadRequest(N_("its first message is not a welcome"))
