"""The load generator for calls over HTTP: some clients, each with a connection and one call outstanding.

`lab.bench.comparison` starts it as ``python -m lab.bench.http_sink``; see `lab.bench.load`.
"""

from __future__ import annotations

from lab.bench.checker import DeliveryError
from lab.bench.http_client import HttpClient
from lab.bench.http_wire import WEB, text
from lab.bench.load import Connected, Load, Measured, Pace, Target, poller, serve
from lab.bench.regimes import Regime


class Callers(Load):
    """As many clients as calls may be outstanding. Each has a seat, and numbers its drafts from 1."""

    what = "calls were not answered"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._web = WEB[target.dialect](f"{target.host}:{target.port}")
        self._clients: dict[int, HttpClient] = {}  # by file descriptor
        self._idle: list[HttpClient] = []
        self._since: dict[int, float] = {}  # when each outstanding call was sent
        self._answered: list[float] = []  # when the calls that are answered now were sent
        self._seqs: set[int] = set()
        self._poll, self._register = poller()

    def connect(self) -> Connected:
        return Connected(connects=0.0, client_bytes=0.0, sent=0)

    def measure(self, regime: Regime, seconds: float) -> Measured:
        for number in range(len(self._clients), regime.window):
            client = HttpClient(self._target.host, self._target.port, self._web, f"b{number}")
            self._clients[client.fd] = client
            self._idle.append(client)
            self._register(client.fd)
        return super().measure(regime, seconds)

    def _offer(self, pace: Pace, now: float) -> None:
        for since in pace.due(now, len(self._since)):
            client = self._idle.pop()
            self._sent += 1
            client.n += 1
            client.ask(self._web.send(client.key, client.n, text(self._sent)))
            self._since[client.fd] = since

    def _take(self, pace: Pace) -> bool:
        ready = self._poll(0.0)
        for fd in ready:
            client = self._clients[fd]
            if fd not in self._since:
                raise DeliveryError("the server has closed the connection, or answered without a request")
            if (body := client.take(self._web.taken)) is not None:
                self._check(self._web.sent(body, client.n))
                self._answered.append(self._since.pop(fd))
                self._idle.append(client)
        return bool(ready)

    def _check(self, seq: int) -> None:
        if seq in self._seqs:
            raise DeliveryError(f"two messages have seq {seq}")
        self._seqs.add(seq)

    def _done(self) -> list[float]:
        answered, self._answered = self._answered, []
        return answered

    def _under_way(self) -> int:
        return len(self._since)


if __name__ == "__main__":
    serve(Callers)
