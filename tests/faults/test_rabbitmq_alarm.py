"""A broker that is short of memory or disk: whoever is there, or comes, is told why nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import backends
from backends.rabbitmq.amqp_errors import hindrance
from backends.rabbitmq.log import StreamLog
from backends.rabbitmq.stream import Link
from chat.client.connect import Place, open_session
from chat.client.session_events import Entered, Hindered
from chat.domain.errors import NotStored
from chat.domain.model import Ack, Draft, Event, Hello, Limits, Say
from chat.domain.room import Outcome
from chat.interfaces.server import Reply
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from tests.support.broker import Hosts, broker, close_connections, evaluate, wanted
from tests.support.fake_client import Watch
from tests.support.node import Run
from tests.support.processes import CHAT, chat
from tests.support.rabbit_room import Enter

MEMORY = "vm_memory_monitor:set_vm_memory_high_watermark(0.000001)"
ENOUGH_MEMORY = "vm_memory_monitor:set_vm_memory_high_watermark(0.6)"
DISK = 'rabbit_disk_monitor:set_disk_free_limit("1000000GB")'
ENOUGH_DISK = 'rabbit_disk_monitor:set_disk_free_limit("1MB")'
LOW = "the broker takes no messages, it is low on memory: give it more memory"


@pytest.fixture(scope="module")
def alarming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """The broker of all tests here; each ends the alarm that it raised."""
    wanted()
    with broker(tmp_path_factory.mktemp("alarm") / "rabbitmq") as one:
        yield Hosts(one)


@pytest.fixture
def url(alarming: Hosts) -> str:
    """The URL of a virtual host of this test alone."""
    return alarming.take()


# --- whoever is there ---------------------------------------------------------------------------


async def test_a_session_is_told_when_it_begins_and_when_it_is_over(
    alarming: Hosts, url: str, state_dir: Path
) -> None:
    await asyncio.to_thread(evaluate, alarming.broker, DISK)
    session = open_session(Place(url, state_dir), backends.technique("rabbitmq"), "lab", "ann")
    watch = Watch(session)
    watching = asyncio.create_task(watch.run())
    async with session:
        await watch.until(lambda: watch.all(Hindered))
        assert "low on disk: free disk space" in watch.all(Hindered)[0].reason
        assert not watch.all(Entered)
        await asyncio.to_thread(evaluate, alarming.broker, ENOUGH_DISK)
        await watch.until(lambda: watch.all(Entered))
        assert [update.reason for update in watch.all(Hindered)[1:]] == [""]
    await watching


async def test_a_servers_clients_get_the_reason_at_once(alarming: Hosts, url: str) -> None:
    hub = Hub(StreamLog(url))
    await hub.start()
    outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

    def reply(_: Draft, outcome: Outcome) -> None:
        outcomes.put_nowait(outcome)

    seat = await hub.take_seat(Hello("lab", "ann"), "tcp")
    await asyncio.to_thread(evaluate, alarming.broker, MEMORY)
    for n in (1, 2):
        seat.send(Say("hello", n), reply)
        refused = await outcomes.get()
        assert isinstance(refused, NotStored)
        assert LOW in str(refused)
    with pytest.raises(NotStored, match="low on memory"):
        await hub.take_seat(Hello("den", "ann"), "tcp")
    await asyncio.to_thread(evaluate, alarming.broker, ENOUGH_MEMORY)
    while isinstance(outcome := await _said(seat, outcomes, reply), NotStored):
        pass
    assert isinstance(outcome, Ack | Event)
    await hub.stop()


async def test_an_alarm_after_a_break_is_noticed_while_a_room_is_loaded(
    alarming: Hosts, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(log := StreamLog(url))
    await hub.start()
    outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
    over = asyncio.Event()
    connect = log._connect

    async def connect_when_it_is_over() -> Link:
        await over.wait()
        return await connect()

    def reply(_: Draft, outcome: Outcome) -> None:
        outcomes.put_nowait(outcome)

    seat = await hub.take_seat(Hello("lab", "ann"), "tcp")
    await asyncio.to_thread(evaluate, alarming.broker, MEMORY)
    assert LOW in str(await _said(seat, outcomes, reply))
    monkeypatch.setattr(log, "_connect", connect_when_it_is_over)
    await asyncio.to_thread(close_connections, alarming.broker, "a break while it is blocked")
    await asyncio.to_thread(evaluate, alarming.broker, ENOUGH_MEMORY)
    over.set()
    while isinstance(await _said(seat, outcomes, reply), NotStored):  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.05)
    await asyncio.to_thread(evaluate, alarming.broker, MEMORY)
    with pytest.raises(NotStored, match="low on memory"):
        async with asyncio.timeout(15):
            await hub.take_seat(Hello("den", "ann"), "tcp")
    await asyncio.to_thread(evaluate, alarming.broker, ENOUGH_MEMORY)
    await hub.stop()


async def _said(seat: HubSeat, outcomes: asyncio.Queue[Outcome], reply: Reply) -> Outcome:
    seat.send(Say("hello", 1), reply)
    return await outcomes.get()


async def test_while_the_broker_is_short_of_memory_lines_wait_and_then_all_arrive(
    alarming: Hosts, url: str
) -> None:
    enter = Enter(url, Limits(burst=0))
    ann, bob = await enter("ann"), await enter("bob")
    blocked = asyncio.Event()
    ann.client.on_hindered = lambda reason: blocked.set()
    await asyncio.to_thread(evaluate, alarming.broker, MEMORY)
    lines = [asyncio.create_task(ann.say(f"m{i}")) for i in range(20)]
    await blocked.wait()
    assert ann.client.activity().startswith("broker takes no messages: ")
    assert bob.texts == []
    await asyncio.to_thread(evaluate, alarming.broker, ENOUGH_MEMORY)
    await asyncio.gather(*lines)
    await bob.hears("m19")
    assert bob.texts == [f"m{i}" for i in range(20)]
    assert ann.client.activity() == ""
    await enter.close()


# --- newcomers, while an alarm lasts: after all who need a broker without one -------------------------


@pytest.fixture(scope="module")
def short(alarming: Hosts) -> str:
    """The URL of a broker with a memory alarm."""
    evaluate(alarming.broker, MEMORY)
    return alarming.broker.url


@pytest.mark.parametrize(
    "command",
    [("send", "hello"), ("tail",), ("send", "--mode", "fanout", "hello")],
    ids=lambda command: " ".join(command),
)
async def test_a_newcomer_is_told_on_stderr(short: str, run: Run, command: tuple[str, ...]) -> None:
    process = await run(*CHAT, *command, "-b", "rabbitmq", "--server", short)
    assert process.process.stderr is not None
    assert LOW in (await process.process.stderr.readline()).decode()


async def test_a_newcomer_with_line_mode_is_told(short: str, run: Run) -> None:
    process = await run(*CHAT, "--plain", "-b", "rabbitmq", "--server", short)
    assert LOW in await process.line()


async def test_who_starts_a_server_is_told(short: str, run: Run) -> None:
    process = await run(*CHAT, "serve", "tcp", "--port", "0", "--log", short)
    assert process.process.stderr is not None
    assert LOW in (await process.process.stderr.readline()).decode()


def test_doctor_names_it(short: str) -> None:
    done = chat("doctor", "-b", "rabbitmq", CHAT_AMQP_URL=short)
    assert done.returncode == 1
    assert LOW in done.stdout


@pytest.mark.parametrize(
    ("reason", "remedies"),
    [
        ("low on memory", ["set_vm_memory_high_watermark"]),
        ("low on disk", ["set_disk_free_limit"]),
        ("low on memory & disk", ["set_vm_memory_high_watermark", "set_disk_free_limit"]),
        ("out of sorts", ["see its log"]),
    ],
)
def test_each_reason_comes_with_what_to_do(reason: str, remedies: list[str]) -> None:
    assert all(remedy in hindrance(reason) for remedy in [reason, *remedies])
