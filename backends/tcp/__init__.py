"""TCP: a byte stream without message boundaries, so we add our own: one JSON object a line."""

from __future__ import annotations

from chat.interfaces.settings import Setting
from chat.interfaces.technique import Technique, Traits

TECHNIQUE = Technique(
    name="tcp",
    title="TCP sockets",
    family="sockets",
    summary="one connection, JSON lines, the server pushes; try it with nc",
    traits=Traits(
        push=True,
        ordered=True,
        lossless=True,
        resend=True,
        stores="server",
        contract="docs/protocol.md",
        encoding="text",
        encrypted=False,
    ),
    port=7010,
    tls=True,
    spreads=True,
    client="backends.tcp.client:TcpClient",
    server="backends.tcp.server:TcpServer",
    decoder="backends.tcp.decoder:make_decoder",
    by_hand="backends.tcp.by_hand:command",
    settings=(
        Setting(
            "naive",
            "serve a broken twin, for lessons",
            ("off", "framing", "utf8", "lost-ack", "double-apply", "reorder", "drop-slow"),
            metavar="FLAW",
            client=False,
            server=True,
        ),
    ),
)
