#!/usr/bin/env bash
# grpcio 1.85.3 (PyPI; https://github.com/grpc/grpc).
# Expected: the channel option "grpc.min_reconnect_backoff_ms" is what grpc/impl/channel_arg_names.h says: "The
# minimum time between subsequent connection attempts, in ms". A small one makes a client try more often.
# Seen: it is also how long an attempt may last, up to the server's first SETTINGS frame (MIN_CONNECT_TIMEOUT of
# doc/connection-backoff.md, 20 s by default). With 200 ms a client never gets to a server that takes 1 s to answer:
# it gives attempt after attempt up, and the call ends at its deadline. initial_reconnect_backoff_ms and
# max_reconnect_backoff_ms alone do not do that.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet grpcio==1.85.3

cat >"$folder/try.py" <<'PYTHON'
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

SHORT = [(f"grpc.{name}_reconnect_backoff_ms", 200) for name in ("initial", "max")]
accepted = 0


def pump(source, target):
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def relay(client, port):
    """A connection through a relay that takes 1 s before it hands anything on."""
    time.sleep(1)
    server = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client)


def accept(listening, port):
    global accepted
    while True:
        client, _ = listening.accept()
        accepted += 1
        threading.Thread(target=relay, args=(client, port), daemon=True).start()


def called(target, options):
    """Return how a call with a deadline of 5 s ended, and how many connections it took."""
    global accepted
    accepted = 0
    fixed = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, fixed + options) as channel:
        try:
            end = channel.unary_unary("/test/Echo")(b"x", timeout=5, wait_for_ready=True)
        except grpc.RpcError as error:
            end = error.code()
    return end, accepted


server = grpc.server(ThreadPoolExecutor(2))
echo = {"Echo": grpc.unary_unary_rpc_method_handler(lambda request, _: request)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", echo),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
listening = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(listening, port), daemon=True).start()
target = "127.0.0.1:{}".format(listening.getsockname()[1])
without = called(target, SHORT)
with_min = called(target, [*SHORT, ("grpc.min_reconnect_backoff_ms", 200)])
server.stop(None)
print("answer and connections without min_reconnect_backoff_ms:", without, "with it:", with_min)
raise SystemExit(without != (b"x", 1) or with_min[0] != grpc.StatusCode.DEADLINE_EXCEEDED or with_min[1] < 3)
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
