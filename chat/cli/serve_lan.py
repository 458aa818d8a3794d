"""`chat serve --lan`: a server for a class in the same network, and what to write on the board."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import backends
from chat.cli.config import access_token, kept_token
from chat.domain.access_token import MIN_TOKEN, new_words, same_words
from chat.domain.classroom import MIN_TEACHER
from chat.domain.errors import ChatError
from chat.language import N_
from chat.language.translation import translate

if TYPE_CHECKING:
    from chat.interfaces.tls import Fingerprint
    from chat.server.serve import Offer

F = TypeVar("F", bound=Callable[..., Any])
PAGE = "rest"
"""The technique whose server has a page for phones."""
LOCAL = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""Networks that the internet does not reach (RFC 1918)."""
WORDS_FILE, TEACHER_FILE = "class-words", "teacher-token"


@dataclass(frozen=True, slots=True)
class Lan:
    """What the user has chosen about a class."""

    lan: bool
    words: str | None
    teacher_token_file: str | None

    def hosts(self, host: str | None, *, is_open: bool) -> list[str]:
        """Return the addresses for the class; none: it is not for one. Raises `ChatError` and UsageError."""
        if not self.lan:
            if self.words:
                raise click.UsageError("--words goes with --lan; otherwise use --token-file")
            return []
        if is_open:
            raise click.UsageError("--open and --lan contradict each other: a class needs an access token")
        return [one.strip() for one in host.split(",") if one.strip()] if host else lan_addresses()

    def access(self, folder: Path | None, given: str) -> str:
        """Return the access token: the one that was given, or the words of this user's classes."""
        if self.words:
            if given:
                raise click.UsageError("--words is the access token: leave out --token-file and CHAT_TOKEN")
            words = same_words(self.words.strip())
            if len(words) < MIN_TOKEN:
                raise click.UsageError(
                    f"--words needs at least {MIN_TOKEN} characters: others can be guessed"
                )
            return words
        if given:
            return given
        return kept_token(folder, WORDS_FILE, new_words) if folder else new_words()

    def teacher(self, folder: Path | None) -> str:
        """Return the teacher's token; "": there is no teacher. Raises `ChatError`."""
        if self.teacher_token_file is None:
            return kept_token(folder, TEACHER_FILE) if folder and self.lan else ""
        token = access_token(self.teacher_token_file)
        if len(token) < MIN_TEACHER:
            raise ChatError(
                f"the teacher's token in {self.teacher_token_file} has {len(token)} characters, and at least "
                f"{MIN_TEACHER} are needed: everybody in the room may try to guess it"
            )
        return token


def lan_options(command: F) -> F:
    """Add the options. The command gets them as one `Lan`, ``lan``."""

    @wraps(command)
    def collect(*arguments: Any, **options: Any) -> Any:
        chosen = Lan(**{name: options.pop(name) for name in Lan.__slots__})
        return command(*arguments, lan=chosen, **options)

    for option in reversed(
        [
            click.option(
                "--lan",
                is_flag=True,
                help="For a class: listen in the local network (or at --host), with TLS and four words as "
                "the access token, and show what to write on the board.",
            ),
            click.option(
                "--words",
                metavar="WORDS",
                help="With --lan: the access token; without it, four words that are kept for the next time.",
            ),
            click.option(
                "--teacher-token-file",
                metavar="FILE",
                help="The file with the teacher's token; with --lan one is made, and your own chats on this "
                "machine have it.",
            ),
        ]
    ):
        collect = option(collect)
    return collect  # type: ignore[return-value]  # the same command, with more options


def lan_addresses() -> list[str]:
    """Return this machine's addresses in local networks (RFC 1918), that of the default route first.

    Raises:
        ChatError: it has none; the text says what to do.
    """
    import psutil

    from chat.interfaces.address import Address
    from chat.server.serve import reachable

    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    every = [
        IPv4Address(one.address)
        for name, addresses in psutil.net_if_addrs().items()
        for one in addresses
        if name in up and one.family == socket.AF_INET
    ]
    others = [one for one in every if not (one.is_loopback or one.is_link_local)]
    local = [str(one) for one in others if any(one in network for network in LOCAL)]
    if not local:
        raise ChatError(no_lan([str(one) for one in others]))
    first = reachable(Address("0.0.0.0", 0)).host  # nothing listens there: it is looked up
    return sorted(local, key=lambda one: one != first)


def no_lan(others: Sequence[str]) -> str:
    """Return what to say of a machine without an address in a local network."""
    if others:
        return N_(
            f"this machine has no address of a local network, only {', '.join(others)}, which the whole "
            f"internet may reach: if that is what you want, write chat serve --lan --host {others[0]}"
        )
    return N_(
        "this machine has no address in a local network: connect it to the network of the class (or make a "
        "hotspot of your phone), and try again; chat serve works on this machine alone"
    )


@dataclass(frozen=True, slots=True)
class Board:
    """What a class needs to know."""

    host: str
    words: str
    fingerprint: Fingerprint
    ports: dict[str, int]
    """Of the techniques that are served there."""
    off: dict[str, str]
    """The others, and why."""

    @classmethod
    def of(cls, offers: Sequence[Offer], host: str, words: str, fingerprint: Fingerprint) -> Board:
        """Return it, from what is served where. Raises `ChatError` if nothing is served at the host."""
        there = {
            one.technique: one.address.port for one in offers if one.address and one.address.host == host
        }
        off = {one.technique: one.reason for one in offers if one.technique not in there}
        if not there:
            why = next((one.reason for one in reversed(offers) if host in one.reason), N_("see above"))
            raise ChatError(f"nothing can be served at {host}: {why}")
        return cls(host, words, fingerprint, there, off)

    @property
    def join(self) -> str:
        """The line for the board."""
        words = shlex.quote(self.words)
        other = port_options(self.ports)
        return f"chat join {self.host} --words {words} --check {self.fingerprint.short}{other}"

    @property
    def page(self) -> str:
        """The page for phones; the token stands behind the #, so that no browser sends it. "": it is off."""
        from urllib.parse import quote

        port = self.ports.get(PAGE)
        return f"https://{self.host}:{port}/#token={quote(self.words, safe='')}" if port else ""

    def json(self) -> str:
        return json.dumps(
            {
                "class": {
                    "join": self.join,
                    "page": self.page,
                    "words": self.words,
                    "ports": self.ports,
                    "off": self.off,
                }
            }
        )

    def lines(self, folder: Path | None, width: int = 0) -> list[str]:
        """Return what the teacher sees; the line for the board comes last, and is not scrolled away.

        Args:
            folder: the state folder; None: there is none.
            width: columns of the terminal, in which that line is broken between its words; 0: there is none.
        """
        names = ", ".join(self.ports)
        told = [translate(f"{names}: ready at {self.host}, with TLS")]
        for why in dict.fromkeys(self.off.values()):
            names = ", ".join(name for name, reason in self.off.items() if reason == why)
            told.append(translate(f"{names}: off, {why}"))
        if self.page:
            told += [
                translate("For phones. The browser will say that it does not know this certificate:"),
                f"  {self.page}",
                qr_code(self.page),
            ]
        if folder:
            teacher, words = folder / TEACHER_FILE, folder / WORDS_FILE
            told += [
                translate(
                    "You are the teacher in your own chats on this machine: /class there shows your means."
                ),
                translate(f"(On another machine set CHAT_TEACHER_TOKEN to what is in {teacher}.)"),
                translate(f"(The words stay the same the next time. For new ones remove {words}.)"),
            ]
        return [*told, "", translate("Write on the board:"), "", *broken(self.join, width), ""]


def port_options(ports: Mapping[str, int]) -> str:
    """Return the options of ``chat join`` for the techniques that do not have their usual ports, or ""."""
    usual = {label.name: label.port for label in backends.techniques()}
    return "".join(f" --port-of {name}={port}" for name, port in ports.items() if port != usual[name])


def columns() -> int:
    """Return the width of the terminal; 0: the output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def broken(command: str, width: int) -> list[str]:
    """Return a command that people copy by hand, in lines of a width that end between two options; 0: any."""
    lines: list[str] = []
    for option in command.split(" --"):
        part = f"--{option}" if lines else f"  {option}"
        if lines and width and len(lines[-1]) + 1 + len(part) > width:
            lines.append(f"      {part}")
        elif lines:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines


def qr_code(text: str) -> str:
    """Return a QR code of half blocks, dark on light: two rows of modules a line."""
    import segno

    out = io.StringIO()
    segno.make(text, micro=False, error="l").terminal(out, border=2, compact=True)
    return out.getvalue().rstrip("\n")
