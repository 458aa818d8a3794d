#!/usr/bin/env bash
# grpcio 1.85.3 (PyPI; https://github.com/grpc/grpc), grpc.aio on CPython 3.11.
# Expected: if a server ends a stream with a status while the client writes, the client gets that status from
# read(), code() and details().
# Seen: a write that is under way then fails, and grpc/aio/_call.py (_StreamRequestMixin._write) puts INTERNAL,
# "Internal error from Core", in the place of the server's status and of its trailing metadata, also if these
# have come already. With a client that writes all the time that is so in nearly every call; a first write that
# meets a server which refuses at once loses the status in one of some hundred calls. A done callback, which is
# called at the first status, sees the server's in most of them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet grpcio==1.85.3

cat >"$folder/try.py" <<'PY'
import asyncio

import grpc

CALLS = 200


async def echo_a_few(requests, context):
    count = 0
    async for request in requests:
        yield request
        count += 1
        if count == 5:
            break
    await context.abort(grpc.StatusCode.ABORTED, "that is enough", (("why", "five came"),))


async def write_on(call):
    try:
        while True:
            await call.write(b"x")
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass


async def one(channel):
    call = channel.stream_stream("/test/Echo")()
    writing = asyncio.create_task(write_on(call))
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError:
        pass
    await writing
    return await call.code(), await call.details()


async def main():
    server = grpc.aio.server()
    handlers = {"Echo": grpc.stream_stream_rpc_method_handler(echo_a_few)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
        seen = [await one(channel) for _ in range(CALLS)]
    await server.stop(None)
    hidden = sum(one == (grpc.StatusCode.INTERNAL, "Internal error from Core") for one in seen)
    told = sum(one == (grpc.StatusCode.ABORTED, "that is enough") for one in seen)
    print("calls:", CALLS, "hidden:", hidden, "told:", told)
    print("status hidden:", "yes" if hidden else "no")


asyncio.run(main())
PY

seen=$("$folder/venv/bin/python" "$folder/try.py" 2>/dev/null)
echo "$seen"
grep -q '^status hidden: yes$' <<<"$seen"
echo "as described"
