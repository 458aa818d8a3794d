"""One broker for all workers of a run: ``python -m tests.support.shared_broker FOLDER`` keeps it.

The first worker that needs it starts this process. It ends the broker when nobody holds the lock on the file
``users`` any more; the operating system releases that lock, however a worker ends. POSIX only.
"""

from __future__ import annotations

import copy
import fcntl
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from backends.rabbitmq.private import PrivateBroker
from tests.support.broker import broker

ROOT = Path(__file__).parents[2]


@contextmanager
def shared_broker(folder: Path) -> Iterator[PrivateBroker]:
    """Use the broker of this folder, which is started when nobody does so yet.

    It is another process's: only `PrivateBroker.url`, `address` and `ctl` are of use.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("a") as users:
        with FileLock(folder / "start.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)  # waits for a keeper that is just ending its broker
            if not (folder / "broker").exists():
                _start(folder)
        yield pickle.loads((folder / "broker").read_bytes())


def _start(folder: Path) -> None:
    with (folder / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )
    while not (folder / "broker").exists():
        if keeper.poll() is not None:
            raise RuntimeError((folder / "keeper.log").read_text(errors="replace"))
        time.sleep(0.05)
    keeper.returncode = 0  # it outlives this worker: no warning about that


def _keep(folder: Path) -> None:
    with (folder / "users").open("a") as users, broker(folder / "rabbitmq") as ours:
        handle = copy.copy(ours)
        handle._processes, handle._output = [], None  # a process belongs to the one that started it
        new = folder / "broker.new"
        new.write_bytes(pickle.dumps(handle))
        new.replace(folder / "broker")
        fcntl.flock(users, fcntl.LOCK_EX)  # and held until the broker is gone: the next one gets its folder
        (folder / "broker").unlink()


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
