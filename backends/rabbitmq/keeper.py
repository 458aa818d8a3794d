"""``python -m backends.rabbitmq.keeper FOLDER``: runs the private broker of a state folder.

It starts the broker, says in the folder where it is, starts it again when it is killed, and ends it when
nobody has been connected for a while. Nobody runs it by hand: `backends.rabbitmq.broker` does.
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

IDLE = 30.0
"""Seconds after its last user until it ends."""
LOOK_EVERY = 1.0
"""Seconds between two looks at whether it lives, and who is there."""
RESTARTS, WITHIN = 5, 60.0
"""Times that a broker is started again within so many seconds; then something is wrong with it."""


def main(folder: Path, idle: float = IDLE) -> None:
    """Keep the broker until nobody needs it. Raises `ChatError`."""
    private = daemon(folder)
    if not private.claim():
        raise ChatError("another keeper keeps the private broker of this folder")
    place = folder / "broker"
    shutil.rmtree(place, ignore_errors=True)  # of one that was killed: its ports and password are gone
    try:
        broker = PrivateBroker(place)
        try:
            broker.start()
            private.announce(_record(broker))
            _keep(broker, private, idle)
        finally:
            broker.remove()
    finally:
        private.end()


def _record(broker: PrivateBroker) -> Record:
    return Record(os.getpid(), broker.url, tuple(broker.groups), str(broker.folder))


def _keep(broker: PrivateBroker, private: BackgroundProcess[Record], idle: float) -> None:
    restarts: deque[float] = deque(maxlen=RESTARTS)
    last_used = time.monotonic()
    while time.monotonic() - last_used < idle:
        time.sleep(LOOK_EVERY)
        if not broker.running:
            now = time.monotonic()
            if len(restarts) == RESTARTS and now - restarts[0] < WITHIN:
                raise ChatError(f"the private broker ended {RESTARTS} times within {WITHIN:.0f} s")
            restarts.append(now)
            broker.kill()
            broker.start()
            private.announce(_record(broker))
            last_used = time.monotonic()
        elif broker.users():
            last_used = time.monotonic()


def _asked_to_end(*_: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _asked_to_end)
    try:
        main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else IDLE)
    except ChatError as error:
        sys.exit(f"chat: {error}")
