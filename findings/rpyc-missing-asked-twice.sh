#!/usr/bin/env bash
# rpyc 6.0.2 (PyPI; https://github.com/tomerfiliba-org/rpyc); 5.3.1 does the same.
# Expected: `root.name` is one request, whether the service has the name or not.
# Seen: for a name that it does not have, the server is asked twice. BaseNetref.__getattribute__ asks, and gets
# AttributeError; Python then calls __getattr__, which BaseNetref has as well, and that asks again. So
# `hasattr(remote, name)` costs two round trips if the answer is no, and a service that counts what it is asked
# for, or that decides anew each time, sees two.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat >"$folder/try.py" <<'PYTHON'
import socket
import threading

import rpyc

asked = []


class Service(rpyc.Service):
    def _rpyc_getattr(self, name):
        asked.append(name)
        if name == "there":
            return 1
        raise AttributeError(name)


ours, theirs = socket.socketpair()
server = rpyc.utils.factory.connect_stream(rpyc.SocketStream(theirs), Service)
threading.Thread(target=server.serve_all, daemon=True).start()
client = rpyc.utils.factory.connect_stream(rpyc.SocketStream(ours))
root = client.root
found = [hasattr(root, name) for name in ("there", "missing")]
client.close()
print(rpyc.__version__, "found:", found, "asked:", asked)
raise SystemExit(found != [True, False] or asked != ["there", "missing", "missing"])
PYTHON
for version in 5.3.1 6.0.2; do
    "$folder/venv/bin/pip" --disable-pip-version-check install --quiet "rpyc==$version"
    "$folder/venv/bin/python" "$folder/try.py"
done
echo "as described"
