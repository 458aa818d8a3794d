"""One worker: ``python -m chat.server.workers.worker DESCRIPTOR``, started by a `Team`."""

from __future__ import annotations

import pickle
import socket
import sys
from dataclasses import replace

from chat.domain.errors import ChatError
from chat.interfaces.address import Address
from chat.interfaces.tls import Identity
from chat.server import renewal
from chat.server.serve import Offer, Plan, run
from chat.server.workers.link import Failed, Ready, Secrets, Start, framed, to_worker
from chat.server.workers.log import WorkerLog


def _first(connection: socket.socket) -> Start:
    """Read the first message, before there is an event loop. Raises EOFError."""
    with connection.makefile("rb", buffering=0) as file:

        def exactly(count: int) -> bytes:
            data = b""
            while len(data) < count:
                if not (more := file.read(count - len(data))):
                    raise EOFError
                data += more
            return data

        (message,) = to_worker.decode(exactly(int.from_bytes(exactly(4), "big")))
    assert isinstance(message, Start)
    return message


def _taken(secrets: Secrets) -> renewal.Secrets:
    identity = Identity.of(secrets.certificate, secrets.key) if secrets.certificate else None
    return renewal.Secrets(secrets.access, identity)


def main(descriptor: int) -> int:
    """Serve until the server that started this worker ends it, or is gone. Returns an exit code."""
    with socket.socket(fileno=descriptor) as connection:
        try:
            start = _first(connection)
        except EOFError:
            return 0
        log = WorkerLog(connection, start)
        secrets = _taken(start.secrets)
        plan: Plan = pickle.loads(start.plan)
        plan = replace(
            plan,
            access=secrets.access,
            identity=secrets.identity,
            renewable=renewal.Renewable(plan.renewable.names, lambda: _taken(log.secrets)),
        )

        def ready(offers: list[Offer], _: Address | None) -> None:
            log.tell(Ready(pickle.dumps(offers)))

        with connection.dup() as spare:
            try:
                run(plan, ready, log)
            except ChatError as error:  # the log has closed the connection
                spare.setblocking(True)
                spare.sendall(framed([Failed(str(error))]))
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
