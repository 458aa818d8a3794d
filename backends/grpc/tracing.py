"""Optional tracing by OpenTelemetry: a span for every call, linked over the wire by its metadata.

The interceptors are OpenTelemetry's own. They see calls: the stream of a chat is one span, from the hello to
its end, and the messages inside it have no spans.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import grpc

from chat.domain.errors import ChatError

INSTALL = {
    "console": "pip install opentelemetry-sdk opentelemetry-instrumentation-grpc",
    "otlp": "pip install opentelemetry-sdk opentelemetry-instrumentation-grpc "
    "opentelemetry-exporter-otlp-proto-grpc",
}


def server_interceptors(kind: str) -> Sequence[grpc.aio.ServerInterceptor]:
    """Return the interceptors that trace a server's calls; none for ``off``. Raises `ChatError`."""
    if kind == "off":
        return ()
    provider = _provider(kind)
    from opentelemetry.instrumentation.grpc import aio_server_interceptor

    make: Any = aio_server_interceptor  # it has no type hints
    return (make(tracer_provider=provider),)


def client_interceptors(kind: str) -> Sequence[grpc.aio.ClientInterceptor]:
    """Return the interceptors that trace a client's calls; none for ``off``. Raises `ChatError`."""
    if kind == "off":
        return ()
    provider = _provider(kind)
    from opentelemetry.instrumentation.grpc import aio_client_interceptors

    make: Any = aio_client_interceptors  # it has no type hints
    return tuple(make(tracer_provider=provider))


@cache
def _provider(kind: str) -> Any:
    """Return the one provider of this process: it writes the spans to stderr, or sends them to a collector.

    OpenTelemetry reads the collector's address from ``OTEL_EXPORTER_OTLP_ENDPOINT``; the default is port 4317
    of this machine.
    """
    try:
        from opentelemetry.instrumentation.grpc import aio_server_interceptor  # noqa: F401  # is it installed?
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import (
            BatchSpanProcessor,
            ConsoleSpanExporter,
            SimpleSpanProcessor,
        )

        if kind == "otlp":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ChatError(f"--trace {kind} needs {error.name or error}: {INSTALL[kind]}") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "chat"}))
    if kind == "console":
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
    else:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
