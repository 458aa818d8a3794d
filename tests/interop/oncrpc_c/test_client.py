"""Their client in our rooms: what it says, shows and refuses."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

import backends
from backends.oncrpc.by_hand import CLIENT
from backends.tcp.client import TcpClient
from chat.domain.model import Hello, Limits
from chat.interfaces.address import Address
from chat.server.hub import Hub
from tests.support.by_hand import HOSTILE, run_by_hand
from tests.support.foreign import SPOKEN, Enter, Launch, id_of, served
from tests.support.people import Person

NOBODY = Address("127.0.0.1", 9)  # the discard port: nothing listens

# --- their client in our room ------------------------------------------------------------------


async def test_both_hear_what_the_other_says(launch: Launch, enter: Enter) -> None:
    arguments = ("oncrpc", "tcp", "--port-of", "oncrpc=0", "--port-of", "tcp=0", "--log", "memory")
    with served(*arguments) as (_, listening):
        ann = await enter(TcpClient(listening["tcp"]), "ann")
        bob = await launch("chat-client", "localhost", listening["oncrpc"].port, "bob")
        await ann.sees("joined", "bob")
        for text in SPOKEN:
            bob.type(text)
            heard = await ann.hears(text)
            assert (heard.author, heard.technique) == ("bob", "oncrpc")
            ack = await ann.say(f"{text}?")
            assert await bob.until(f": {text}?") == f"[{ack.seq}] ann (tcp): {text}?"
        assert (await bob.over()) == (0, [])
        assert (await ann.sees("left", "bob")).technique == "oncrpc"
        await ann.stop()
        await ann.client.close()
    assert "* ann joined (tcp)" in bob.lines
    assert "* bob joined (oncrpc)" in bob.lines


async def test_edits_and_deletions_go_both_ways(launch: Launch, oncrpc: Address, ann: Person) -> None:
    bob = await launch("chat-client", oncrpc.host, oncrpc.port, "bob")
    bob.type("tpyo", "oops")
    typo, oops = id_of(await bob.until(": tpyo")), id_of(await bob.until(": oops"))
    bob.type(f"/edit {typo} typo ", f"/delete {oops}")
    edited, deleted = await ann.sees("edited", "bob"), await ann.sees("deleted", "bob")
    assert (edited.id, edited.text, deleted.id, deleted.text) == (typo, "typo ", oops, "")
    assert await bob.until("typo ") == f"[{typo}]* bob: typo "
    assert await bob.until("deleted") == f"[{oops}] deleted"

    message = await ann.say("wrnog")
    await ann.edit(message.seq, "wrong")
    await ann.delete(message.seq)
    assert await bob.until("wrong") == f"[{message.seq}]* ann: wrong"
    assert await bob.until("deleted") == f"[{message.seq}] deleted"
    assert await bob.over() == (0, [])


async def test_a_text_of_several_lines_is_one_line(launch: Launch, oncrpc: Address, ann: Person) -> None:
    bob = await launch("chat-client", oncrpc.host, oncrpc.port, "bob")
    await ann.sees("joined", "bob")
    ack = await ann.say("one\n\ttwo")
    assert await bob.until("two") == f"[{ack.seq}] ann (tcp): one  two"


async def test_who_names_everybody(launch: Launch, oncrpc: Address, ann: Person) -> None:
    bob = await launch("chat-client", oncrpc.host, oncrpc.port, "bob")
    bob.type("/who")
    assert {await bob.until(")"), await bob.until("bob is here (oncrpc)")} <= set(bob.lines)
    assert [line for line in bob.lines if "is here" in line] == [
        "* ann is here (tcp)",
        "* bob is here (oncrpc)",
    ]
    assert await bob.over() == (0, [])


@pytest.mark.parametrize("limits", [Limits(burst=0, seats=500)], ids=[""])
async def test_who_goes_on_after_a_page(launch: Launch, hub: Hub, oncrpc: Address) -> None:
    for number in range(250):
        await hub.take_seat(Hello("lab", f"p{number}"), "tcp")
    bob = await launch("chat-client", oncrpc.host, oncrpc.port, "bob")
    bob.type("/who")
    assert await bob.over() == (0, [])
    here = [line for line in bob.lines if "is here" in line]
    assert here == [*(f"* p{number} is here (tcp)" for number in range(250)), "* bob is here (oncrpc)"]


async def test_quit_leaves_what_comes_after_it_unsaid(launch: Launch, oncrpc: Address, ann: Person) -> None:
    bob = await launch("chat-client", "-k", oncrpc.host, oncrpc.port, "bob")
    bob.type("last words", "/quit", "not said")
    assert await bob.over() == (0, [])
    await ann.sees("left", "bob")
    assert ann.texts == ["last words"]


async def test_it_reads_what_was_said_before(launch: Launch, oncrpc: Address, ann: Person) -> None:
    for number in range(20):
        await ann.say(f"old {number}")
    bob = await launch("chat-client", oncrpc.host, oncrpc.port, "bob")
    bob.type("new")
    assert await bob.over() == (0, [])
    assert [line.split(": ")[1] for line in bob.lines if line.startswith("[")] == [
        *(f"old {number}" for number in range(20)),
        "new",
    ]


async def test_it_listens_on_until_it_is_told_to_end(launch: Launch, oncrpc: Address, ann: Person) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        bob = await launch("chat-client", "-k", oncrpc.host, oncrpc.port, "bob")
        bob.write(b"a line without an end")
        bob.process.stdin.close()  # type: ignore[union-attr]
        await bob.until("a line without an end")
        await ann.say(f"are you there, {number}?")
        await bob.until(f"are you there, {number}?")
        bob.process.send_signal(number)
        assert await bob.over() == (0, [])
    await ann.until(lambda seen: [event.kind for event in seen].count("left") == 2)


# --- what is refused ---------------------------------------------------------------------------


async def test_what_is_refused_is_said_and_what_is_not_goes_on(
    launch: Launch, oncrpc: Address, ann: Person
) -> None:
    hers = await ann.say("mine")
    bob = await launch("chat-client", oncrpc.host, oncrpc.port, "bob")
    bob.write(b"y" * 4001 + b"\n")
    bob.write("ü".encode() * 5000 + b"\n")
    bob.write(b"a\0b\n")
    bob.write(b"no \xff UTF-8\n")
    bob.type("bell \a", f"/edit {hers.seq} yours", "/delete 999999", "/edit 1", "/delete x", "/dance")
    bob.type("", " ", "z" * 4000, "//quit", "last")
    code, complaints = await bob.over()
    assert complaints == [
        "! the message has 4001 bytes, 4000 are allowed: send it in parts",
        "! the line has 10000 bytes, 4000 are allowed: send it in parts",
        "! a message may not hold U+0000 NULL (byte 2)",
        "! the server can't read this: is it UTF-8?",
        "! a message may not hold U+0007 BELL (character 6)",
        f"! message {hers.seq} is not yours: you can't change it",
        "! there is no message 999999 that could be changed: deleted, too old, or never sent",
        "! write /edit ID TEXT: the ID is the number in brackets",
        "! write /delete ID: the ID is the number in brackets",
        "! there is no command /dance: there are /edit ID TEXT, /delete ID, /who and /quit; "
        "// begins a message with /",
    ]
    assert code == 1
    await ann.sees("left", "bob")
    assert ann.texts == ["mine", "z" * 4000, "/quit", "last"]


@pytest.mark.parametrize("limits", [Limits(burst=3, rate=100)], ids=[""])
async def test_who_is_too_fast_waits_and_says_it_then(launch: Launch, oncrpc: Address, ann: Person) -> None:
    bob = await launch("chat-client", oncrpc.host, oncrpc.port, "bob")
    bob.type(*(f"fast {number}" for number in range(30)))
    assert await bob.over() == (0, [])
    await ann.sees("left", "bob")
    assert ann.texts == [f"fast {number}" for number in range(30)]


@pytest.mark.parametrize("access", ["open sesame"])
async def test_the_access_token_comes_from_the_environment(launch: Launch, oncrpc: Address) -> None:
    for option in ([], ["-u"]):  # the calls for news come over a connection that has not joined
        bob = await launch("chat-client", *option, oncrpc.host, oncrpc.port, "bob", CHAT_TOKEN="open sesame")
        bob.type("hello")
        await bob.until(": hello")
        assert await bob.over() == (0, [])
    for token, reason in (("sesame", "! the access token is wrong"), ("", "! this server requires")):
        eve = await launch("chat-client", oncrpc.host, oncrpc.port, "eve", CHAT_TOKEN=token)
        code, (complaint,) = await eve.over()
        assert (code, complaint.startswith(reason)) == (1, True)


async def test_a_name_that_is_taken_is_said(launch: Launch, oncrpc: Address, ann: Person) -> None:
    other = await launch("chat-client", oncrpc.host, oncrpc.port, "Ann")
    assert await other.over() == (1, ["! Ann is taken in this room: choose another name"])


async def test_where_nobody_listens_it_says_so_at_once(launch: Launch) -> None:
    for option in ([], ["-u"]):
        bob = await launch("chat-client", *option, NOBODY.host, NOBODY.port, "bob")
        code, (complaint,) = await bob.over()
        assert (code, complaint[:2]) == (1, "! ")


async def test_wrong_words_are_answered_with_the_right_ones(launch: Launch) -> None:
    for words in (["localhost"], ["-x", "localhost", "1", "bob"], ["a", "1", "b", "c", "d"]):
        bob = await launch("chat-client", *words)
        code, complaints = await bob.over()
        assert code == 2
        assert "usage: chat-client [-k] [-u] HOST PORT NICK [ROOM]" in complaints
    bob = await launch("chat-client", "localhost", 1, "b" * 97)
    assert await bob.over() == (2, ["! the nick has 97 bytes, 96 are allowed"])


async def test_a_message_as_a_command_says_it(programs: Path, oncrpc: Address, tmp_path: Path) -> None:
    built = ("make -s -C backends/oncrpc/clients/c && ", ""), (f"{CLIENT}/build/", f"{programs}/")
    label = backends.technique("oncrpc")
    done = await asyncio.to_thread(run_by_hand, label, oncrpc, f"/{HOSTILE}", tmp_path, *built)
    assert (done.returncode, done.stderr) == (0, "")
    assert " ".join(f"by-hand (oncrpc): /{HOSTILE}".split()) in " ".join(done.stdout.split())
