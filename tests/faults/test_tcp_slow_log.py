"""A log that can't keep up: who sends faster is not read any more, and the server's memory stays bounded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from backends.tcp.server import TcpServer
from chat.domain.model import Body, Limits
from chat.interfaces.address import Address
from chat.interfaces.log import Pending
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from chat.transport.request_queue import TURN
from chat.transport.stream import MAX_UNDECIDED

SENT = 5 * MAX_UNDECIDED


class SlowLog(MemoryLog):
    """Takes everything, and commits nothing that was said until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[str, Body, Any]] = []
        self.holding = False
        self.full = asyncio.Event()

    def append(self, room: str, body: Body, pending: Pending | None) -> None:
        if self.holding:
            self.held.append((room, body, pending))
            if len(self.held) == MAX_UNDECIDED:
                self.full.set()
        else:
            super().append(room, body, pending)

    def release(self) -> None:
        self.holding = False
        held, self.held = self.held, []
        for room, body, pending in held:
            self.append(room, body, pending)


async def test_a_peer_with_too_many_undecided_drafts_is_not_read() -> None:
    log = SlowLog()
    hub = Hub(log, limits=Limits(burst=0))
    await hub.start()
    server = TcpServer(hub, Address("127.0.0.1", 0))
    address = await server.start()
    reader, writer = await asyncio.open_connection(address.host, address.port)
    async with asyncio.timeout(30):
        writer.write(b'{"kind":"hello","nick":"ann"}\n')
        while json.loads(await reader.readline())["kind"] != "joined":
            pass
        log.holding = True
        writer.write(b"".join(b'{"kind":"say","text":"%d"}\n' % number for number in range(SENT)))
        await log.full.wait()
        for _ in range(1000):  # turns of the loop, in which it would read on
            await asyncio.sleep(0)
        assert len(log.held) < MAX_UNDECIDED + TURN
        log.release()
        said: list[str] = []
        while len(said) < SENT:
            event = json.loads(await reader.readline())
            said.append(event["text"])
    assert said == [str(number) for number in range(SENT)]
    writer.close()
    await writer.wait_closed()
    await server.stop()
    await hub.stop()
