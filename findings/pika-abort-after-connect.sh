#!/usr/bin/env bash
# pika 1.4.4 (PyPI; https://github.com/pika/pika), pika.adapters.asyncio_connection.AsyncioConnection.
# Expected: create_connection() returns a handle whose abort() cancels the attempt (its docstring says so), also
# while the AMQP handshake is under way.
# Seen: before TCP is connected abort() works; once it is, it raises "AssertionError: _deactivate called with
# self._amqp_conn not None". So an attempt that has got that far can only be waited for and then closed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet pika==1.4.4

cat >"$folder/try.py" <<'PY'
import asyncio

import pika
from pika.adapters.asyncio_connection import AsyncioConnection


async def attempt(port, wait):
    workflow = AsyncioConnection.create_connection(
        [pika.ConnectionParameters("127.0.0.1", port, socket_timeout=1, stack_timeout=2, blocked_connection_timeout=1)],
        on_done=lambda result: None,
        custom_ioloop=asyncio.get_running_loop(),
    )
    if wait is not None:
        await wait.wait()
        await asyncio.sleep(0.2)
    try:
        workflow.abort()
    except AssertionError as error:
        return f"AssertionError: {str(error).split(';')[0]}"
    return "aborted"


async def main():
    connected = asyncio.Event()

    async def silent(reader, writer):  # accepts TCP, and lets the handshake wait
        connected.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print("before TCP is connected:", await attempt(port, None))
    await asyncio.sleep(0.2)
    connected.clear()
    print("after TCP is connected:", await attempt(port, connected))


asyncio.run(main())
PY

seen=$("$folder/venv/bin/python" "$folder/try.py" 2>/dev/null)
echo "$seen"
grep -q '^before TCP is connected: aborted$' <<<"$seen"
grep -q '^after TCP is connected: AssertionError: _deactivate called with self._amqp_conn not None' <<<"$seen"
echo "as described"
