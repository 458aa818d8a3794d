"""Runs the private broker of a state folder: ``python -m backends.rabbitmq.broker_daemon FOLDER``.

It starts the broker, writes its address into the folder, restarts it when it was killed, and ends it when it
has had no connections for a while. `backends.rabbitmq.broker` starts it; it is not meant to be run by hand.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections import deque
from pathlib import Path

from backends.rabbitmq.broker import Record, daemon
from backends.rabbitmq.private import PrivateBroker
from chat.background.process import BackgroundProcess
from chat.domain.errors import ChatError

IDLE_TIMEOUT = 30.0
"""Seconds without a connection until the broker is ended."""
CHECK_EVERY = 1.0
"""Seconds between two checks whether the broker runs, and is used."""
MAX_RESTARTS, RESTART_WINDOW = 5, 60.0
"""Restarts that are allowed within so many seconds."""


def main(folder: Path, idle_timeout: float = IDLE_TIMEOUT) -> None:
    """Run the broker for as long as it is used.

    Args:
        folder: the state folder.
        idle_timeout: seconds without a connection until it ends.

    Raises:
        ChatError: another daemon runs for this folder, or the broker does not start or keeps ending.
    """
    private = daemon(folder)
    if not private.claim():
        raise ChatError("the private broker of this folder runs already")
    place = folder / "broker"
    shutil.rmtree(place, ignore_errors=True)  # of a daemon that was killed: ports and password are lost
    try:
        broker = PrivateBroker(place)
        try:
            broker.start()
            private.announce(_record(broker))
            _supervise(broker, private, idle_timeout)
        finally:
            broker.remove()
    finally:
        private.end()


def _record(broker: PrivateBroker) -> Record:
    return Record(os.getpid(), broker.url, tuple(broker.groups), str(broker.folder))


def _supervise(broker: PrivateBroker, private: BackgroundProcess[Record], idle_timeout: float) -> None:
    restarts: deque[float] = deque(maxlen=MAX_RESTARTS)
    last_used = time.monotonic()
    while time.monotonic() - last_used < idle_timeout:
        time.sleep(CHECK_EVERY)
        if not broker.running:
            now = time.monotonic()
            if len(restarts) == MAX_RESTARTS and now - restarts[0] < RESTART_WINDOW:
                raise ChatError(
                    f"the private broker ended {MAX_RESTARTS} times within {RESTART_WINDOW:.0f} s"
                )
            restarts.append(now)
            broker.kill()
            broker.start()
            private.announce(_record(broker))
            last_used = time.monotonic()
        elif broker.connections():
            last_used = time.monotonic()


def _exit(*_: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _exit)
    try:
        main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else IDLE_TIMEOUT)
    except ChatError as error:
        sys.exit(f"chat: {error}")
