"""A chat server over UDP as in a good tutorial: a `DatagramProtocol`, the clients' addresses, JSON.

`lab.bench.fanout` compares ours with it: one `json.dumps` and one `sendto` for each receiver and message, no
log, no rules. Run it with ``python -m lab.bench.textbook_udp PORT``; with ``once`` after that, each message
is encoded once for all.
"""

import asyncio
import json
import sys
import time


class Chat(asyncio.DatagramProtocol):
    def __init__(self, once: bool) -> None:
        self.once = once
        self.people: dict[tuple[str, int], str] = {}
        self.seq = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        said = json.loads(data)
        if "nick" in said:
            self.people[address] = said["nick"]
            self.transport.sendto(b'{"type": "welcome"}', address)
            return
        self.seq += 1
        message = {
            "type": "message",
            "seq": self.seq,
            "room": "lab",
            "from": self.people[address],
            "at": time.time(),
            "text": said["text"],
        }
        if self.once:
            encoded = json.dumps(message).encode()
            for receiver in self.people:
                self.transport.sendto(encoded, receiver)
        else:
            for receiver in self.people:
                self.transport.sendto(json.dumps(message).encode(), receiver)


async def main(port: int, once: bool) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Chat(once), ("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:] == ["once"]))
