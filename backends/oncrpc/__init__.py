"""ONC RPC: numbered procedures, with types in an IDL file from which C and Python are generated."""

from __future__ import annotations

from chat.interfaces.settings import Setting
from chat.interfaces.technique import Technique, Traits

TECHNIQUE = Technique(
    name="oncrpc",
    title="ONC RPC (Sun RPC, rpcgen)",
    family="rpc",
    summary="procedures from an IDL file, long poll; clients in C by rpcgen",
    traits=Traits(
        push=False,
        ordered=True,
        lossless=True,
        resend=True,
        stores="server",
        contract="protos/chat.x",
        encoding="binary",
        encrypted=False,
    ),
    port=7111,
    client="backends.oncrpc.client:OncRpcClient",
    server="backends.oncrpc.server:OncRpcServer",
    decoder="backends.oncrpc.decoder:make_decoder",
    by_hand="backends.oncrpc.by_hand:command",
    dissected_at=111,
    aliases=("sunrpc", "rpcgen"),
    settings=(
        Setting("transport", "what carries the calls; over UDP a lost one is sent again", ("tcp", "udp")),
        Setting(
            "duplicate-cache",
            "keep replies over UDP, so that a call that is sent twice happens once",
            ("on", "off"),
            client=False,
            server=True,
        ),
    ),
)
