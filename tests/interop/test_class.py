"""The five minutes of a teacher (docs/class.md), step by step: a real server, clients over all techniques."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

import backends
from chat.domain.classroom import Classroom
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.tls import Fingerprint
from tests.support.browser import Browser
from tests.support.lan import lan_server
from tests.support.pupil import Pupil, present
from tui.board import Board

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems have only one loopback address"
)
ENCRYPTED = [label.name for label in backends.techniques() if label.tls and label.server]


async def test_the_five_minutes_of_a_teacher(state_dir: Path, tmp_path: Path) -> None:
    with lan_server() as (_, board):
        fingerprint = await asyncio.to_thread(
            lambda: Fingerprint.of_first((state_dir / "tls" / "authority.pem").read_bytes())
        )
        token = (state_dir / "teacher-token").read_text()
        assert set(board["ports"]) == set(ENCRYPTED), "0:00 everything that can be encrypted is served"

        teacher = Pupil(board, fingerprint, tmp_path, "tcp", "teacher")
        pupils = [Pupil(board, fingerprint, tmp_path, name, f"over-{name}") for name in ENCRYPTED]
        async with present(teacher, *pupils):
            label = backends.technique("rest")
            watcher = label.load_watcher()(
                Address(board["host"], board["ports"]["rest"]),
                ClientOptions(trust=fingerprint.trust([_authority(state_dir)])),
                "lab",
                board["words"],
            )
            projector = Board("lab", order=tuple(backends.KNOWN))
            assert await watcher.epoch() == teacher.session.cursor.epoch
            projector.members, _ = await watcher.members()
            assert len(projector.members) == 1 + len(pupils), (
                "0:40 the board has everybody, and no seat itself"
            )

            await teacher.use("freeze", token)
            for pupil in pupils:
                await pupil.hears("/class freeze")
                assert "frozen the room" in await pupil.refused("may I?"), f"1:00 over {pupil.technique}"
            await pupils[-1].use("hand")
            projector.take(await watcher.newest())
            assert projector.classroom.frozen
            assert projector.classroom.hands == (pupils[-1].nick,), "1:30 a hand is raised in a frozen room"

            await teacher.use("lower", token)
            await teacher.use("thaw", token)
            for pupil in pupils:
                await pupil.hears("/class thaw")
                pupil.session.say(f"hello from {pupil.nick}")
            for one in (teacher, *pupils):
                for pupil in pupils:
                    await one.hears(f"hello from {pupil.nick}")
            assert len({tuple(one.texts[-len(pupils) :]) for one in (teacher, *pupils)}) == 1, (
                "2:00 one order"
            )

            first = pupils[0]
            await teacher.use("to grpc", token)
            await first.hears("/class to grpc")
            seat = first.session.seat
            await first.switch("grpc")
            first.session.say("now over grpc")
            await teacher.hears("now over grpc")
            assert first.session.seat == seat, "3:00 in the same seat"

            await teacher.use(f"mute {first.nick}", token)
            assert "muted you" in await first.refused("and another thing"), "3:30"
            await teacher.use(f"unmute {first.nick}", token)
            await teacher.use("slow 0.1", token)
            pupils[1].session.say("one")
            await teacher.hears("one")
            await teacher.use("clear", token)
            projector.take(await watcher.after(projector.head))
            assert projector.classroom == _after(teacher), "4:30 the board has what everybody has"
            assert [one.text for one in projector.said if one.nick] == [], "cleared"
            projector.members, behind = await watcher.members()
            assert len(projector.members) == 1 + len(pupils)
            assert set(behind) <= {member.seat for member in projector.members}
            await watcher.close()


def _authority(folder: Path) -> bytes:
    import ssl

    return ssl.PEM_cert_to_DER_cert((folder / "tls" / "authority.pem").read_text())


def _after(pupil: Pupil) -> Classroom:
    state = Classroom()
    for event in pupil.seen:
        state = state.after(event)
    return state


async def test_thirty_come_at_once_and_see_the_same(state_dir: Path, tmp_path: Path) -> None:
    with lan_server("--log", "memory") as (_, board):
        fingerprint = await asyncio.to_thread(
            lambda: Fingerprint.of_first((state_dir / "tls" / "authority.pem").read_bytes())
        )
        pupils = [
            Pupil(board, fingerprint, tmp_path, ENCRYPTED[number % len(ENCRYPTED)], f"pupil{number:02}")
            for number in range(30)
        ]
        async with present(*pupils):
            for pupil in pupils:
                pupil.session.say(f"from {pupil.nick}")
            for pupil in pupils:
                await pupil.until(lambda pupil=pupil: len(set(pupil.texts)) == 30)  # type: ignore[misc]
            assert len({tuple(pupil.texts) for pupil in pupils}) == 1
            assert not any(pupil.failed for pupil in pupils)


async def test_a_phone_comes_in_by_the_link_alone(browser: Browser, state_dir: Path, tmp_path: Path) -> None:
    with lan_server("rest", "tcp", "--log", "memory") as (_, board):
        fingerprint = await asyncio.to_thread(
            lambda: Fingerprint.of_first((state_dir / "tls" / "authority.pem").read_bytes())
        )
        teacher = Pupil(board, fingerprint, tmp_path, "tcp", "teacher")
        async with present(teacher):
            phone = await browser.page(width=360, height=640, phone=True)
            await phone.call("Security.setIgnoreCertificateErrors", ignore=True)  # as its owner does by hand
            await phone.open(board["page"])
            assert await phone.value("location.hash") == "", "the words are not left in the address"
            await phone.value("document.getElementById('nick').focus()")
            await phone.type("ann")
            await phone.press("Enter")
            await phone.until("!document.getElementById('chat').hidden")
            await phone.value("document.getElementById('text').focus()")
            await phone.type("from a phone")
            await phone.value("document.getElementById('send').click()")
            await teacher.hears("from a phone")
