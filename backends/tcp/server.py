"""The TCP server: one `asyncio.Protocol` a connection around `ServerProtocol`, no task and no thread for it.

The hub writes the same bytes to every connection; requests are answered line by line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Self

from backends.tcp.protocol import ServerProtocol
from chat.domain.errors import BadRequest, ChatError
from chat.domain.json_codec import (
    AckMessage,
    ErrorMessage,
    HelloMessage,
    HistoryMessage,
    LeaveMessage,
    MemberListMessage,
    MembersMessage,
    PageMessage,
    PingMessage,
    PongMessage,
    Request,
    encode_lines,
)
from chat.domain.model import Ack, Draft, Event
from chat.interfaces.server import Seat
from chat.transport import broadcast
from chat.transport.stream import StreamConnection, StreamServer


class TcpServer(StreamServer["Connection"]):
    def accept(self) -> Connection:
        return Connection(self)


class Connection(StreamConnection[bytes, bytes]):
    """One client: moves bytes between the socket, the protocol and the hub."""

    technique = "tcp"

    def __init__(self, server: TcpServer) -> None:
        self.protocol = ServerProtocol()
        super().__init__(server, self.protocol)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        encrypted = transport.get_extra_info("sslcontext")
        self.descriptor = -1 if encrypted else transport.get_extra_info("socket").fileno()

    # --- what the hub writes -------------------------------------------------------------------

    encode = staticmethod(encode_lines)

    def write(self, blob: bytes) -> None:
        if data := self.protocol.data_to_send():  # the welcome: the replay comes with it
            self.transport.writelines((data, blob))
        else:
            self.transport.write(blob)

    @classmethod
    def write_all(cls, blob: bytes, sinks: Iterable[Self]) -> list[Self]:
        return broadcast.write_all(blob, sinks)

    def buffered(self) -> int:
        return self.transport.get_write_buffer_size()

    # --- requests ------------------------------------------------------------------------------

    def requests(self, data: bytes) -> list[bytes]:
        return self.protocol.receive_data(data)

    def serve(self, line: bytes) -> None:
        try:
            request = self.protocol.read(line)
        except BadRequest as error:
            if self.seat is None:
                self.close(error)  # it may be a browser
            else:
                self._send(ErrorMessage.of(error))
            return
        if (seat := self.seat) is None:
            if isinstance(request, HelloMessage):
                self.serve_later(self._enter(request))
        elif isinstance(request, Draft):
            self.send_draft(seat, request, self._decided)
        else:
            self._handle(seat, request)

    def _handle(self, seat: Seat, request: Request | None) -> None:
        match request:
            case HistoryMessage():
                self.serve_later(self._history(seat, request))
            case MembersMessage():
                self.serve_later(self._members(seat, request))
            case PingMessage():
                self._send(PongMessage(request.ref))
            case LeaveMessage():
                seat.leave()

    async def _enter(self, message: HelloMessage) -> None:
        try:
            seat = await self.take_seat(message.hello())
        except ChatError as error:
            self.close(error)
            return
        if seat is not None:
            self.protocol.welcome(seat.welcome)
            seat.attach(self)
            self._flush()

    async def _history(self, seat: Seat, message: HistoryMessage) -> None:
        try:
            events = await seat.history(after=message.after, before=message.before, limit=message.limit)
        except ChatError as error:
            self._send(ErrorMessage.of(error, message.ref))
        else:
            self._send(PageMessage(message.ref, events))

    async def _members(self, seat: Seat, message: MembersMessage) -> None:
        try:
            members = await seat.members()
        except ChatError as error:
            self._send(ErrorMessage.of(error, message.ref))
        else:
            self._send(MemberListMessage(message.ref, members))

    def _decided(self, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        """Answer a draft that no event answers; an accepted draft's event is its answer."""
        self.draft_decided()
        if isinstance(outcome, Ack):
            self._send(AckMessage.of(outcome))
        elif isinstance(outcome, ChatError):
            self._send(ErrorMessage.of(outcome))

    def last_words(self, reason: ChatError) -> None:
        self.protocol.close(reason)
        self._flush()

    def _send(self, message: object) -> None:
        if not self.state.ended:
            self.protocol.send(message)
            self._flush()

    def _flush(self) -> None:
        if data := self.protocol.data_to_send():
            self.transport.write(data)
