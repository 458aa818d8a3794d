"""Can a port of another machine be reached: open, refused, filtered, or is there no way to it?"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

from chat.interfaces.address import Address
from chat.language import N_

TIMEOUT = 3.0
"""Seconds for a connection: three tries of a SYN, at 0, 1 and 3 s (RFC 6298, 2.1)."""

Reach = Literal["open", "refused", "filtered", "no way", "other"]
"""open: a connection; refused: the machine itself said no (RST); filtered: nobody answered; no way: the
network said that it can't be reached (ICMP, or no answer to ARP)."""

_NO_WAY = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}


async def reach(address: Address) -> Reach:
    """Try to connect to a TCP port, and say nothing there."""
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "filtered"
    except OSError as error:
        return "no way" if error.errno in _NO_WAY else "other"
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
    return "open"


def advice(host: str, found: Mapping[str, Reach]) -> str:
    """Return what the ports together tell, and what to do; "": nothing is wrong with the network.

    Args:
        host: the machine.
        found: by technique, how its TCP port was reached.
    """
    kinds = set(found.values())
    if kinds <= {"open"}:
        return ""
    if kinds <= {"filtered"}:
        return N_(
            f"nothing at {host} answered: it is switched off or elsewhere, its firewall lets nobody in, or "
            "the access point keeps its clients apart (client isolation). Try ping; ask for another network, "
            "use a cable, or the hotspot of a phone"
        )
    if "no way" in kinds:
        return N_(
            f"there is no way to {host}: are both machines in the same network? Compare their addresses"
        )
    if kinds <= {"refused"}:
        return N_(
            f"{host} answers, so the network is fine, but it serves nothing here: start chat serve --lan "
            "there; if it runs, its address may be another one by now"
        )
    if "filtered" in kinds:
        shut = ", ".join(name for name, one in found.items() if one == "filtered")
        return N_(
            f"a firewall drops {shut} and lets others through: open their ports on {host}, or use the others"
        )
    return ""
