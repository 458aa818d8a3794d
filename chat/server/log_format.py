"""A server's log as lines of text, or as JSON: one object a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from chat.server.records import KINDS

FORMATS = ("text", "json")


class TextFormat(logging.Formatter):
    """The message alone: who writes the line down adds the time, as journald does."""

    def own(self, name: str, **fields: Any) -> str:
        """Return a line of the log itself: of `left_out` or `begun_anew`."""
        return KINDS[name].text.format_map(fields)

    def shortened(self, text: str, most: int) -> str:
        """Return a line that is too long, with at most so many characters."""
        return text[:most]


class JsonFormat(TextFormat):
    """An object with ``time`` (RFC 3339, UTC), ``level``, ``record`` and the fields of that kind."""

    def format(self, record: logging.LogRecord) -> str:
        name = getattr(record, "record", "message")
        fields = dict(getattr(record, "fields", None) or {})
        if name == "message":
            fields = {"logger": record.name, "message": record.getMessage()}
            if record.exc_info:
                fields["exception"] = self.formatException(record.exc_info)
        return _line(record.created, record.levelname, name, fields)

    def own(self, name: str, **fields: Any) -> str:
        return _line(datetime.now(UTC).timestamp(), "WARNING", name, fields)

    def shortened(self, text: str, most: int) -> str:
        """Keep it an object: leave out the beginning of a traceback, and the end of another long field."""
        line: dict[str, Any] = json.loads(text)
        share = most // (2 * len(line))
        short = {key: one[-share:] if key == "exception" else one for key, one in line.items()}
        return json.dumps({key: one[:share] if isinstance(one, str) else one for key, one in short.items()})


def _line(created: float, level: str, name: str, fields: dict[str, Any]) -> str:
    time = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": time, "level": level.lower(), "record": name, **fields})
