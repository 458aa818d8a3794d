#!/usr/bin/env bash
# httpx 0.28.1 (PyPI; https://github.com/encode/httpx), Response.iter_lines(); requests 2.34.2 is beside it.
# Expected: a line ends at a line feed, so JSON lines and server-sent events come as they were written: JSON allows
# U+2028 and U+0085 inside a string (RFC 8259, 7).
# Seen: iter_lines() takes text apart as str.splitlines() does, at U+0085, U+2028 and U+2029, too. A JSON line with
# one of them in a string comes in two pieces, neither of which is JSON.
# requests' iter_lines() does the same with decode_unicode=True, and not without, because bytes have fewer line ends.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet httpx==0.28.1 requests==2.34.2

cat >"$folder/try.py" <<'PYTHON'
import io
import json

import httpx
import requests
import urllib3

ENDS = "\u0085\u2028\u2029"
VALUES = [f"before{end}after" for end in ENDS] + ["plain"]
BODY = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in VALUES).encode()


def of_requests(decode):
    response = requests.Response()
    response.encoding = "utf-8"
    response.raw = urllib3.HTTPResponse(io.BytesIO(BODY), preload_content=False)
    return len(list(response.iter_lines(decode_unicode=decode)))


seen = {
    "written": len(VALUES),
    "httpx": len(list(httpx.Response(200, content=BODY).iter_lines())),
    "requests, text": of_requests(True),
    "requests, bytes": of_requests(False),
}
print("lines:", seen)
raise SystemExit(list(seen.values()) != [4, 7, 7, 4])
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
