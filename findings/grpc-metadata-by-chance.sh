#!/usr/bin/env bash
# grpcio 1.85.3 (PyPI; https://github.com/grpc/grpc), include/grpc/impl/channel_arg_names.h and, for the reason,
# https://github.com/grpc/grpc/pull/32600.
# Expected: there is a limit for the metadata of a call, and a call is either within it, always, or refused, always.
# Seen: between 8 and 16 KiB the receiver draws lots, and the nearer to 16 KiB, the more it refuses: of equal calls with
# 12,000 bytes about a half ends with RESOURCE_EXHAUSTED. The status of a call is metadata, too: an error whose details
# are that long reaches the client in a half of the calls, and RESOURCE_EXHAUSTED takes its place in the others.
# With "grpc.absolute_max_metadata_size" at the value of "grpc.max_metadata_size" there is one limit.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet grpcio==1.85.3

cat >"$folder/try.py" <<'PYTHON'
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc

CALLS = {7_000: 60, 12_000: 60, 17_000: 10}  # a call that is refused takes some 0.2 s
OPTIONS = [("grpc.enable_http_proxy", 0)]


def take(request, context):
    return b""


def refuse(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "x" * int(request))


def answers(times, call, *args, **named):
    """Return how often each status came."""
    seen = Counter()
    for _ in range(times):
        try:
            call(*args, **named)
        except grpc.RpcError as error:
            seen[error.code().name] += 1
        else:
            seen["OK"] += 1
    return seen


server = grpc.server(ThreadPoolExecutor(4))
handlers = {"Take": grpc.unary_unary_rpc_method_handler(take), "Refuse": grpc.unary_unary_rpc_method_handler(refuse)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
right = True
with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
    for name, wanted in ("Take", "OK"), ("Refuse", "NOT_FOUND"):
        call = channel.unary_unary(f"/test/{name}")
        for size, times in CALLS.items():
            if name == "Take":
                seen = answers(times, call, b"", metadata=[("value", "x" * size)])
            else:
                seen = answers(times, call, str(size).encode())
            print(name, size, dict(seen))
            share = seen["RESOURCE_EXHAUSTED"] / times
            right &= seen[wanted] + seen["RESOURCE_EXHAUSTED"] == times
            right &= {7_000: share == 0, 12_000: 0.15 < share < 0.85, 17_000: share == 1}[size]
server.stop(None).wait()
raise SystemExit(not right)
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
