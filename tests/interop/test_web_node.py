"""The chat clients in Node, by REST with Axios and by SOAP with node-soap: other libraries, the same room."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from chat.interfaces.address import Address
from tests.support.foreign import id_of
from tests.support.node import Start, event, serving, until
from tests.support.ports import own_port
from tests.support.processes import chat
from tests.support.raw import Line, RawPeer

TEXTS = (
    "Grüße, größer als ASCII",
    "😀 👩‍👩‍👧‍👦 𝔘",
    "  blanks around  ",
    "one\n\ntwo\n  three",
    "<b>&amp;</b> \"'\\",
    "<![CDATA[ ]]> ]]>",
    "<![CDATA[<!-- ]]>",
    "ü" * 1000,
)
"""What must come through as it is; the last one has 2,000 bytes."""


@pytest.fixture(params=["rest", "soap"], ids=["axios", "node-soap"])
def web(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def addresses(web: str) -> Iterator[dict[str, Address]]:
    """A server for both: Node comes by HTTP, everybody else by TCP."""
    with serving({web: 0, "tcp": 0}, "--log", "memory") as (_, addresses):
        yield addresses


@asynccontextmanager
async def ann(addresses: dict[str, Address]) -> AsyncIterator[RawPeer]:
    """Somebody in the same room, over TCP."""
    async with await RawPeer.open(addresses["tcp"]) as peer:
        await peer.say(kind="hello", nick="ann")
        await peer.until("joined", author="ann")
        yield peer


async def log_of(addresses: dict[str, Address]) -> list[Line]:
    """Return every event of the room."""
    async with await RawPeer.open(addresses["tcp"]) as eve:
        await eve.say(kind="hello", nick="eve", after=0)
        await eve.until("joined", author="eve")
        return [line for line in eve.lines if "seq" in line]


def shown(lines: list[str]) -> list[str]:
    """Return the texts of the messages that a client has printed."""
    return [line.partition("): ")[2] for line in lines if line.startswith("[")]


# --- talking -------------------------------------------------------------------------------------


async def test_node_hears_what_is_said_and_is_heard(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    async with ann(addresses) as peer:
        node = await start(web, addresses[web], "node")
        await node.until(f"* node joined ({web})")
        await peer.say(kind="say", text="Grüße aus TCP 🐟")
        await node.until("ann (tcp): Grüße aus TCP 🐟")
        node.type("Grüße zurück 🐙", "//quit is no command here")
        heard = [await peer.until("sent", author="node") for _ in range(2)]
        assert [one["text"] for one in heard] == ["Grüße zurück 🐙", "/quit is no command here"]
        assert {one["technique"] for one in heard} == {web}
        assert await node.over() == (0, [])
        await peer.until("left", author="node")
    assert node.lines[-1].endswith("/quit is no command here"), "own lines are shown, the last one too"


async def test_quit_ends_the_seat_and_the_program(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    async with ann(addresses) as peer:
        node = await start(web, addresses[web], "node")
        node.type("and now", "/quit")
        await peer.until("left", author="node")
        assert await node.process.wait() == 0


async def test_every_text_comes_through_as_it_is(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    async with ann(addresses) as peer:
        node = await start(web, addresses[web], "node", "--json")
        for text in TEXTS:
            await peer.say(kind="say", text=text)
            assert (await event(node, "sent", "ann"))["text"] == text
            node.type(json.dumps(text))
            assert (await event(node, "sent", "node"))["text"] == text
            assert (await peer.until("sent", author="node"))["text"] == text
        assert await node.over() == (0, [])


async def test_an_event_has_the_fields_that_everybody_sees(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    async with ann(addresses) as peer:
        node = await start(web, addresses[web], "node", "--json")
        node.type(json.dumps("hello"))
        said = await peer.until("sent", author="node")
        shown = await event(node, "sent", "node")
        assert shown == {"room": "lab", "epoch": peer.lines[0]["epoch"], **said}
        assert await node.over() == (0, [])


async def test_what_node_said_it_can_change_and_delete(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    async with ann(addresses) as peer:
        node = await start(web, addresses[web], "node")
        node.type("hello wrold", "never mind")
        first = id_of(await node.until(": hello wrold"))
        second = id_of(await node.until(": never mind"))
        node.type(f"/edit {first} hello world", f"/delete {second}")
        await node.until(f"[{first}] node ({web}) changed it: hello world")
        await node.until(f"[{second}] node ({web}) deleted it")
        assert (await peer.until("edited", author="node", id=first))["text"] == "hello world"
        await peer.until("deleted", author="node", id=second)
        assert await node.over() == (0, [])


async def test_node_sees_what_others_change_and_delete(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    async with ann(addresses) as peer:
        node = await start(web, addresses[web], "node")
        await peer.say(kind="say", text="hello wrold")
        id = (await peer.until("sent", author="ann"))["id"]
        await peer.say(kind="edit", id=id, text="hello world")
        await peer.say(kind="delete", id=id)
        await node.until(f"[{id}] ann (tcp) changed it: hello world")
        await node.until(f"[{id}] ann (tcp) deleted it")
        assert await node.over() == (0, [])


async def test_a_refusal_is_told_and_the_next_line_goes_through(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    async with ann(addresses) as peer:
        node = await start(web, addresses[web], "node")
        await peer.say(kind="say", text="mine")
        message = id_of(await node.until("ann (tcp): mine"))
        node.type(f"/edit {message} yours", "/delete 9999", "\x1b[2J", "x" * 4001, "/nonsense", "still here")
        await node.until(f"node ({web}): still here")
        assert await node.over() == (1, []), "not everything was accepted"
    complaints = [line for line in node.lines if line.startswith("! ")]
    assert complaints[0] == f"! message {message} is not yours: you can't change it"
    assert complaints[1].startswith("! there is no message 9999")
    assert complaints[2].startswith("! a message may not hold U+001B")
    assert complaints[3] == "! a message may have 4000 bytes at most"
    assert complaints[4].startswith("! not understood: /nonsense; there is /edit ID TEXT")
    assert len(complaints) == 5


async def test_node_asks_who_is_here_and_what_was_said(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    assert chat("send", "--server", str(addresses["tcp"]), "--as", "ann", input="one\ntwo\n").returncode == 0
    node = await start(web, addresses[web], "node")
    node.type("/who", "/history 4")
    assert await node.over() == (0, [])
    assert f"* here: node ({web})" in node.lines
    page = [line.partition("] ")[2] or line for line in node.lines if line.startswith("| ")]
    assert page == ["ann (tcp): one", "ann (tcp): two", "| * ann left (tcp)", f"| * node joined ({web})"]


async def test_more_lines_than_the_rate_allows_all_arrive_in_order(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    """The burst is 50: the rest is refused as too fast, waited out and sent again."""
    node = await start(web, addresses[web], "node")
    node.type(*(f"line {number}" for number in range(60)))
    assert await node.over() == (0, [])
    said = [one["text"] for one in await log_of(addresses) if one["kind"] == "sent"]
    assert said == [f"line {number}" for number in range(60)]


async def test_a_newcomer_reads_page_after_page(start: Start, web: str) -> None:
    lines = [f"{number} {'x' * 1000}" for number in range(1000)]
    with serving({web: 0, "tcp": 0}, "--log", "memory", "--rate", "off") as (_, addresses):
        node = await start(web, addresses[web], "node")
        await node.until(f"* node joined ({web})")
        async with ann(addresses) as peer:
            for line in lines:
                await peer.say(kind="say", text=line)
            await peer.say(kind="leave")
            await node.until("* ann left (tcp)")
        assert await node.over() == (0, [])
    assert shown(node.lines) == lines
    assert not any("trying again" in line for line in node.lines)


# --- who may come in -----------------------------------------------------------------------------


async def test_node_comes_in_with_the_access_token_and_not_without(start: Start, web: str) -> None:
    token = "schlüssel 100%"
    with serving({web: 0}, "--log", "memory", CHAT_TOKEN=token) as (_, addresses):
        node = await start(web, addresses[web], "node", CHAT_TOKEN=token)
        node.type("let in", "/who", "/history 1")
        assert await node.over() == (0, [])
        assert f"* here: node ({web})" in node.lines, "reading needs it, too"
        for environment in ({}, {"CHAT_TOKEN": "wrong"}):
            code, errors = await (await start(web, addresses[web], "node", **environment)).over()
            assert code == 1
            assert len(errors) == 1
            assert errors[0].startswith("chat-client: ")
            assert "token" in errors[0]


async def test_node_speaks_tls_and_believes_no_stranger(start: Start, web: str, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "server.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    identity = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    with serving({web: 0}, "--log", "memory", *identity) as (_, addresses):
        node = await start(web, addresses[web], "node", CHAT_CA=str(tmp_path / "authority.pem"))
        node.type("encrypted")
        assert await node.over() == (0, [])
        assert shown(node.lines) == ["encrypted"]
        node = await start(web, addresses[web], "node", CHAT_CA=str(tmp_path / "stranger.pem"))
        code, errors = await node.over()
    assert code == 1
    assert len(errors) == 1
    assert "certificate" in errors[0]


async def test_a_name_that_is_taken_is_an_error_of_one_line(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    first = await start(web, addresses[web], "node")
    await first.until(f"* node joined ({web})")
    code, errors = await (await start(web, addresses[web], "Node")).over()
    assert code == 1
    assert len(errors) == 1
    assert errors[0].startswith("chat-client: Node is taken")
    first.type("still mine")
    assert await first.over() == (0, [])


# --- nobody there, and strangers ---------------------------------------------------------------


async def test_no_server_is_an_error_of_one_line(start: Start, web: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refuses everybody
        address = Address("127.0.0.1", nobody.getsockname()[1])
        code, errors = await (await start(web, address, "node")).over()
    wanted = f"chat-client: nothing listens on {address}: start a server there with chat serve"
    assert (code, errors) == (1, [wanted])


async def test_a_server_of_another_technique_is_said_to_be_one(
    start: Start, web: str, addresses: dict[str, Address]
) -> None:
    code, errors = await (await start(web, addresses["tcp"], "node")).over()
    wanted = f"chat-client: what listens at {addresses['tcp']} does not speak HTTP: is the port right?"
    assert (code, errors) == (1, [wanted])


HTML = b"<!DOCTYPE html><html><body>hello</body></html>"
ANSWERS = {
    "a page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b"
    % (len(HTML), HTML),
    "no page": b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b"
    % (len(HTML), HTML),
    "an endless answer": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 5_000_000,
    "silence": b"",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_web_server_that_is_no_chat_is_said_to_be_none(start: Start, web: str, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = Address(*server.sockets[0].getsockname())
        code, errors = await (await start(web, address, "node")).over()
    assert code == 1
    assert len(errors) == 1
    assert errors[0].startswith("chat-client: ")
    assert not re.search(r"undefined|null|Error|    at ", errors[0])


# --- breaks --------------------------------------------------------------------------------------


async def test_a_killed_server_costs_no_line_and_doubles_none(start: Start, web: str, tmp_path: Path) -> None:
    ports = {web: own_port(), "tcp": own_port()}
    log = ("--log", f"sqlite:{tmp_path / 'log.sqlite3'}")
    with serving(ports, *log) as (server, addresses):
        node = await start(web, addresses[web], "node")
        node.type(*(f"line {number}" for number in range(30)))
        await until(node, ": line 10")
        server.kill()  # while the lines behind it are under way
        await until(node, "trying again")
    node.type(*(f"line {number}" for number in range(30, 50)))
    with serving(ports, *log):
        assert await node.over() == (0, [])
        events = await log_of(addresses)
    wanted = [f"line {number}" for number in range(50)]
    assert [one["text"] for one in events if one["kind"] == "sent"] == wanted
    assert shown(node.lines) == wanted, "and Node shows each once"
    kinds = [one["kind"] for one in events if one.get("author") == "node"]
    assert (kinds.count("joined"), kinds.count("left")) == (1, 1), "it had one seat all the time"


async def test_a_server_that_stops_is_waited_for(start: Start, web: str, tmp_path: Path) -> None:
    ports = {web: own_port()}
    log = ("--log", f"sqlite:{tmp_path / 'log.sqlite3'}")
    with serving(ports, *log) as (_, addresses):
        node = await start(web, addresses[web], "node")
        node.type("before")
        await node.until(": before")
    await until(node, "trying again")
    node.type("after")
    with serving(ports, *log):
        await node.until(": after")
        assert await node.over() == (0, [])
    assert shown(node.lines) == ["before", "after"]
