"""Clients that are not ours, seen through ``chat wire``: every byte of theirs is decoded, and counted."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator

import pytest

from chat.interfaces.address import Address
from tests.support.node import Run, Start, cannot_run, serving, until
from tests.support.relay import Relay
from tests.support.wire_program import watching

TEXT = "größer als ASCII"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Address]]:
    folder = tmp_path_factory.mktemp("wire-foreign") / "state"
    ports = dict.fromkeys(("tcp", "grpc", "rest", "soap"), 0)
    with serving(ports, "--log", "memory", CHAT_STATE_DIR=str(folder)) as (_, addresses):
        yield addresses


def need(program: str) -> None:
    if shutil.which(program) is None:
        cannot_run(f"{program} is not installed: apt install {program}")


async def test_nc(run: Run, served: dict[str, Address]) -> None:
    need("nc")
    async with watching(run, "tcp", served["tcp"]) as watched:
        nc = await run("nc", watched.address.host, watched.address.port)
        nc.type('{"kind":"hello","nick":"me"}', f'{{"kind":"say","text":"{TEXT}"}}')
        while json.loads(await nc.line())["kind"] != "sent":
            pass
        nc.type('{"kind":"leave"}')
        assert await nc.over() == (0, [])
    assert watched.texts("up") == [TEXT]
    assert TEXT in watched.texts("down")
    assert watched.frames[-1]["kind"] == "closed"


async def test_what_is_open_at_the_end_is_closed_then(run: Run, served: dict[str, Address]) -> None:
    need("nc")
    async with watching(run, "tcp", served["tcp"]) as watched:
        nc = await run("nc", watched.address.host, watched.address.port)
        nc.type('{"kind":"hello","nick":"it"}')
        while json.loads(await nc.line())["kind"] != "welcome":
            pass
    assert watched.frames[-1]["kind"] == "closed"
    await nc.over()


async def test_curl(run: Run, served: dict[str, Address]) -> None:
    need("curl")
    async with watching(run, "rest", served["rest"]) as watched:
        url = f"http://{watched.address}"
        for path in ("/rooms", "/openapi.json", "/nothing"):
            curl = await run("curl", "-s", f"{url}{path}", no_proxy="*")
            assert await curl.over() == (0, [])
        body = ("-d", f'{{"nick":"{"x" * 2000}"}}', "-H", "content-type: application/json")
        curl = await run(
            "curl", "-s", *body, "-H", "Expect: 100-continue", f"{url}/rooms/lab/seats", no_proxy="*"
        )
        assert await curl.over() == (0, [])
    assert {"HTTP/1.1", "TCP"} == watched.protocols
    calls = [frame for frame in watched.frames if frame["direction"] == "up" and frame["call"]]
    assert len(calls) >= 4


@pytest.mark.parametrize(
    ("technique", "protocol"), [("grpc", "gRPC"), ("soap", "HTTP/1.1"), ("rest", "HTTP/1.1")]
)
async def test_the_clients_in_node(
    run: Run, start: Start, served: dict[str, Address], technique: str, protocol: str
) -> None:
    async with watching(run, technique, served[technique]) as watched:
        node = await start(technique, watched.address, f"node-{technique}")
        node.type(TEXT)
        await until(node, TEXT)
        assert (await node.over())[0] == 0
    assert TEXT in watched.texts("up")
    assert TEXT in watched.texts("down")
    assert protocol in watched.protocols


async def test_what_it_counts_is_what_was_on_the_sockets(run: Run, served: dict[str, Address]) -> None:
    need("nc")
    counting = Relay(served["tcp"])
    await counting.start()
    async with watching(run, "tcp", counting.address) as watched:
        nc = await run("nc", watched.address.host, watched.address.port)
        nc.type('{"kind":"hello","nick":"you"}', '{"kind":"leave"}')
        assert await nc.over() == (0, [])
    sizes = {"up": 0, "down": 0}
    for frame in watched.frames:
        sizes[frame["direction"]] += frame["sizes"]["all"]
    assert sizes == {"up": len(counting.up), "down": len(counting.down)}
    await asyncio.wait_for(counting.stop(), 10)
