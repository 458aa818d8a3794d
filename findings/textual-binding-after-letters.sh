#!/usr/bin/env bash
# textual 8.2.8 (PyPI; https://github.com/Textualize/textual).
# Expected: keys have their effect in the order in which they come: a key that is bound at the focused widget runs
# its action before the widget gets the next key.
# Seen: letters go into the widget at once; for a key that the widget does not handle itself, the event goes up from
# parent to parent, a message queue each, and only the app looks for the binding and runs the action. So a bound key
# between letters that come together (over a slow line, or by `tmux send-keys`) acts after the letters behind it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet textual==8.2.8

cat >"$folder/try.py" <<'PYTHON'
import asyncio

from textual import events
from textual.app import App
from textual.widgets import Input

seen = []


class Line(Input):
    BINDINGS = [("ctrl+t", "note", "Note")]

    def action_note(self):
        seen.append(self.value)


class Typed(App):
    def compose(self):
        yield Line()


async def main():
    app = Typed()
    async with app.run_test() as pilot:
        for key, character in (("a", "a"), ("ctrl+t", None), ("b", "b"), ("c", "c")):
            app.post_message(events.Key(key, character))
        for _ in range(20):
            await pilot.pause()
        print("typed: a, Ctrl+T, b, c; when Ctrl+T ran, there was:", seen, "at the end:", app.query_one(Line).value)


asyncio.run(main())
raise SystemExit(seen != ["abc"])
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
