"""RPyC: Python calls Python over a connection; the server calls a function that each client has handed it."""

from __future__ import annotations

from chat.interfaces.technique import Need, Technique, Traits

TECHNIQUE = Technique(
    name="rpyc",
    title="RPyC callbacks",
    family="rpc",
    summary="Python calls Python; you hand the server a function, and it calls you",
    traits=Traits(
        push=True,
        ordered=True,
        lossless=True,
        resend=True,
        stores="server",
        contract="backends/rpyc/README.md",
        encoding="binary",
        encrypted=False,
    ),
    port=18861,
    client="backends.rpyc.client:RpycClient",
    server="backends.rpyc.server:RpycServer",
    decoder="backends.rpyc.decoder:make_decoder",
    by_hand="backends.rpyc.by_hand:command",
    needs=(Need("rpyc", "pip install rpyc==6.0.2"),),
    tls=True,
    spreads=True,
)
