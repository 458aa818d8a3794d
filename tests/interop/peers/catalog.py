"""What the peers are: one ``peer.toml`` each, in ``<technique>/<peer>/``."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
STEPS = {
    "joins": "takes a seat, and the others see it come",
    "members": "lists who is there",
    "reads": "reads what was said before it came",
    "history": "asks for older messages",
    "speaks": "says a text with `ä 漢字`, a line break and `&<>`, and all of it arrives",
    "waits": "gets a message that is said later, without asking again in between",
    "edit": "changes its own message",
    "delete": "deletes it",
    "refused": "gets to know why a nick is refused",
    "token": "is refused without the access token, and gets to know it",
}
"""What each peer is asked to do, in the order of the table's columns."""
ABSENT = {("rabbitmq", "token"): "the broker's own users and passwords take the token's place"}
"""What a technique does not have, and why."""


class Peer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An independent implementation of a technique, with a small program of ours that uses it."""

    language: str
    library: str
    """The implementation that is tried: not ours."""
    version: str
    """Of the library, as the program prints it."""
    source: str
    """Where the version comes from: ``Debian 12``, ``npm``, ``PyPI``; ``its language``: without a library."""
    run: list[str]
    """The command, in the built folder. ``{python}`` is this interpreter, ``{root}`` the checkout."""
    build: list[list[str]] = []
    """Commands before, in a copy of the peer's folder; ``npm ci`` needs no mention."""
    pip: list[str] = []
    """Pinned packages of PyPI; the program finds them before those of this environment."""
    programs: list[str] = []
    """Executables that it needs besides the first word of each command."""
    probe: list[str] = []
    """A command that fails where a library of the system is not installed."""
    apt: list[str] = []
    """The Debian packages that have all of it, in one line: `.ci/run` reads it. None if it is optional."""
    optional: str = ""
    """Why it may be absent where all tests must run; empty: it may not."""
    cannot: dict[str, str] = {}
    """The steps that it can't do, and why, in one line."""
    note: str = ""
    """What whoever uses it should know, in one line."""
    technique: str = ""
    name: str = ""

    @property
    def folder(self) -> Path:
        return FOLDER / self.technique / self.name

    def why_not(self, step: str) -> str:
        """Return why it can't do a step; empty: it can."""
        return ABSENT.get((self.technique, step)) or self.cannot.get(step) or self.cannot.get("joins", "")


@functools.cache
def peers(technique: str = "*") -> tuple[Peer, ...]:
    """Return all of them, or those of a technique, ordered by technique and name.

    Raises:
        ValueError: For a ``peer.toml`` that does not have what a peer needs.
    """
    return tuple(_read(path) for path in sorted(FOLDER.glob(f"{technique}/*/peer.toml")))


def _read(path: Path) -> Peer:
    try:
        peer = msgspec.toml.decode(path.read_bytes(), type=Peer)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: {error}") from error
    if unknown := peer.cannot.keys() - STEPS.keys():
        raise ValueError(f"{path}: no such step: {', '.join(sorted(unknown))}")
    return msgspec.structs.replace(peer, technique=path.parts[-3], name=path.parts[-2])
