"""The backends this program knows, in teaching order: a new one is a folder here and a line below."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from chat.interfaces.technique import Technique
from chat.language import N_

KNOWN = ("tcp", "udp", "rpyc", "grpc", "oncrpc", "rabbitmq", "rest", "soap")


def technique(name: str) -> Technique:
    """Return a backend's label by its name or one of its aliases.

    Imports that backend's ``__init__`` and nothing else. Raises ValueError, with a text for the
    user, for a name that nobody has.
    """
    if name in KNOWN:
        label: Technique = import_module(f"backends.{name}").TECHNIQUE
        return label
    names = {alias: label for label in techniques() for alias in label.aliases}
    if name in names:
        return names[name]
    close = get_close_matches(name, [*KNOWN, *names], n=1)
    hint = N_(f"did you mean {close[0]}?" if close else f"known are {', '.join(KNOWN)}")
    raise ValueError(f"there is no backend {name!r}: {hint}")


def techniques() -> list[Technique]:
    """Return every label, in teaching order."""
    return [technique(name) for name in KNOWN]
