"""Texts about techniques: ``chat techniques``, ``chat explain`` and ``chat doctor``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import backends
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.technique import Technique
from chat.interfaces.tls import Fingerprint, Trust
from chat.language.translation import translate
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


Ports = Mapping[str, int]
"""By technique, the ports of the server that the texts are to show; others have the default ports."""


def rows(ports: Ports = MappingProxyType({})) -> list[tuple[str, ...]]:
    """Return the table of techniques, its heading first. Padded, a row has at most 80 columns."""
    table: list[tuple[str, ...]] = [
        ("technique", "port", "events", "ordered", "lossless", "kept by", "bytes", "contract")
    ]
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
                "its chapter"
                if traits.contract == chapter(label)
                else traits.contract.removeprefix(f"backends/{label.name}/"),
            )
        )
    return table


def table(ports: Ports) -> str:
    """Return the table for a terminal."""
    lines = rows(ports)
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
        lines.append(f"{label.name:<9} {label.title}, port {port}: {flow}, {loss}")
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
        return False, "; ".join(f"{need.what} is missing: {need.install}" for need in missing)
    if pinned and not label.tls:
        return False, "cannot be encrypted, so it was not tried: leave out --ca and --fingerprint"
    try:
        trust = await trust_in(pinned, [address])
    except ChatError as error:
        return False, str(error)
    try:
        took = await ask_for_seat(label, address, access, trust)
    except ConnectionLost as error:
        return False, str(error)
    except ChatError as error:
        return False, f"{address} answers, but refuses: {error}"
    return True, f"{address}, answered in {took * 1000:.1f} ms"


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
    reasons: list[str] = []

    def on_hindered(reason: str) -> None:
        reasons.append(reason)
        hindered.set()

    client.on_hindered = on_hindered

    trying, told = asyncio.ensure_future(client.check(access)), asyncio.ensure_future(hindered.wait())
    try:
        async with asyncio.timeout(DOCTOR_TIMEOUT):
            either: list[asyncio.Future[Any]] = [trying, told]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not trying.done():
                raise ConnectionLost(f"{address} answers, but {reasons[0]}")
            return await trying
    except TimeoutError:
        raise ConnectionLost(no_answer(address)) from None
    finally:
        trying.cancel()
        told.cancel()
        await asyncio.gather(trying, told, return_exceptions=True)
        await client.close()
