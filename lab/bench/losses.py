"""What a server that stores has lost after a kill, and after a power failure."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import psutil

from lab.bench.servers import running
from lab.bench.storing import Durable, Publisher
from lab.power_failure import Disk, calls_of

OUTSTANDING = 32
"""Messages that wait for their acknowledgement, at most."""
IMAGES = 10
"""Disks that one power failure may leave, of many."""


class Loss(msgspec.Struct):
    """What was acknowledged, and of that is not there afterwards."""

    acknowledged: int = 0
    lost: list[int] = []
    """One number for each try; none: it was not tried."""


def killed(one: Durable, folder: Path, cores: list[int], seconds: float) -> Loss:
    """Kill a busy server, and start it again. Raises `ChatError`."""
    acknowledged = _busy_until_killed(one, folder, cores, seconds)
    return Loss(acknowledged, [_lost(one, folder, cores, acknowledged)])


def power_failed(one: Durable, folder: Path, cores: list[int], seconds: float) -> Loss:
    """Let the power fail under a busy server, and start it again on each disk that this may leave.

    What it wrote and synced is recorded. Of what it has not synced a disk has all, nothing, or a part. The
    names of files are kept as ext4 keeps them: by the sync of any file. Raises `ChatError`.
    """
    trace = folder.with_name(f"{folder.name}.trace")
    acknowledged = _busy_until_killed(one, folder, cores, seconds, trace)
    disk = Disk(str(folder), keeps_names=True)
    for call in calls_of(trace, folder):
        disk.apply(call)
    loss = Loss(acknowledged)
    for seed in range(IMAGES):
        image = folder.with_name(f"{folder.name}-{seed}")
        image.mkdir()
        disk.write(random.Random(seed), image)
        loss.lost.append(_lost(one, image, cores, acknowledged))
    return loss


def _busy_until_killed(
    one: Durable, folder: Path, cores: list[int], seconds: float, trace: Path | None = None
) -> int:
    """Kill a busy server; return how many messages it has acknowledged."""
    with running(one.server, folder, cores, trace) as server:
        publisher = Publisher(server.port, one.speech)
        publisher.run(seconds, OUTSTANDING)
        publisher.publish(OUTSTANDING)
        psutil.Process(server.pid).kill()
        try:
            while True:
                publisher.read()  # an acknowledgement that was sent before counts
        except OSError:
            publisher.close()
    return publisher.acknowledged


def _lost(one: Durable, folder: Path, cores: list[int], acknowledged: int) -> int:
    """Start a server on what is left; return how many messages are not there."""
    with running(one.server, folder, cores) as server:
        return max(0, acknowledged - one.speech.stored(server))
