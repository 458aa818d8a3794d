"""The block of docs/wire.md with the client in C: it is seen, and Wireshark reads what was written."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from chat.background import server
from tests.support.foreign import Launch
from tests.support.node import Run, until
from tests.support.tshark import check_packets, dissected
from tests.support.wire_page import PAGE, TEXT, step, tapped


def test_the_option_of_tshark_is_the_one_that_is_tested() -> None:
    (line,) = re.findall(r"\$ tshark (.*)", PAGE.read_text(encoding="utf-8"))
    from tests.support.tshark import PREFERENCES

    words = shlex.split(line)
    assert words[words.index("-o") + 1] in PREFERENCES


async def test_what_the_client_in_c_says_is_seen_and_written(
    run: Run, launch: Launch, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    block = step("build/chat-client")
    try:
        async with tapped(run, block) as (tap, port):
            client = await launch(Path(block.client[0]).name, *block.at(port)[1:])
            client.type(*block.typed)
            assert "ONC RPC CALL" in await until(tap, f"text={TEXT}")
            await until(tap, "SEND 0 (CHAT_OK)")
    finally:
        await asyncio.to_thread(server.stop, state_dir)
    packets = await dissected(tmp_path / block.tap[block.tap.index("--write") + 1])
    check_packets(packets)
    assert any("rpc" in packet.protocols for packet in packets)
