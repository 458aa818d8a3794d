"""The rooms' memory: which logs there are, by the scheme of their URL.

A log is an import string in `SCHEMES`, or in the label of a technique whose broker keeps it; it is imported
when `open_log` is asked for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from chat.domain.errors import ChatError
from chat.domain.validation import printable
from chat.interfaces.log import Clock, Log
from chat.interfaces.technique import Technique, load
from chat.interfaces.tls import Fingerprint, Trust
from chat.language import N_

SCHEMES = {
    "memory": "chat.server.logs.memory:MemoryLog",
    "sqlite": "chat.server.logs.sqlite:SqliteLog",
}
"""Scheme to import string of what makes the `Log`, called with (what follows the colon, clock=)."""


def open_log(
    url: str,
    techniques: Sequence[Technique] = (),
    *,
    clock: Clock = time.time,
    trust: Trust | Fingerprint | None = None,
) -> Log:
    """Open no file yet: return the log that a URL names.

    Args:
        url: ``memory``, ``sqlite:PATH``, or a URL with a scheme of one of the techniques.
        techniques: those whose brokers may keep a log.
        clock: tells the time of an entry.
        trust: whom to trust as a broker with TLS.

    Raises:
        ChatError: the URL names no log.
    """
    scheme, _, place = url.partition(":")
    scheme = scheme.lower()
    if scheme in SCHEMES:
        return cast("Log", load(SCHEMES[scheme])(place, clock=clock))
    kept_by_a_broker = [label for label in techniques if label.log is not None]
    for label in kept_by_a_broker:
        if scheme in label.schemes and label.log is not None:
            if missing := label.missing():
                wanted = ", ".join(N_(f"{need.what} (install it: {need.install})") for need in missing)
                raise ChatError(f"a log of {scheme}: needs {wanted}")
            return cast("Log", load(label.log)(url, clock=clock, trust=trust))
    others = "".join(f" or {label.schemes[0]}://USER:PASSWORD@HOST:PORT" for label in kept_by_a_broker)
    shown = f"{scheme}:..." if place else scheme  # an error is no place for a password
    raise ChatError(f"{printable(shown)!r} is not a log: write memory, sqlite:PATH{others}")
