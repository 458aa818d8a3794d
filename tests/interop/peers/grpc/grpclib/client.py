"""A client on grpclib, which is HTTP/2 and gRPC in Python alone."""
# ruff: noqa: T201

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import chat_pb2 as pb
from chat_grpc import ChatServiceStub
from grpclib.client import Channel
from grpclib.exceptions import GRPCError

HOST, PORT, NICK, TOKEN = sys.argv[1:]
SHOWN = {"authorization": f"Bearer {TOKEN}"}


class Room:
    """One stream."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.events: list[Any] = []

    async def enter(self, nick: str, end: bool = False) -> None:
        await self.tell(end, hello=pb.Hello(room="lab", nick=nick))
        self.welcome = (await self.stream.recv_message()).welcome

    async def tell(self, end: bool = False, **kind: Any) -> None:
        await self.stream.send_message(pb.ClientFrame(**kind), end=end)

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the next event that fulfils a condition."""
        while True:
            while not self.events:
                self.events += (await self.stream.recv_message()).events.events
            event = self.events.pop(0)
            if wanted(event):
                return event

    async def own(self, kind: int, n: int) -> Any:
        """Return the event that answers an own draft."""
        return await self.until(lambda it: (it.kind, it.n, it.seat) == (kind, n, self.welcome.seat))


async def refused(step: str, stub: Any, nick: str, metadata: dict[str, str]) -> None:
    try:
        async with stub.Chat.open(metadata=metadata) as stream:
            await Room(stream).enter(nick, end=True)  # or the metadata of the refusal may be lost
    except GRPCError:
        print(step, stream.trailing_metadata["chat-error"])


async def main() -> None:
    channel = Channel(HOST, int(PORT))
    stub = ChatServiceStub(channel)
    print("version", version("grpclib"))
    await refused("token", stub, NICK, {})
    await refused("refused", stub, "ann", SHOWN)
    async with stub.Chat.open(metadata=SHOWN) as stream:
        room = Room(stream)
        await room.enter(NICK)
        there = await stub.Members(pb.MembersRequest(room="lab"), metadata=SHOWN)
        print("members", *sorted(member.nick for member in there.members))
        last = event = await room.until(lambda it: True)
        while event.seq != room.welcome.head:
            event = await room.until(lambda it: True)
            last = event if event.kind == pb.Event.SENT else last
        print("reads", last.text.encode().hex())
        page = await stub.History(pb.HistoryRequest(room="lab", before=last.seq, limit=2), metadata=SHOWN)
        print("history", *(event.text.encode().hex() for event in page.events))

        await room.tell(send=pb.Send(n=1, text="ä 漢字\n&<>"))
        id = (await room.own(pb.Event.SENT, 1)).id
        print("waiting", flush=True)
        later = await room.until(lambda it: it.kind == pb.Event.SENT and it.author == "ann")
        print("waits", later.text.encode().hex())
        await room.tell(edit=pb.Edit(n=2, id=id, text="漢字 ä\n<&>"))
        await room.own(pb.Event.EDITED, 2)
        await room.tell(delete=pb.Delete(n=3, id=id))
        await room.own(pb.Event.DELETED, 3)
        await room.tell(end=True, leave=pb.Leave())
        await room.until(lambda it: (it.kind, it.author) == (pb.Event.LEFT, NICK))
    channel.close()


asyncio.run(main())
