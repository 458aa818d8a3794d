"""Tracing by OpenTelemetry, for who asks for it: a span for every call, joined over the wire by its metadata.

The interceptors are OpenTelemetry's own. They see calls: the stream of a chat is one span, from coming in to
leaving, and what is said inside it is not theirs to see.
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
    """Return what traces a server's calls; nothing for ``off``. Raises `ChatError`."""
    if kind == "off":
        return ()
    provider = _provider(kind)
    from opentelemetry.instrumentation.grpc import aio_server_interceptor

    make: Any = aio_server_interceptor  # it has no hints
    return (make(tracer_provider=provider),)


def client_interceptors(kind: str) -> Sequence[grpc.aio.ClientInterceptor]:
    """Return what traces a client's calls; nothing for ``off``. Raises `ChatError`."""
    if kind == "off":
        return ()
    provider = _provider(kind)
    from opentelemetry.instrumentation.grpc import aio_client_interceptors

    make: Any = aio_client_interceptors  # it has no hints
    return tuple(make(tracer_provider=provider))


@cache
def _provider(kind: str) -> Any:
    """Return the one provider of this process: it hands the spans to stderr, or to a collector.

    The collector's address is where OpenTelemetry has it: ``OTEL_EXPORTER_OTLP_ENDPOINT``, or port 4317
    of this machine.
    """
    try:
        from opentelemetry.instrumentation.grpc import aio_server_interceptor  # noqa: F401  # is it there?
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
