"""Which faults there are: each is a file of this folder, and registers itself at its class."""

from __future__ import annotations

import pkgutil
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import TypeVar

from chat.domain.errors import BadRequest
from chat.language import N_
from lab.faults.fault import Fault
from lab.wire.capture import Transport

_FAULTS: dict[str, type[Fault]] = {}
F = TypeVar("F", bound=type[Fault])


def register(kind: F) -> F:
    """Add a fault; used as a decorator."""
    _FAULTS[kind.name] = kind
    return kind


@cache
def faults() -> dict[str, type[Fault]]:
    """Return every fault, by name."""
    import lab.faults

    for module in pkgutil.iter_modules(lab.faults.__path__):
        import_module(f"lab.faults.{module.name}")
    return dict(sorted(_FAULTS.items()))


def parse_fault(text: str, transport: Transport) -> Fault:
    """Read a fault and its argument, e.g. ``latency 200ms±50ms``.

    Args:
        text: what the user wrote.
        transport: what shall suffer it.

    Raises:
        BadRequest: there is no such fault, its argument is wrong, or this transport can't suffer it.
    """
    name, _, argument = text.strip().partition(" ")
    known = faults()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = N_(f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}")
        raise BadRequest(f"there is no fault {name!r}: {hint}")
    kind = known[name]
    if transport not in kind.transports:
        raise BadRequest(f"{name}: {kind.instead}")
    return kind.parse(argument.strip())
