"""Events as lines of text, and how lines are printed."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import datetime

from chat.client.class_lines import class_line
from chat.domain.model import Event
from chat.domain.validation import printable
from chat.language.translation import translate


def event_line(event: Event) -> str:
    """Return an event as a line for people. Further lines of its text are indented."""
    time = datetime.fromtimestamp(event.at / 1000).strftime("%H:%M")
    text = event.text.replace("\n", "\n      ")
    name, via, id = event.author, event.technique, event.id
    match event.kind:
        case "opened":
            return f"{time} * {translate('the room was opened')}"
        case "joined":
            return f"{time} * {translate(f'{name} joined ({via})')}"
        case "resumed":
            return f"{time} * {translate(f'{name} moved to {via}')}"
        case "left":
            return f"{time} * {translate(f'{name} left')}"
        case "sent" if line := class_line(event):
            return f"{time} * {translate(line)}"
        case "sent":
            return f"{time} {name} ({via}): {text}"
        case "edited":
            return f"{time} * {translate(f'{name} changed message {id}:')} {text}"
        case "deleted":
            return f"{time} * {translate(f'{name} deleted message {id}')}"


def out(line: str) -> None:
    """Print a line at once. What would move the terminal is shown as an escape."""
    print(printable(line), flush=True)  # noqa: T201 - this is the output


def out_json(line: str) -> None:
    """Print a JSON text at once; in ASCII if the output is in another encoding than UTF-8."""
    if "utf" not in (sys.stdout.encoding or "utf-8").lower():
        line = json.dumps(json.loads(line))
    print(line, flush=True)  # noqa: T201 - this is the output


def err(line: str) -> None:
    """Print a line to the standard error output. If that is closed or full, nobody can be told."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the output
