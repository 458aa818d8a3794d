"""gRPC: a contract that makes the stubs, and one HTTP/2 stream on which both sides speak."""

from __future__ import annotations

import os

from chat.interfaces.settings import Setting
from chat.interfaces.technique import Need, Technique, Traits

# The library logs connections that fail and requests that are malformed: to the terminal, over a screen that
# is drawn there, and without bound. It reads this when it is imported, which is after this package; a user
# who sets the variable still gets the log.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

TECHNIQUE = Technique(
    name="grpc",
    title="gRPC streams",
    family="rpc",
    summary="one bidirectional HTTP/2 stream, typed by chat.proto",
    traits=Traits(
        push=True,
        ordered=True,
        lossless=True,
        resend=True,
        stores="server",
        contract="protos/chat.proto",
        encoding="binary",
        encrypted=False,
    ),
    port=50051,
    client="backends.grpc.client:GrpcClient",
    server="backends.grpc.server:GrpcServer",
    decoder="backends.grpc.decoder:make_decoder",
    by_hand="backends.grpc.by_hand:command",
    dissected_at=80,
    needs=(
        Need("grpc", "pip install grpcio"),
        Need("grpc_health", "pip install grpcio-health-checking"),
        Need("grpc_reflection", "pip install grpcio-reflection"),
    ),
    tls=True,
    several=True,
    spreads=True,
    settings=(
        Setting(
            "trace",
            "record a span for every call, with OpenTelemetry",
            ("off", "console", "otlp"),
            server=True,
        ),
    ),
)
