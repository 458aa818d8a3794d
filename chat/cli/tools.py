"""The programs that the lessons and the chapters use beside ours: whether they are here, and which kind."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from chat.language import N_

ASK_TIMEOUT = 3.0
"""Seconds for a program to tell its version."""
NC_KINDS = {
    "OpenBSD netcat": N_("of OpenBSD: it stays when its input ends; -N or -q 1 lets it end"),
    "Ncat": N_("Ncat of nmap: it ends with its input; --no-shutdown lets it stay"),
    "BusyBox": N_("of BusyBox: it may lack -N and -u"),
    "[v1.10": N_("the traditional one: it stays when its input ends; -q 1 lets it end"),
}
"""What its help says, and what that means for somebody who types a protocol."""
CURL_JSON = (7, 82)
NODE = (20, 19)

Found = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, what it is for, and how to find out about it."""

    name: str
    use: str
    install: str
    ask: tuple[str, ...]
    """The arguments with which it tells its version or its help."""
    read: Callable[[str], Found]
    """Returns from that whether it fits, and what to say."""


def _kind_of_nc(told: str) -> Found:
    unknown = N_("of a kind that is not known here")
    return True, next((kind for sign, kind in NC_KINDS.items() if sign in told), unknown)


def _version(told: str) -> tuple[int, ...]:
    found = re.search(r"\d+(?:\.\d+)+", told)
    return tuple(map(int, found[0].split("."))) if found else ()


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _at_least(least: tuple[int, ...]) -> Callable[[str], Found]:
    def read(told: str) -> Found:
        version = _version(told)
        if version and version < least:
            here, needed = _shown(version), _shown(least)
            return False, N_(f"{here}, and {needed} is needed")
        return True, _shown(version)

    return read


TOOLS = (
    Tool("nc", N_("lesson 0, tcp by hand"), "apt install netcat-openbsd", ("-h",), _kind_of_nc),
    Tool("curl", N_("rest by hand"), "apt install curl", ("--version",), _at_least(CURL_JSON)),
    Tool("jq", N_("lines of chat tail --json"), "apt install jq", ("--version",), _at_least((1,))),
    Tool("node", N_("the clients in JavaScript"), "apt install nodejs npm", ("--version",), _at_least(NODE)),
    Tool(
        "rpcgen",
        N_("the client in C"),
        "apt install rpcsvc-proto libtirpc-dev gcc make",
        ("--version",),
        lambda told: (True, ""),
    ),
)


def look(tool: Tool) -> Found:
    """Return whether a tool is here and fits, and a line for the user."""
    path = shutil.which(tool.name)
    if path is None:
        return False, N_(f"not installed (for {tool.use}): {tool.install}")
    told = ""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [path, *tool.ask],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_TIMEOUT,
            check=False,
        )
        told = (done.stdout + done.stderr).decode(errors="replace")
    fits, what = tool.read(told)
    what = what or path
    return fits, N_(f"{what} (for {tool.use})")
