#!/usr/bin/env bash
# grpcio 1.85.3 (PyPI; https://github.com/grpc/grpc) on CPython 3.11.
# Expected: if a client's deserializer raises an error, the call fails with it or with a status, in both of the
# library's interfaces for Python.
# Seen: the blocking interface ends the call with INTERNAL, "Exception deserializing response!". grpc.aio
# (grpc/_common.py, deserialize) logs the error, and gives the caller None: as the result of a unary call, and as
# a message of a stream that goes on behind it; the status of the call is OK.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet grpcio==1.85.3

cat >"$folder/try.py" <<'PY'
import asyncio

import grpc

OPTIONS = [("grpc.enable_http_proxy", 0)]


def number(data):
    return int(data.decode())


async def one(request, context):
    return b"seven"


async def three(request, context):
    for data in (b"1", b"two", b"3"):
        yield data


def blocking(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
        try:
            return channel.unary_unary("/test/One", response_deserializer=number)(b"")
        except grpc.RpcError as error:
            return f"{error.code().name}, {error.details()}"


async def main():
    server = grpc.aio.server()
    handlers = {
        "One": grpc.unary_unary_rpc_method_handler(one),
        "Three": grpc.unary_stream_rpc_method_handler(three),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print("blocking:", await asyncio.to_thread(blocking, port))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
        call = channel.unary_unary("/test/One", response_deserializer=number)(b"")
        print("aio:", await call, (await call.code()).name)
        stream = channel.unary_stream("/test/Three", response_deserializer=number)(b"")
        print("aio stream:", [message async for message in stream], (await stream.code()).name)
    await server.stop(None)


asyncio.run(main())
PY

seen=$("$folder/venv/bin/python" "$folder/try.py" 2>/dev/null)
echo "$seen"
grep -qx 'blocking: INTERNAL, Exception deserializing response!' <<<"$seen"
grep -qx 'aio: None OK' <<<"$seen"
grep -qx 'aio stream: \[1, None, 3\] OK' <<<"$seen"
echo "as described"
