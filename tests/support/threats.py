"""The threat model: the data of the tables in docs/security.md, and of the tests that hold it to its word."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

import backends

TESTS = Path(__file__).parents[1]
_DATA = tomllib.loads((Path(__file__).parent / "data" / "threats.toml").read_text(encoding="utf-8"))
CLEAR = "in the clear"


@dataclass(frozen=True)
class Threat:
    """What somebody may try, and what comes of it."""

    who: str
    does: str
    on: str
    """The techniques that this is about, or ``all``."""
    safe: str
    """``yes``, ``no``, or under which condition."""
    what: str
    test: str
    """The file below `tests`, and the test in it that shows it."""

    @property
    def techniques(self) -> list[str]:
        return list(backends.KNOWN) if self.on == "all" else self.on.split(", ")


@dataclass(frozen=True)
class Wire:
    """What travels in the clear over one technique without TLS."""

    token: str
    seat_key: str
    reader: str
    """What somebody can do who reads the packets."""


THREATS = [Threat(**one) for one in _DATA["threat"]]
WIRE = {name: Wire(**one) for name, one in _DATA["wire"].items()}


def missing(test: str) -> bool:
    """Return whether there is no such test: a file below `tests`, ``::`` and the name of a test function."""
    name, _, function = test.partition("::")
    try:
        nodes = ast.parse((TESTS / name).read_bytes()).body
    except OSError:
        return True
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return not function.startswith("test_") or function not in {node.name for node in functions}
