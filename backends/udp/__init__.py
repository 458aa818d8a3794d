"""UDP: datagrams that may get lost, come twice or overtake each other; one JSON object in each."""

from __future__ import annotations

from chat.interfaces.settings import SWITCH, Setting
from chat.interfaces.technique import Technique, Traits


def probability(text: str) -> float:
    """Read a probability. Raises ValueError, with a text for the user."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{text!r} is no probability: write 0 to 1, e.g. 0.3")
    return value


TECHNIQUE = Technique(
    name="udp",
    title="UDP sockets",
    family="sockets",
    summary="one JSON object a datagram; what gets lost is named, or repaired",
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
    settings=(
        Setting("repair", "ask again for what got lost, send again, put it in order", SWITCH),
        Setting(
            "loss",
            "lose this share of the datagrams on purpose, both ways",
            default="0",
            metavar="P",
            check=probability,
            server=True,
        ),
        Setting(
            "dup",
            "let this share of the datagrams come twice",
            default="0",
            metavar="P",
            check=probability,
            server=True,
        ),
        Setting(
            "reorder",
            "let this share of the datagrams come after the next one",
            default="0",
            metavar="P",
            check=probability,
            server=True,
        ),
        Setting(
            "seed",
            "begin the dice of --loss, --dup and --reorder here, to see the same again",
            metavar="TEXT",
            server=True,
        ),
    ),
)
