"""The round that every peer plays: its program is built, meets ann, and what happened is compared.

README.md says what a program must do and print.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from chat.interfaces.address import Address
from tests.interop.peers.catalog import Peer
from tests.support.foreign import Foreign
from tests.support.node import cannot_run
from tests.support.people import Person

ROOT = Path(__file__).parents[3]
CONTRACTS = [ROOT / "protos" / "chat.proto", ROOT / "protos" / "chat.x", ROOT / "wsdl"]
CONTRACTS += [ROOT / "backends" / "rest" / "openapi.json"]
"""What a build may read besides the peer's folder."""
BUILD = 110.0
"""Seconds for a build: within the time that a test may take."""
PLAY = 60.0
"""Seconds for a whole round; half a minute is a poll and a slow start."""
PAUSE = 1.2
"""Seconds that ann lets the peer wait: longer than any program asks again by itself."""
TOKEN = "sesame-7"
OLDER = "first", "second"
LAST = "Grüße\nan &<alle> 漢字"
SPOKEN = "ä 漢字\n&<>"
EDITED = "漢字 ä\n<&>"
LATER = "später, ß"


# --- building ------------------------------------------------------------------------------------


def missing(peer: Peer) -> str:
    """Return what this machine lacks for it, with what to do; empty: nothing."""
    for command in ([*peer.programs], *([word] for word in _first_words(peer))):
        for name in command:
            if shutil.which(name) is None:
                return f"{name} is not installed: {_install(peer)}"
    if peer.probe and subprocess.run(_filled(peer.probe), capture_output=True, check=False).returncode:
        return f"{peer.library} is not installed: {_install(peer)}"
    return ""


def _first_words(peer: Peer) -> list[str]:
    """Return the programs that its commands start, except those that the build makes."""
    words = [command[0] for command in [peer.run, *peer.build]]
    if (peer.folder / "package.json").exists():
        words += ["node", "npm"]
    return [word for word in words if "/" not in word and not word.startswith("{")]


def _install(peer: Peer) -> str:
    return peer.optional or f"apt install {' '.join(peer.apt)}"


def _filled(command: Sequence[str]) -> list[str]:
    return [word.format(python=sys.executable, root=ROOT) for word in command]


def build(peer: Peer, folder: Path, environment: dict[str, str]) -> None:
    """Copy a peer's folder, and do there what its program needs.

    Args:
        peer: Which.
        folder: Where; it exists and is empty.
        environment: For the commands: that of the machine, so that pip and npm find their packages.

    Raises:
        subprocess.CalledProcessError: A command failed; its ``stderr`` says why.
    """
    shutil.copytree(peer.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    commands = [_filled(command) for command in peer.build]
    if (peer.folder / "package-lock.json").exists():
        commands.insert(0, ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"])
    if peer.pip:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        commands.insert(0, [*pip, "--target", "packages", *peer.pip])
    for command in commands:
        subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD, check=True
        )


def need(peer: Peer) -> None:
    """Skip the test with its reason where the peer can't run; fail it where all tests must run."""
    if reason := missing(peer):
        if peer.optional:
            pytest.skip(reason)
        cannot_run(reason)


# --- the round -----------------------------------------------------------------------------------


def command_of(peer: Peer, where: Address | str, nick: str) -> list[str]:
    """Return the command that starts its program."""
    place = [where] if isinstance(where, str) else [where.host, str(where.port)]
    token = [] if isinstance(where, str) else [TOKEN]
    return [*_filled(peer.run), *place, nick, *token]


def environment_of(peer: Peer, folder: Path) -> dict[str, str]:
    """Return what its program has in its environment besides the test's own."""
    return {"PYTHONPATH": str(folder / "packages")} if peer.pip else {}


async def start(command: list[str], folder: Path, environment: dict[str, str]) -> Foreign:
    return Foreign(
        await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environment},
        )
    )


async def play(peer: Peer, ann: Person, program: Foreign) -> None:
    """Let a peer's program and ann meet, and compare all that it did with what its catalog entry says.

    Args:
        peer: Who plays.
        ann: Is in the room, has said `OLDER` and `LAST`, and listens.
        program: Has just been started, with the nick ``peer``.

    Raises:
        AssertionError: It did less than it can, or more than the entry says.
    """
    try:
        async with asyncio.timeout(PLAY):
            if not peer.why_not("waits"):
                await program.until("waiting")
                await asyncio.sleep(PAUSE)
                await ann.say(LATER)
            code, complaints = await program.over()
    except TimeoutError:
        raise AssertionError(f"it does not end: {program.lines}") from None
    finally:
        if program.process.returncode is None:
            program.process.kill()
            await program.process.wait()
    assert code == 0, (code, program.lines, complaints)
    _compare_version(peer, program.lines)
    did = await _done(ann, peer) | {step for step, line in _expected(peer).items() if line in program.lines}
    expected = {step for step in _expected(peer) if not peer.why_not(step)}
    assert did == expected, (sorted(did ^ expected), program.lines, complaints)


def _expected(peer: Peer) -> dict[str, str]:
    """Return for each step the line that shows it; empty where only the room shows it."""
    return {
        "joins": "",
        "members": "members ann peer",
        "reads": f"reads {_hex(LAST)}",
        "history": f"history {' '.join(map(_hex, OLDER))}",
        "speaks": "",
        "waits": f"waits {_hex(LATER)}",
        "edit": "",
        "delete": "",
        "refused": "refused nick_taken",
        "token": "token access_denied",
    }


def _hex(text: str) -> str:
    return text.encode().hex()


async def _done(ann: Person, peer: Peer) -> set[str]:
    """Return the steps that the room saw."""
    if peer.why_not("joins"):
        return {"joins" for event in ann.seen if event.author == "peer"}
    await ann.sees("left", "peer")
    mine = [event for event in ann.seen if event.author == "peer"]
    return {
        step
        for step, kind, text in (
            ("joins", "joined", ""),
            ("speaks", "sent", SPOKEN),
            ("edit", "edited", EDITED),
            ("delete", "deleted", ""),
        )
        if any((event.kind, event.text) == (kind, text) for event in mine)
    }


def _compare_version(peer: Peer, lines: list[str]) -> None:
    """Fail if another version ran than the table names; another system may have another language."""
    if peer.source == "its language" or (peer.source == "Debian 12" and not _on_debian_12()):
        return
    (version,) = [line.removeprefix("version ") for line in lines if line.startswith("version ")]
    assert version == peer.version, (
        f"{peer.library} {version} ran: write that into peer.toml, then: make docs"
    )


def _on_debian_12() -> bool:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return (release["ID"], release.get("VERSION_ID")) == ("debian", "12")
