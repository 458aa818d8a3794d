#!/usr/bin/env bash
# pika 1.4.4 (PyPI; https://github.com/pika/pika), pika/data.py.
# Expected: a header may hold a float, which AMQP 0-9-1 has the types "f" and "d" for: 1.5 is written and read as 1.5.
# Seen: decode_value() makes an integer of both: 1.5 is read as 1, without an error. Written it can't be at all:
# encode_value() raises UnsupportedAMQPFieldException for a float. So another library's header loses its fraction,
# and pika's user has to write a text or a Decimal.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet pika==1.4.4

cat >"$folder/try.py" <<'PYTHON'
import decimal
import struct

from pika import data, exceptions


def read(kind, written):
    """Return the value of a table with one field, which another library wrote."""
    field = b"\x01x" + kind + written
    return data.decode_table(struct.pack(">I", len(field)) + field, 0)[0]["x"]


def wrote(value):
    pieces = []
    try:
        data.encode_table(pieces, {"x": value})
    except exceptions.UnsupportedAMQPFieldException as error:
        return type(error).__name__
    return data.decode_table(b"".join(pieces), 0)[0]["x"]


seen = [int(read(b"d", struct.pack(">d", 1.5))), int(read(b"f", struct.pack(">f", 1.5)))]
print("1.5 is read as:", seen, "and written:", wrote(1.5), "as a Decimal:", wrote(decimal.Decimal("1.5")))
right = wrote(decimal.Decimal("1.5")) == decimal.Decimal("1.5")
raise SystemExit(not right or seen != [1, 1] or wrote(1.5) != "UnsupportedAMQPFieldException")
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
