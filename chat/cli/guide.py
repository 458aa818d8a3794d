"""Texts about techniques: ``chat techniques``, ``chat explain`` and ``chat doctor``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import backends
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.technique import Need, Technique
from chat.interfaces.tls import Fingerprint, Trust
from chat.language import N_
from chat.language.translation import decimal, translate
from chat.transport.errors import no_answer
from chat.transport.pinning import trust_in

DOCTOR_TIMEOUT = 4.0
_INTERNAL = ("client", "server", "needs", "settings", "watcher")


def as_json() -> str:
    """Return every label, its traits, and what is not installed here, as JSON."""
    return json.dumps(
        [
            {
                **{key: value for key, value in asdict(label).items() if key not in _INTERNAL},
                "settings": [
                    {"name": one.name, "summary": one.summary, "choices": one.choices, "default": one.usual}
                    for one in label.settings
                ],
                "missing": [{"what": need.what, "install": need.install} for need in label.missing()],
            }
            for label in backends.techniques()
        ],
        indent=2,
    )


HEAD = N_("technique  port  events  ordered  lossless  kept by  bytes  contract")
"""The columns of the table; a translation has as many, with two blanks between them."""
CELLS = (N_("push"), N_("poll"), N_("yes"), N_("no"), N_("server"), N_("broker"), N_("text"), N_("binary"))
CHAPTER = N_("its chapter")
Ports = Mapping[str, int]
"""By technique, the ports of the server that the texts are to show; others have the default ports."""


def rows(ports: Ports = MappingProxyType({})) -> list[tuple[str, ...]]:
    """Return the table of techniques, its heading first. Padded, a row has at most 80 columns."""
    table: list[tuple[str, ...]] = [tuple(HEAD.split("  "))]
    for label in backends.techniques():
        traits = label.traits
        table.append(
            (
                label.name,
                str(ports.get(label.name, label.port)),
                "push" if traits.push else "poll",
                _yes(traits.ordered),
                _yes(traits.lossless),
                traits.stores,
                traits.encoding,
                CHAPTER
                if traits.contract == chapter(label)
                else traits.contract.removeprefix(f"backends/{label.name}/"),
            )
        )
    return table


def table(ports: Ports) -> str:
    """Return the table for a terminal."""
    _, *below = rows(ports)
    shown = {cell: translate(cell) for cell in (*CELLS, CHAPTER)}
    lines = [translate(HEAD).split("  "), *([shown.get(cell, cell) for cell in row] for row in below)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def markdown() -> str:
    """Return the table for the README, with a link to each chapter."""
    head, *rest = rows()
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rest:
        lines.append(f"| [{row[0]}](backends/{row[0]}/README.md) | " + " | ".join(row[1:]) + " |")
    return "\n".join(lines)


def chapter(label: Technique) -> str:
    """Return the path of a technique's chapter, from the project's top folder."""
    return f"backends/{label.name}/README.md"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def cheat_sheet(ports: Ports) -> str:
    """Return two lines for each technique: all techniques on one screen."""
    lines = []
    for label in backends.techniques():
        flow = translate("server pushes" if label.traits.push else "client polls")
        loss = translate("nothing gets lost" if label.traits.lossless else "messages may get lost")
        port = ports.get(label.name, label.port)
        told = translate(f"{translate(label.title)}, port {port}: {flow}, {loss}")
        lines.append(f"{label.name:<9} {told}")
        lines.append(f"{'':<9} {translate(label.summary)}")
    return "\n".join([*lines, "", translate("chat explain NAME shows more; chat --backend NAME tries it.")])


async def doctor(
    label: Technique, address: Address, access: str, pinned: Trust | Fingerprint | None = None
) -> tuple[bool, str]:
    """Check whether a client of this technique can connect.

    Returns:
        Whether it can, and a line for the user.
    """
    if missing := label.missing():
        return False, lacks(missing)
    if pinned and not label.tls:
        return False, N_("cannot be encrypted, so it was not tried: leave out --ca and --fingerprint")
    try:
        trust = await trust_in(pinned, [address])
    except ChatError as error:
        return False, str(error)
    try:
        took = await ask_for_seat(label, address, access, trust)
    except ConnectionLost as error:
        return False, str(error)
    except ChatError as error:
        return False, N_(f"{address} answers, but refuses: {error}")
    ms = decimal(f"{took * 1000:.1f}")
    return True, N_(f"{address}, answered in {ms} ms")


def lacks(missing: Iterable[Need]) -> str:
    """Return what to install, in the language in use."""
    return "; ".join(translate(f"{need.what} is missing: {need.install}") for need in missing)


async def ask_for_seat(
    label: Technique, address: Address, access: str, pinned: Trust | Fingerprint | None = None
) -> float:
    """Ask a server for a seat, and take none; return after how many seconds the answer came.

    Raises:
        ConnectionLost: no server answers, or it takes no messages at the moment.
        ChatError: the server's refusal.
    """
    trust = await trust_in(pinned, [address])
    client = label.load_client()(address, ClientOptions(trust=trust))
    hindered = asyncio.Event()
    reason = ""

    def on_hindered(why: str) -> None:
        nonlocal reason
        reason = reason or why
        hindered.set()

    client.on_hindered = on_hindered

    trying, told = asyncio.ensure_future(client.check(access)), asyncio.ensure_future(hindered.wait())
    try:
        async with asyncio.timeout(DOCTOR_TIMEOUT):
            either: list[asyncio.Future[Any]] = [trying, told]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not trying.done():
                raise ConnectionLost(f"{address} answers, but {reason}")
            return await trying
    except TimeoutError:
        raise ConnectionLost(no_answer(address)) from None
    finally:
        trying.cancel()
        told.cancel()
        await asyncio.gather(trying, told, return_exceptions=True)
        await client.close()
