#!/usr/bin/env bash
# pika 1.4.4, with msgspec 0.22.0 (PyPI; https://github.com/pika/pika, https://github.com/jcrist/msgspec).
# Expected: a whole number in a header, such as the offset that RabbitMQ gives with each message of a stream, is an int.
# Seen: a number of 64 bits is of a class of pika's, whose repr() ends in L as in Python 2: the headers that are
# printed are no Python any more, and msgspec, which takes no subclasses of int, refuses it. A number of 32 bits is an
# int; RabbitMQ writes an offset with 64 bits, however small it is.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet pika==1.4.4 msgspec==0.22.0

cat >"$folder/try.py" <<'PYTHON'
import ast
import json
import struct

import msgspec
from pika import data


def read(kind, number):
    """Return the headers of a message as they come: one, of 32 bits (I) or 64 (l) (RabbitMQ's errata of AMQP 0-9-1)."""
    item = b"\x01k" + kind + struct.pack({b"I": ">i", b"l": ">q"}[kind], number)
    return data.decode_table(struct.pack(">I", len(item)) + item, 0)[0]


def outcome(call, value):
    try:
        return call(value)
    except (SyntaxError, TypeError) as error:
        return type(error).__name__


seen = {}
for kind in b"I", b"l":
    headers = read(kind, 5)
    printed = repr(headers)
    seen[kind] = [
        printed,
        str(headers["k"]),
        outcome(ast.literal_eval, printed),
        outcome(json.dumps, headers),
        outcome(msgspec.json.encode, headers),
    ]
    print(seen[kind])
same = ["5", '{"k": 5}']
raise SystemExit(
    seen[b"I"] != ["{'k': 5}", same[0], {"k": 5}, same[1], b'{"k":5}']
    or seen[b"l"] != ["{'k': 5L}", same[0], "SyntaxError", same[1], "TypeError"]
)
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
