#!/usr/bin/env bash
# uvloop 0.23.0 (PyPI; https://github.com/MagicStack/uvloop) on CPython 3.11 to 3.14, Linux.
# Expected: an exception raised by a handler of signal.signal() leaves asyncio.run(), as on asyncio's own loop.
# Seen: uvloop hands it to the loop's exception handler ("Exception in callback Loop._read_from_self") and goes
# on; the coroutine ends as if nothing had happened. Whatever ends a program by raising in a signal handler
# (pytest-timeout's signal method does) does not end it on this loop.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet uvloop==0.23.0

cat >"$folder/try.py" <<'PY'
import asyncio
import signal
import sys

import uvloop


def handler(number, frame):
    raise TimeoutError("raised in the handler")


async def main(loop_name):
    asyncio.get_running_loop().set_exception_handler(lambda _, context: print(loop_name, "reported:", context["message"]))
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    await asyncio.sleep(0.5)
    print(loop_name, "went on")


for name, factory in (("asyncio", asyncio.new_event_loop), ("uvloop", uvloop.new_event_loop)):
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main(name))
    except TimeoutError as error:
        print(name, "ended:", error)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
PY

seen=$("$folder/venv/bin/python" "$folder/try.py" 2>/dev/null)
echo "$seen"
grep -q '^asyncio ended: raised in the handler$' <<<"$seen"
grep -q '^uvloop reported: Exception in callback' <<<"$seen"
grep -q '^uvloop went on$' <<<"$seen"
echo "as described"
