#!/usr/bin/env bash
# CPython 3.11.7 (asyncio), beside uvloop 0.23.0 (PyPI; https://github.com/MagicStack/uvloop).
# Expected: asyncio sets TCP_NODELAY on every TCP connection that it accepts, whoever made the listening socket.
# Seen: asyncio/base_events.py (_set_nodelay) looks at `socket.proto`. A listening socket made as the manual's
# examples make it, `socket.socket(AF_INET, SOCK_STREAM)`, has the number 0 there, and so have its connections:
# none of them gets TCP_NODELAY. Named IPPROTO_TCP, or left to create_server(host, port), all get it. An answer
# that is written in two pieces then waits for the peer's delayed acknowledgement, 40 ms on Linux.
# uvloop sets it in every case.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet uvloop==0.23.0

cat >"$folder/try.py" <<'PYTHON'
import asyncio
import socket

import uvloop


async def accepted(protocol):
    """Return TCP_NODELAY of a connection that was accepted over a listening socket of ours."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    listening.bind(("127.0.0.1", 0))
    came = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda _, writer: came.set_result(writer), sock=listening)
    _, client = await asyncio.open_connection(*listening.getsockname())
    writer = await came
    value = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    writer.close()
    client.close()
    server.close()
    return value


seen = [
    bool(asyncio.Runner(loop_factory=loop).run(accepted(protocol)))
    for loop in (asyncio.new_event_loop, uvloop.new_event_loop)
    for protocol in (0, socket.IPPROTO_TCP)
]
print("asyncio: unnamed, named; uvloop: unnamed, named:", seen)
raise SystemExit(seen != [False, True, True, True])
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
