"""ONC RPC: procedures with numbers, their types in an IDL file that C and Python are generated from."""

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
    aliases=("sunrpc", "rpcgen"),
    settings=(
        Setting(
            "transport", "what carries the calls; over UDP, unanswered calls are sent again", ("tcp", "udp")
        ),
        Setting(
            "duplicate-cache",
            "remember answers over UDP, so that a call that comes twice happens once",
            ("on", "off"),
            client=False,
            server=True,
        ),
    ),
)
