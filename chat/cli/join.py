"""`chat join HOST`: into the class of somebody else, with what stands on the board."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

import backends
from chat.cli.options import (
    Client,
    backend_option,
    checked,
    ports_option,
    settings_options,
    warn,
)
from chat.cli.theme_option import theme_option
from chat.domain.access_token import same_words
from chat.domain.errors import AccessDenied, ChatError, ConnectionLost
from chat.domain.validation import clean_nick, clean_room
from chat.interfaces.address import Address, parse_address
from chat.interfaces.technique import Technique
from chat.interfaces.tls import Fingerprint
from chat.language import N_
from chat.language.translation import about, colon, translate

if TYPE_CHECKING:
    from chat.client.connect import Place

TRIES = 3
"""How often the words are asked for."""
NOT_THE_WORDS = N_("these are not the words on the board: type them as they stand there")
NO_WORDS = N_("the words on the board are needed: give them with --words, or set CHAT_TOKEN")
"""What the server says of an access token, in the words of a class."""


@dataclass(frozen=True, slots=True)
class Joining(Client):
    """A client of a server that was verified: its host, its ports, and the token."""

    access: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    """By technique; others have their default ports."""

    def place(self) -> Place:
        port = self.ports.get(self.technique.name, self.technique.port)
        here = super(Joining, self).place()  # a dataclass with slots is made anew: super() knows the first
        return replace(here, server=str(Address(str(self.server), port)), access=self.access)


def host_alone(_: click.Context | None, __: click.Parameter | None, text: str) -> str:
    """Return the host that was written, without the brackets of an IPv6 address."""
    try:
        address = parse_address(text, 0)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if address.port:
        raise click.BadParameter("leave the port out: each technique has one of its own, see --port-of")
    return address.host


@click.command(
    epilog="""
    \b
    Examples:
      chat join 192.168.1.5                      asks for the words on the board
      chat join 192.168.1.5 --check 3fa2-91bc-77d0 --words apple-robin-moon-storm
    """
)
@click.argument("host", callback=host_alone)
@click.option(
    "--words", metavar="WORDS", help="The words on the board; without it, CHAT_TOKEN, or they are asked for."
)
@click.option(
    "--check", metavar="DIGITS", help="The certificate on the board; without it, you compare it yourself."
)
@backend_option
@click.option("--room", default="lab", show_default=True, callback=checked(clean_room), help="The room.")
@click.option(
    "--as",
    "nick",
    metavar="NAME",
    callback=checked(clean_nick),
    help="Your name; without it, your login name.",
)
@ports_option
@click.option("--plain", is_flag=True, help="Lines instead of a screen: for pipes and screen readers.")
@theme_option
@settings_options("client")
def join(
    host: str,
    words: str | None,
    check: str | None,
    backend: Technique | None,
    room: str,
    nick: str | None,
    port_of: dict[str, int],
    plain: bool,
    theme: str | None,
    settings: dict[str, str],
) -> int:
    """Join the class of the server at HOST (`chat serve --lan`).

    The first time you compare its certificate with the board; it is kept, and another one is refused from
    then on. Then you choose among the techniques that answer there.
    """
    import asyncio

    from chat.background.state_folder import state_dir
    from chat.cli.config import access_token
    from chat.cli.screen import screen

    labels = [
        label for label in ([backend] if backend else backends.techniques()) if label.tls and label.server
    ]
    if not labels:
        assert backend is not None
        raise ChatError(f"{backend.name} has no TLS: a class is joined over another technique")
    folder = state_dir(warn)
    places = {label.name: Address(host, port_of.get(label.name, label.port)) for label in labels}
    fingerprint = _verified(folder, host, places, check)
    given = same_words(words.strip()) if words else access_token(None)
    here = [label for label in labels if not label.missing()]
    access = asyncio.run(_let_in(here, places, fingerprint, given))
    answered, silent = asyncio.run(_answering(labels, places, fingerprint, access))
    for line in silent:
        warn(line)
    if not answered:
        raise ChatError(f"no technique answers at {host} any more: chat doctor {host} says more")
    me = Joining(
        backend or (answered[0] if plain else None),
        host,
        room,
        nick,
        None,
        None,
        str(fingerprint),
        True,
        settings,
        access=access,
        ports=port_of,
    )
    return screen(me, plain=plain, theme=theme, techniques=answered)


def _verified(folder: Path, host: str, places: Mapping[str, Address], check: str | None) -> Fingerprint:
    """Return the fingerprint of the certificate at the host, once it is known to be the right one."""
    import asyncio

    from chat.client.known_servers import known, matches, remember

    found = asyncio.run(_shown(host, places))
    before = known(folder, host)
    if check is not None:
        if not matches(found, check):
            raise ChatError(
                f"{host} has another certificate than the board: {found.short}. Look whether you typed it "
                "right; if so, you have reached another machine, or somebody is between you and the class"
            )
    elif before is None:
        click.echo(translate(f"the certificate of {host}: {found.short}"), err=True)
        if not sys.stdin.isatty():
            raise ChatError(f"{host} is new here: give --check with the certificate on the board")
        if not _confirmed(translate("Does the same stand on the board?")):
            raise ChatError(f"not joined: nothing was sent to {host}; ask the teacher for the address")
    elif before != found:
        raise ChatError(
            f"{host} has another certificate than the last time: {found.short}, and it was {before.short}. "
            "It may be another machine that has this address today, or somebody between you and the class. "
            f"If the board shows {found.short}, write chat join {host} --check {found.short}"
        )
    if found != before:
        remember(folder, host, found)
    return found


def _confirmed(question: str) -> bool:
    """Ask; "yes" may also be said in the language in use, which `click.confirm` does not take."""
    yes, no = translate("yes"), translate("no")
    prompt = f"{question} [{yes[0]}/{no[0].upper()}]"
    said = click.prompt(prompt, default="", show_default=False, prompt_suffix=colon(), err=True)
    return bool(said.strip()) and any(word.startswith(said.strip().lower()) for word in ("yes", yes))


async def _shown(host: str, places: Mapping[str, Address]) -> Fingerprint:
    """Return the fingerprint of what the host shows: of its authority, if it shows one."""
    import asyncio

    from chat.transport.pinning import certificates

    tried = await asyncio.gather(*map(certificates, places.values()), return_exceptions=True)
    for chain in tried:
        if isinstance(chain, list) and chain:
            return Fingerprint.of(chain[-1])
    from chat.cli.reach import advice, reach

    found = await asyncio.gather(*(reach(place) for place in places.values()))
    told = advice(host, dict(zip(places, found, strict=True)))
    why = next((str(one) for one in tried if isinstance(one, ChatError)), N_("it shows no certificate"))
    raise ConnectionLost(told or why)


async def _let_in(
    labels: Sequence[Technique], places: Mapping[str, Address], fingerprint: Fingerprint, access: str
) -> str:
    """Return the words with which the server lets us in; ask for them if need be. Raises `ChatError`."""
    import asyncio

    from chat.cli.guide import ask_for_seat

    asks = sys.stdin.isatty()
    left = TRIES
    for label in labels:  # the first that answers knows whether they are right
        while left:
            if not access and asks:
                left -= 1
                asked = translate("The words on the board")
                typed = await asyncio.to_thread(click.prompt, asked, prompt_suffix=colon(), err=True)
                access = same_words(typed.strip())
            try:
                await ask_for_seat(label, places[label.name], access, fingerprint)
            except AccessDenied as error:
                if error.retry_after:
                    raise
                wrong = NOT_THE_WORDS if access else NO_WORDS
                if not (left and asks):
                    raise AccessDenied(wrong) from None
                warn(wrong)
                access = ""
            except ConnectionLost:
                break
            else:
                return access
    return access


async def _answering(
    labels: Sequence[Technique], places: Mapping[str, Address], fingerprint: Fingerprint, access: str
) -> tuple[list[Technique], list[str]]:
    """Return the techniques that work there, and lines about the others."""
    import asyncio

    from chat.cli.guide import doctor

    tried = await asyncio.gather(*(doctor(one, places[one.name], access, fingerprint) for one in labels))
    works = [label for label, (ok, _) in zip(labels, tried, strict=True) if ok]
    return works, [about(label.name, line) for label, (ok, line) in zip(labels, tried, strict=True) if not ok]
