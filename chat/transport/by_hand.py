"""What the `by_hand` files of the backends share: a message as a command for a POSIX shell.

The text of a message comes from anybody: it stands in quotation marks in which no shell and no Python reads
anything but itself.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

NICK = "by-hand"
"""The name under which the commands join: that of this user is taken."""


def json_text(**fields: Any) -> str:
    """Return a JSON object on one line."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def printed(*lines: str) -> str:
    """Return a command that prints these lines."""
    return " ".join(["printf", shlex.quote("%s\\n"), *map(shlex.quote, lines)])


def python(program: str, **values: str | int) -> str:
    """Return a command that runs a Python program.

    Args:
        program: its lines.
        values: become variables at its beginning. Their literals are ASCII and have one line, so none of
            them can be the end of the document.
    """
    given = "\n".join(f"{name} = {value!a}" for name, value in values.items())
    return f"python3 - <<'END'\n{given}\n{program.strip()}\nEND"


def in_url(host: str) -> str:
    """Return a host as a URL has it (RFC 3986, section 3.2.2)."""
    return f"[{host}]" if ":" in host else host
