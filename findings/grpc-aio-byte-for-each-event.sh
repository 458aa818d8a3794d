#!/usr/bin/env bash
# grpcio 1.85.3 (PyPI; https://github.com/grpc/grpc) on CPython 3.11.
# Source: src/python/grpcio/grpc/_cython/_cygrpc/aio/completion_queue.pyx.pxi, PollerCompletionQueue. A thread puts
# each event into a queue, and writes a byte to a socket. The event loop's reader takes one byte, and all events.
# Expected: events that the loop takes together wake it up once.
# Seen: a server writes a message to each of 100 streams, and the loop is busy until all are written. It takes the
# 100 events in one turn; 99 more turns follow, one for each byte that is left, and find nothing.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet grpcio==1.85.3

cat >"$folder/client.py" <<'PY'
import asyncio
import sys

import grpc


async def main(port, streams):
    options = [("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        calls = [channel.unary_stream("/test/Stream")(b"") for _ in range(streams)]
        messages = await asyncio.gather(*(call.read() for call in calls))
        print(f"the client has {len(messages)} messages")
        await asyncio.gather(*(call.read() for call in calls))  # until the server ends the streams


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
PY

cat >"$folder/server.py" <<'PY'
import asyncio
import sys
import time

import grpc

STREAMS = 100


class Turns:
    """Counts how often the library's reader is called, and whether it has anything for the loop then."""

    def __init__(self, loop):
        self.useful = self.empty = self.scheduled = 0
        self._add_reader, self._call_soon = loop.add_reader, loop.call_soon
        loop.add_reader, loop.call_soon = self.add_reader, self.call_soon

    def add_reader(self, source, callback):
        def read():
            before = self.scheduled
            callback()
            if self.scheduled > before:
                self.useful += 1
            else:
                self.empty += 1

        self._add_reader(source, read)

    def call_soon(self, *args, **kwargs):
        self.scheduled += 1
        return self._call_soon(*args, **kwargs)


async def main():
    loop = asyncio.get_running_loop()
    turns = Turns(loop)
    contexts, all_here, end = [], asyncio.Event(), asyncio.Event()

    async def stream(request, context):
        contexts.append(context)
        if len(contexts) == STREAMS:
            all_here.set()
        await end.wait()

    server = grpc.aio.server()
    handlers = {"Stream": grpc.unary_stream_rpc_method_handler(stream)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = await asyncio.create_subprocess_exec(sys.executable, sys.argv[1], str(port), str(STREAMS))
    await all_here.wait()
    await asyncio.sleep(1)

    turns.useful = turns.empty = 0
    writes = [asyncio.create_task(context.write(b"hello")) for context in contexts]
    loop.call_soon(time.sleep, 1)  # the loop is busy behind them
    await asyncio.gather(*writes)
    await asyncio.sleep(1)
    print(f"{STREAMS} writes: {turns.useful} turns with events, {turns.empty} without")
    end.set()
    await client.wait()
    await server.stop(None)


asyncio.run(main())
PY

seen=$("$folder/venv/bin/python" "$folder/server.py" "$folder/client.py")
echo "$seen"
grep -Eqx '100 writes: [1-3] turns with events, (9[7-9]|100) without' <<<"$seen"
echo "as described"
