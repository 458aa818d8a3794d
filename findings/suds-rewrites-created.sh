#!/usr/bin/env bash
# suds 1.2.0 (PyPI; https://github.com/suds-community/suds), suds.wsse.UsernameToken.
# Expected: the text that is given to setcreated() is the text of <wsu:Created> on the wire, as setnonce() does.
# Seen: it is parsed and written again in suds' own form: "Z" becomes "+00:00". WS-Security's password digest is
# Base64(SHA-1(nonce + created + password)) over the text as sent (UsernameToken Profile 1.1, 3.1), so a digest
# over the text that was given is refused by every server, and the message looks right to a reader.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet suds==1.2.0

cat >"$folder/try.py" <<'PYTHON'
from suds.wsse import UsernameToken

GIVEN = "2026-11-29T08:00:00Z"
token = UsernameToken("ann", "secret")
token.setnonce("bm9uY2U=")
token.setcreated(GIVEN)
xml = token.xml()
sent = {node.name: node.getText() for node in xml.children}
print("given:", GIVEN, "sent:", sent["Created"], "nonce:", sent["Nonce"])
raise SystemExit(sent["Created"] == GIVEN or sent["Nonce"] != "bm9uY2U=")
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
