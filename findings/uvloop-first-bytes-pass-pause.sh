#!/usr/bin/env bash
# uvloop 0.23.0 (PyPI; https://github.com/MagicStack/uvloop) on CPython 3.11.7.
# Expected: `transport.pause_reading()` in connection_made holds back data_received until resume_reading(), as in
# asyncio, whose manual has the method "pause the receiving end of the transport".
# Seen: data_received is called with the first bytes all the same, and is_reading() says True then, on connections
# that were accepted and on those that were made: the transport starts to read after connection_made has returned,
# without a look at the pause. A later pause is honoured.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet uvloop==0.23.0

cat >"$folder/try.py" <<'PYTHON'
import asyncio

import uvloop


class Paused(asyncio.Protocol):
    """Pauses as soon as there is a connection, and notes what comes all the same."""

    def __init__(self):
        self.came = []

    def connection_made(self, transport):
        self.transport = transport
        transport.pause_reading()

    def data_received(self, data):
        self.came.append(data)


class Early(asyncio.Protocol):
    """Writes at once."""

    def connection_made(self, transport):
        transport.write(b"early")


async def pair(accepts, connects):
    """Return what the paused end of a connection has got after a while: whether it reads, and the bytes."""
    loop = asyncio.get_running_loop()
    ends = []

    def made(kind):
        ends.append(kind())
        return ends[-1]

    server = await loop.create_server(lambda: made(accepts), "127.0.0.1", 0)
    transport, _ = await loop.create_connection(lambda: made(connects), *server.sockets[0].getsockname())
    await asyncio.sleep(0.5)
    (paused,) = (end for end in ends if isinstance(end, Paused))
    seen = paused.transport.is_reading(), paused.came
    paused.transport.abort()
    transport.abort()
    server.close()
    return seen


seen = [
    asyncio.Runner(loop_factory=loop).run(pair(*kinds))
    for loop in (asyncio.new_event_loop, uvloop.new_event_loop)
    for kinds in ((Paused, Early), (Early, Paused))
]
print("asyncio: accepted, made:", seen[:2])
print("uvloop:  accepted, made:", seen[2:])
raise SystemExit(seen != [(False, [])] * 2 + [(True, [b"early"])] * 2)
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
