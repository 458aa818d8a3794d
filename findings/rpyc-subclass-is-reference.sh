#!/usr/bin/env bash
# rpyc 6.0.2 (PyPI; https://github.com/tomerfiliba-org/rpyc), rpyc/core/brine.py.
# Expected: what is said of tuples, integers and strings, that they go by value, holds for their subclasses as well: a
# namedtuple arrives as a tuple, an IntEnum as a number.
# Seen: "simple" is looked up by the exact class, so an object of a subclass is a reference. It stays on the server,
# each look at a field of it is a round trip, and it is gone with the connection. It prints like the value,
# and compares equal to it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet rpyc==6.0.2

cat >"$folder/try.py" <<'PYTHON'
import enum
import socket
import threading
from typing import NamedTuple

import rpyc


class Point(NamedTuple):
    x: int
    y: int


class Colour(enum.IntEnum):
    RED = 1


class Service(rpyc.Service):
    exposed_plain = (1, 2)
    exposed_named = Point(1, 2)
    exposed_number = 1
    exposed_member = Colour.RED


ours, theirs = socket.socketpair()
server = rpyc.utils.factory.connect_stream(rpyc.SocketStream(theirs), Service)
threading.Thread(target=server.serve_all, daemon=True).start()
client = rpyc.utils.factory.connect_stream(rpyc.SocketStream(ours))
names = ("plain", "named", "number", "member")
values = {name: getattr(client.root, name) for name in names}
equal = values["named"] == (1, 2), values["member"] == 1
kinds = {name: "reference" if isinstance(value, rpyc.BaseNetref) else "value" for name, value in values.items()}
client.close()
try:
    after = str(values["named"].x)
except EOFError as error:
    after = type(error).__name__
print(kinds, "equal:", equal, "after the connection:", after)
wanted = ["value", "reference", "value", "reference"]
raise SystemExit(list(kinds.values()) != wanted or equal != (True, True) or after != "EOFError")
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
