"""The admin port: `/healthz` and `/metrics` for programs on this machine, over HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from chat.domain.errors import ChatError
from chat.interfaces.address import Address, is_loopback
from chat.server.hub import Hub
from chat.server.metrics import collect
from chat.transport.asgi import Application, Receive, Scope, Send
from chat.transport.http_server import WebServer

TEXT = "text/plain; charset=utf-8"


class AdminServer(WebServer):
    """Answers programs on this machine. It asks for no access token: it tells nothing about people."""

    def __init__(self, hub: Hub, address: Address, dropped: Mapping[str, Counter[str]]) -> None:
        """Prepare; see `chat.server.metrics.collect` for ``dropped``."""
        super().__init__(hub, address)
        self._hub = hub
        self._dropped = dropped
        self._process = CollectorRegistry()

    async def start(self) -> Address:
        if not is_loopback(self.address.host):
            raise ChatError(
                f"the admin port is for this machine only, and others can reach {self.address.host}: "
                "use 127.0.0.1, and a proxy of yours in front of it"
            )
        ProcessCollector(registry=self._process)
        return await super().start()

    def application(self) -> Application:
        return self._answer

    def refusal(self, status: int, error: ChatError) -> tuple[str, bytes]:
        return TEXT, f"{error}\n".encode()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        accept = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept")
        status, kind, body = 404, TEXT, b"there are /healthz and /metrics\n"
        if scope["method"] not in ("GET", "HEAD"):
            status, body = 405, b"only GET is allowed here\n"
        elif scope["path"] == "/healthz":
            status, body = (200, b"ready\n") if self._hub.ready else (503, NOT_READY)
        elif scope["path"] == "/metrics":
            status, (kind, body) = 200, await self._metrics(accept)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _metrics(self, accept: str) -> tuple[str, bytes]:
        """Return the content type and the text: Prometheus' own, or OpenMetrics if the client accepts it."""
        encode, kind = choose_encoder(accept)
        process = await asyncio.to_thread(lambda: list(self._process.collect()))  # it reads files
        return kind, encode(_Read([*collect(self._hub, self._dropped), *process]))


NOT_READY = b"not ready: the log stores nothing at the moment, or the server stops\n"


class _Read(CollectorRegistry):
    """What was read, in the form that the library's encoders take."""

    def __init__(self, metrics: list[Metric]) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics
