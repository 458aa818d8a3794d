"""UDP: datagrams that may be lost, duplicated or reordered; one JSON object in each."""

from __future__ import annotations

from chat.interfaces.settings import SWITCH, Setting
from chat.interfaces.technique import Technique, Traits


def probability(text: str) -> float:
    """Return the text as a number from 0 to 1. Raises ValueError with a text for the user."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{text!r} is not a probability: give a number from 0 to 1, e.g. 0.3")
    return value


TECHNIQUE = Technique(
    name="udp",
    title="UDP sockets",
    family="sockets",
    summary="one JSON object per datagram; lost messages are reported, or repaired",
    traits=Traits(
        push=True,
        ordered=False,
        lossless=False,
        resend=False,
        stores="server",
        contract="docs/datagrams.md",
        encoding="text",
        encrypted=False,
        transport="udp",
    ),
    port=7011,
    client="backends.udp.client:UdpClient",
    server="backends.udp.server:UdpServer",
    decoder="backends.udp.decoder:make_decoder",
    by_hand="backends.udp.by_hand:command",
    settings=(
        Setting("repair", "send drafts again, ask for lost events, show events in order", SWITCH),
        Setting(
            "loss",
            "lose this share of the datagrams on purpose, in both directions",
            default="0",
            metavar="P",
            check=probability,
            server=True,
        ),
        Setting(
            "dup",
            "duplicate this share of the datagrams",
            default="0",
            metavar="P",
            check=probability,
            server=True,
        ),
        Setting(
            "reorder",
            "deliver this share of the datagrams after the next one",
            default="0",
            metavar="P",
            check=probability,
            server=True,
        ),
        Setting(
            "seed",
            "seed for --loss, --dup and --reorder: the same seed, the same random choices",
            metavar="TEXT",
            server=True,
        ),
        Setting(
            "naive",
            "serve a broken twin, for lessons",
            ("off", "double-apply", "unnamed-loss"),
            metavar="FLAW",
            client=False,
            server=True,
        ),
    ),
)
