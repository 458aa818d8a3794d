#!/usr/bin/env bash
# grpcio 1.85.3 (PyPI; https://github.com/grpc/grpc), on Linux with IPv6.
# Expected: a server at "0.0.0.0:PORT" listens on IPv4 alone, as every other server does that is given this host.
# Seen: it listens on IPv6 as well: a client at "[::1]:PORT" is served. To gRPC both "0.0.0.0" and "[::]" are
# "any address", and it takes one socket for both families where the system has one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet grpcio==1.85.3

cat >"$folder/try.py" <<'PYTHON'
import socket
from concurrent.futures import ThreadPoolExecutor

import grpc

server = grpc.server(ThreadPoolExecutor(1))
port = server.add_insecure_port("0.0.0.0:0")
server.start()
answers = {}
for host in ("127.0.0.1", "::1"):
    try:
        socket.create_connection((host, port), 2).close()
        answers[host] = "connected"
    except OSError as error:
        answers[host] = str(error)
server.stop(0)
print(answers)
raise SystemExit(set(answers.values()) != {"connected"})
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
