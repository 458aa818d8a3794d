"""Wireshark's dissectors as a judge of capture files: what `tshark` says about each packet."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.node import cannot_run

MISSING = "tshark is not installed: apt install --no-install-recommends tshark"
SEEN = {
    "grpc": {"http2", "grpc"},
    "oncrpc": {"rpc"},
    "rabbitmq": {"amqp"},
    "rest": {"http", "json"},
    "soap": {"http", "xml"},
}
"""What Wireshark has dissectors for, by technique."""
DECODE_AS = {"grpc": "http2", "oncrpc": "rpc", "rabbitmq": "amqp", "tcp": "json", "udp": "json"}
"""What to call a technique's own port in Wireshark, which knows HTTP/1.1 on every port, and RPyC on none."""
GOOD = "1"
"""The value of a checksum's status."""
# Checksums are not looked at otherwise; programs of ONC RPC that it has no dissector for are shown, too.
PREFERENCES = (
    *("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"),
    *("rpc.dissect_unknown_programs:TRUE",),
)
FIELDS = (
    *("frame.protocols", "frame.comment", "_ws.malformed", "tcp.analysis.flags", "_ws.expert.message"),
    *("ip.checksum.status", "tcp.checksum.status", "udp.checksum.status"),
    *("tcp.flags.str", "tcp.len", "ip.version", "ipv6.src", "data.data", "tcp.payload", "udp.payload"),
)


class Packet(NamedTuple):
    """What it says about a packet: the values of each field that is there."""

    fields: dict[str, list[str]]

    def all(self, name: str) -> list[str]:
        return self.fields.get(name.replace(".", "_"), self.fields.get(name, []))

    @property
    def protocols(self) -> set[str]:
        return {name for line in self.all("frame.protocols") for name in line.split(":")}

    @property
    def comment(self) -> str:
        return "\n".join(self.all("frame.comment"))

    @property
    def flags(self) -> str:
        """Those of TCP, e.g. ``SA``."""
        return "".join(self.all("tcp.flags.str")).replace("·", "")


def needed() -> str:
    """Return the program; skip the test where it is missing, and in CI let it fail."""
    return shutil.which("tshark") or cannot_run(MISSING)


def dissect(file: Path, *, decode_as: str = "") -> list[Packet]:
    """Return what it says about each packet of a file. It runs a process, so it blocks.

    Args:
        file: the capture.
        decode_as: how to dissect what it does not know by its port, e.g. ``tcp.port==50051,http2``.
    """
    command = [needed(), "-r", str(file), "-n", "-T", "json"]
    for preference in PREFERENCES:
        command += ["-o", preference]
    for field in FIELDS:
        command += ["-e", field]
    if decode_as:
        command += ["-d", decode_as]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        # Nobody's own preferences count.
        env={**os.environ, "WIRESHARK_CONFIG_DIR": str(file.parent / "wireshark"), "LC_ALL": "C.UTF-8"},
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("Running as user")]
    assert (done.returncode, complaints) == (0, []), done.stderr
    return [Packet(packet["_source"]["layers"]) for packet in json.loads(done.stdout)]


async def dissected(file: Path) -> list[Packet]:
    return await asyncio.to_thread(dissect, file)


def check_packets(packets: list[Packet]) -> None:
    """Fail if it has something to complain of."""
    assert packets
    for number, packet in enumerate(packets, 1):
        assert packet.all("_ws.malformed") == [], (number, packet)
        assert packet.all("tcp.analysis.flags") == [], (number, packet)
        for protocol in ("ip", "tcp", "udp"):
            assert set(packet.all(f"{protocol}.checksum.status")) <= {GOOD}, (number, packet)
        assert {"tcp", "udp"} & packet.protocols, (number, packet)
