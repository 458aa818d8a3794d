"""A broadcast server as in a good tutorial: asyncio streams, JSON lines, nothing else.

`lab.bench.fanout` compares ours with it: one write for each receiver and message, no log, no rules.
Run it with ``python -m lab.bench.textbook PORT``.
"""

import asyncio
import json
import sys
import time

writers: set[asyncio.StreamWriter] = set()
seq = 0


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global seq
    try:
        nick = json.loads(await reader.readline())["nick"]
        writer.write(b'{"type": "welcome"}\n')
        writers.add(writer)
        while line := await reader.readline():
            seq += 1
            text = json.loads(line)["text"]
            message = {
                "type": "message",
                "seq": seq,
                "room": "lab",
                "from": nick,
                "at": time.time(),
                "text": text,
            }
            data = json.dumps(message).encode() + b"\n"
            for receiver in writers:
                receiver.write(data)
    finally:
        writers.discard(writer)
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
