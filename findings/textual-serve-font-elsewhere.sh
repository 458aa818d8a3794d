#!/usr/bin/env bash
# textual-serve 1.1.3 with textual 8.2.8 (PyPI; https://github.com/Textualize/textual-serve).
# Expected: a page that a server on this machine serves has all its parts from there, as it needs no network for
# anything else: the package brings the font of its terminal (static/fonts/RobotoMono-VariableFont_wght.ttf).
# Seen: the page asks Google for that font at each load, so Google learns of it; without a network the terminal gets
# another font. The file in the package is named by no style sheet and no page.
set -eu
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet textual-serve==1.1.3 textual==8.2.8

cat >"$folder/app.py" <<'PYTHON'
from textual.app import App

App().run()
PYTHON
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/venv/bin/python" -c "
from textual_serve.server import Server
Server('$folder/venv/bin/python $folder/app.py', host='127.0.0.1', port=$port).serve()" >/dev/null &
server=$!

cat >"$folder/look.py" <<'PYTHON'
import re
import sys
import time
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

own = f"http://127.0.0.1:{sys.argv[1]}"
opener = build_opener(ProxyHandler({}))


def get(path):
    with opener.open(own + path, timeout=10) as answer:
        return answer.read()


for _ in range(100):
    try:
        page = get("/").decode()
        break
    except URLError:
        time.sleep(0.1)
links = re.findall(r'(?:src|href)="(http[^"]*)"', page)
elsewhere = [link for link in links if not link.startswith(own)]
font = get("/static/fonts/RobotoMono-VariableFont_wght.ttf")
texts = page + get("/static/css/xterm.css").decode() + get("/static/js/textual.js").decode()
named = "RobotoMono-" in texts
print("the page loads from elsewhere:", *elsewhere)
print(f"the package has the font: {len(font)} bytes; something names its file: {named}")
raise SystemExit(not (elsewhere and "fonts.googleapis.com" in elsewhere[0] and font and not named))
PYTHON
"$folder/venv/bin/python" "$folder/look.py" "$port"
echo "as described"
