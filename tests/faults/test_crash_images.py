"""The power fails while a server writes its log: every acknowledged message is there, in order.

What a run wrote and synced is recorded with strace, and the files are rebuilt at every sync. ``make fuzz``
makes 1,200 images. The threads' timing differs from run to run, so a seed makes similar images, not the same.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.power_failure import MISSING, SECTOR, Call, Disk, can_trace, parsed
from tests.support.crash_judge import Recording
from tests.support.node import cannot_run

IMAGES = int(os.environ.get("CRASH_IMAGES", "50"))
HEX = "".join(f"\\x{byte:02x}" for byte in b"/disk/a")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    if not sys.platform.startswith("linux") or not can_trace():
        cannot_run(MISSING)
    return Recording.made(tmp_path_factory.mktemp("power"), seed=IMAGES)


async def judged(recording: Recording, folder: Path, count: int, *, honest: bool = True) -> list[str]:
    """Make that many images, spread over the run, and return what is wrong with them."""
    syncs = sum(call.name == "sync" for call in recording.calls)
    problems = []
    for number, moment in enumerate(recording.moments(honest=honest)):
        for seed in range(number * count // syncs, (number + 1) * count // syncs):
            image = folder / f"image-{seed}"
            image.mkdir()
            found = await moment.judged(random.Random(seed), image)
            problems += [f"sync {number} of {syncs}, seed {seed} ({image}): {text}" for text in found]
            if not found:
                shutil.rmtree(image)
    return problems


@pytest.mark.timeout(3600)
async def test_every_acknowledged_message_survives_a_power_failure(
    recording: Recording, tmp_path: Path
) -> None:
    assert await judged(recording, tmp_path, IMAGES) == []


async def test_a_disk_that_only_says_that_it_has_synced_is_found_out(
    recording: Recording, tmp_path: Path
) -> None:
    problems = await judged(recording, tmp_path, 20, honest=False)
    assert any("were acknowledged" in problem for problem in problems)


# --- the disk that is played -------------------------------------------------------------------


def images(*calls: Call, count: int = 200, keeps_names: bool = False) -> list[dict[str, bytes]]:
    disk = Disk("/disk", keeps_names=keeps_names)
    for call in calls:
        disk.apply(call)
    return [disk.image(random.Random(seed)) for seed in range(count)]


def test_what_is_synced_with_its_name_is_in_every_image() -> None:
    made, wrote = Call("open", "/disk/a"), Call("write", "/disk/a", b"x" * 2000)
    for image in images(made, wrote, Call("sync", "/disk/a", number=2), Call("sync", "/disk", number=3)):
        assert image == {"a": b"x" * 2000}


def test_what_is_written_through_is_synced() -> None:
    made, wrote = Call("open", "/disk/a", through=True), Call("write", "/disk/a", b"x" * 2000)
    for image in images(made, Call("sync", "/disk", number=1), wrote):
        assert image == {"a": b"x" * 2000}


def test_the_sync_of_a_file_keeps_its_name_where_that_is_said() -> None:
    made, wrote = Call("open", "/disk/a"), Call("write", "/disk/a", b"x" * 2000)
    synced = Call("sync", "/disk/a", number=2)
    assert {} in images(made, wrote, synced)
    for image in images(made, wrote, synced, keeps_names=True):
        assert image == {"a": b"x" * 2000}


def test_a_write_that_is_not_synced_is_there_or_not_or_torn_at_a_sector() -> None:
    made, wrote = Call("open", "/disk/a"), Call("write", "/disk/a", b"x" * 2000)
    seen = {image["a"] for image in images(made, Call("sync", "/disk", number=1), wrote)}
    assert {b"", b"x" * 2000, b"x" * SECTOR} <= seen
    assert all(set(data[place : place + SECTOR]) in ({0}, {120}) for data in seen for place in _sectors(data))


def _sectors(data: bytes) -> Iterator[int]:
    return iter(range(0, len(data), SECTOR))


def test_a_sync_covers_only_what_began_before_it() -> None:
    made, wrote = Call("open", "/disk/a"), Call("write", "/disk/a", b"x")
    seen = {
        image["a"]
        for image in images(made, Call("sync", "/disk", number=1), wrote, Call("sync", "/disk/a", number=2))
    }
    assert seen == {b"", b"x"}


def test_a_name_that_is_not_synced_may_be_the_old_one_and_never_both() -> None:
    made, synced = Call("open", "/disk/a"), Call("sync", "/disk", number=1)
    seen = [set(image) for image in images(made, synced, Call("rename", "/disk/a", to="/disk/b"))]
    assert {"a"} in seen
    assert {"b"} in seen
    assert all(len(names) == 1 for names in seen)


def test_a_file_in_a_folder_whose_name_is_not_synced_may_be_gone() -> None:
    calls = Call("mkdir", "/disk/f"), Call("open", "/disk/f/a"), Call("sync", "/disk/f", number=2)
    assert {tuple(image) for image in images(*calls)} == {(), ("f/a",)}


def test_calls_of_two_threads_are_told_apart() -> None:
    lines = [
        f'7 pwrite64(3<{HEX}>, "\\x61", 1, 5 <unfinished ...>',
        f"8 fsync(3<{HEX}> <unfinished ...>",
        "7 <... pwrite64 resumed>) = 1",
        f'7 write(3<{HEX}>, "\\x62", 1) = 1',
        "8 <... fsync resumed>)       = 0",
        f"7 fsync(3<{HEX}>) = -1 EIO (Input/output error)",
    ]
    calls = [call for call in parsed(lines, "/disk") if call.name]
    assert [(call.name, call.data, call.number) for call in calls] == [
        ("write", b"a", 5),
        ("append", b"b", 0),
        ("sync", b"", 1),  # not the second write, which began later
    ]
