#!/usr/bin/env bash
# CPython 3.11.7 (http.client, urllib.request), beside requests 2.34.2 (PyPI; https://github.com/psf/requests).
# Expected: a response that is cut off before its Content-Length or its last chunk raises IncompleteRead, however it is
# read.
# Seen: read() does. Iteration over lines ends as after a whole response, in both cases: readline() does not compare
# what came with what was announced. So a program that reads a stream of lines can't tell "over" from "cut off".
# requests' iter_lines() raises ChunkedEncodingError.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet requests==2.34.2

cat >"$folder/try.py" <<'PYTHON'
import socket
import threading
import urllib.request

import requests

HEADS = {
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n6\r\nhello\n\r\n",
    "length": b"Content-Length: 100\r\n\r\nhello\n",
}
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
session = requests.Session()
session.trust_env = False


def serve(listening, answer):
    """Answer each request with a part of a response, and close."""
    while True:
        connection, _ = listening.accept()
        connection.recv(65_536)
        connection.sendall(answer)
        connection.close()


def of(read):
    try:
        return read()
    except Exception as error:
        return type(error).__name__


seen = {}
for name, head in HEADS.items():
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listening, b"HTTP/1.1 200 OK\r\n" + head), daemon=True).start()
    url = "http://127.0.0.1:{}/".format(listening.getsockname()[1])
    seen[name] = [
        of(lambda: opener.open(url).read()),
        of(lambda: list(opener.open(url))),
        of(lambda: list(session.get(url, stream=True).iter_lines())),
    ]
print("read(), lines, requests' lines:", seen)
raise SystemExit(any(one != ["IncompleteRead", [b"hello\n"], "ChunkedEncodingError"] for one in seen.values()))
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
