"""What every test gets: a private state folder, dead proxies, and a watch over the event loop.

The contract suite's fixtures are here too: one run for each line in `backends.KNOWN`.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from blockbuster import blockbuster_ctx

import backends
from backends.rabbitmq.private import PrivateBroker
from chat.domain.model import Bounds, Hello, Limits
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.log import Log
from chat.interfaces.server import ChatServer, ServerOptions
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from chat.server.logs import open_log
from chat.server.logs.memory import MemoryLog
from tests.support.broker import MISSING, WITHOUT, Hosts, broker, wanted
from tests.support.broker_relay import BrokerRelay
from tests.support.foreign import Foreign
from tests.support.kit import QUICK, Connect, Seated, Serving
from tests.support.node import Run
from tests.support.once import WORKER, run_folder
from tests.support.ports import own_port

CI = os.environ.get("CI") == "true"
DEAD_PROXY = "http://127.0.0.1:9"  # the discard port: nothing listens
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
OURS = ("chat", "backends", "lab", "tui")

hypothesis.settings.register_profile("chat", deadline=None, derandomize=CI, print_blob=True)
hypothesis.settings.register_profile("short", hypothesis.settings.get_profile("chat"), max_examples=40)
hypothesis.settings.load_profile("chat")

_LONG = ("interop/", "faults/test_rabbitmq_", "faults/test_soak.py", "unit/lab/test_bench")
LEFT_OUT = tuple(f"tests/{place}" for place in _LONG)
"""Where the tests begin that ``--short`` leaves out; CONTRIBUTING.md says why."""

# --- for the whole run -------------------------------------------------------------------------

_FOR_THE_RUN = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """Give fixtures of a module or of the session a state folder, and take the default ports.

    The ports stay taken as long as the run lasts and its workers: no server of a test gets one. A client
    whose background server was killed asks again at the same place, and must not meet the server of another
    test there.
    """
    _heed_signals()
    _keep_bytecode()
    config.stash[_FOR_THE_RUN] = held = ExitStack()
    os.environ["CHAT_LANG"] = "en"  # whatever the locale of who runs the tests
    os.environ["CHAT_STATE_DIR"] = held.enter_context(tempfile.TemporaryDirectory(prefix="chat-tests-"))
    if WORKER:
        return
    for label in backends.techniques():
        if label.server is not None:
            udp = label.traits.transport == "udp"
            taken = held.enter_context(socket.socket(type=socket.SOCK_DGRAM if udp else socket.SOCK_STREAM))
            with suppress(OSError):  # somebody else has it: as good
                if not udp:
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", label.port))
                if not udp:
                    taken.listen()


def _heed_signals() -> None:
    """Undo what ``nohup`` and a shell's ``&`` let this process ignore: its programs would ignore it too."""
    for name in ("SIGHUP", "SIGINT", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


def _keep_bytecode() -> None:
    """Undo PYTHONDONTWRITEBYTECODE, which images of containers set.

    Each of a thousand programs that the tests start would compile ours anew, and each worker every test.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--short", action="store_true", help=f"leave out {', '.join(LEFT_OUT)}")


_LEFT_OUT = pytest.StashKey[int]()
"""How many tests were left out, where the summary is written."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--short"):
        return
    out = [item for item in items if item.nodeid.startswith(LEFT_OUT)]
    items[:] = [item for item in items if not item.nodeid.startswith(LEFT_OUT)]
    config.hook.pytest_deselected(items=out)
    config.stash[_LEFT_OUT] = len(out)
    if WORKER:
        config.workeroutput["left_out"] = len(out)  # type: ignore[attr-defined]  # a worker's has it


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Learn from a worker what it has left out, as every worker has."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_unconfigure(config: pytest.Config) -> None:
    if (held := config.stash.get(_FOR_THE_RUN, None)) is not None:
        held.close()


# --- for every test ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def state_dirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where no two tests of this worker get the same folder. Each is made by what needs it, and few do."""
    folder = tmp_path_factory.mktemp("states", numbered=False)
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def state_dir(monkeypatch: pytest.MonkeyPatch, state_dirs: Iterator[Path]) -> Path:
    """Nothing of this user's settings gets in, and nothing of a test gets out."""
    for name in [name for name in os.environ if name.startswith("CHAT_")]:
        monkeypatch.delenv(name)
    for name in PROXIES:
        monkeypatch.setenv(name, DEAD_PROXY)
        monkeypatch.setenv(name.lower(), DEAD_PROXY)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    folder = next(state_dirs)
    monkeypatch.setenv("CHAT_STATE_DIR", str(folder))
    return folder


_wide_fixtures_over: list[str] = []
"""Fixtures of a module or of the session that ended since the last test: what they left fails the next."""


def pytest_fixture_post_finalizer(fixturedef: pytest.FixtureDef[Any]) -> None:
    if fixturedef.scope != "function" and fixturedef.baseid:
        _wide_fixtures_over.append(fixturedef.argname)


def pytest_sessionfinish() -> None:
    gc.unfreeze()


class _Complaints(logging.Handler):
    """Collects what asyncio can only log: errors in callbacks and in tasks nobody awaited."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@pytest.fixture(autouse=True)
def nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """A task that outlives its test, an error in one and an open socket fail this test, not the next.

    The event loop is closed before this ends, because pytest-asyncio's runner starts after it. Only what was
    made since the test began is looked at: a collection of everything costs more than most tests.
    """
    if _wide_fixtures_over:
        _wide_fixtures_over.clear()
        gc.unfreeze()
        gc.collect()
    gc.freeze()
    complaints = _Complaints()
    cancel_all_tasks: Callable[[asyncio.AbstractEventLoop], None] = vars(asyncio.runners)["_cancel_all_tasks"]

    def report_tasks(loop: asyncio.AbstractEventLoop) -> None:
        complaints.texts += [f"still running: {task!r}" for task in asyncio.all_tasks(loop)]
        cancel_all_tasks(loop)

    # The runner cancels what is left without a word, and offers no place to look before.
    monkeypatch.setattr(asyncio.runners, "_cancel_all_tasks", report_tasks)
    logger = logging.getLogger("asyncio")
    logger.addHandler(complaints)
    yield
    request.node.funcargs.clear()  # or all that fixtures made would still be held
    gc.collect()  # what warns when it is collected: sockets, coroutines, failed tasks
    logger.removeHandler(complaints)
    if complaints.texts:
        pytest.fail("\n\n".join(complaints.texts), pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def nothing_blocks_the_loop() -> Iterator[None]:
    """A sleep, a file or a lock that our code waits for on a loop is an error there."""
    with blockbuster_ctx(OURS) as guard:
        # A file in memory, and sockets that do not block.
        guard.functions["os.write"].can_block_in("chat/transport/broadcast.py", {"_file"})
        guard.functions["os.sendfile"].can_block_in("chat/transport/broadcast.py", {"write_all"})
        yield


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """Starts a program; what still runs when the test is over is killed."""
    started: list[Foreign] = []

    async def run(*command: object, **environment: str) -> Foreign:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        )
        started.append(Foreign(process))
        return started[-1]

    yield run
    for foreign in started:
        if foreign.process.returncode is None:
            foreign.process.kill()
        await foreign.over()


# --- for tests with a broker -------------------------------------------------------------------


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """This worker's part of the broker of the whole run, which is started when the first test needs it."""
    from tests.support.shared_broker import shared_broker  # POSIX only

    with shared_broker(run_folder(tmp_path_factory) / "broker") as one:
        yield Hosts(one)


@pytest.fixture
def vhost(request: pytest.FixtureRequest) -> str:
    """The URL of a virtual host of this test alone; skipped without RabbitMQ, but not in CI."""
    wanted()
    hosts: Hosts = request.getfixturevalue("hosts")
    return hosts.take()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[PrivateBroker]:
    """A broker for a test that kills it, or changes what is everybody's; skipped like `vhost`."""
    wanted()
    with broker(tmp_path / "rabbitmq") as one:
        yield one


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if count := terminalreporter.config.stash.get(_LEFT_OUT, 0):
        places = ", ".join(f"{place}*" for place in LEFT_OUT)
        terminalreporter.write_line(f"{count} tests were left out: {places}; make test-all runs them")
    if WITHOUT:
        terminalreporter.write_line(f"{len(WITHOUT)} tests with a broker did not run. {MISSING}", yellow=True)


# --- for the contract suite --------------------------------------------------------------------


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on asyncio's loop; one that is marked with ``both_loops`` on uvloop, too, and with
    ``--short`` on that alone, as the servers do.
    """
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.get_closest_marker("both_loops") and sys.platform != "win32":  # there is no uvloop for Windows
        import uvloop

        both = {**loops, "uvloop": uvloop.new_event_loop}
        return {"uvloop": both["uvloop"]} if config.getoption("--short") else both
    return loops


@pytest.fixture(params=backends.KNOWN)
def technique(request: pytest.FixtureRequest) -> Technique:
    """Each technique in turn; skipped where something is missing that it needs, but not in CI."""
    label = backends.technique(request.param)
    if missing := label.missing():
        reason = ", ".join(f"{need.what} is missing: {need.install}" for need in missing)
        if CI:
            pytest.fail(f"{label.name} can't run: {reason}", pytrace=False)
        pytest.skip(f"{label.name}: {reason}")
    label.load_client()  # here and not on the loop: an import reads files
    if label.server is not None:
        label.load_server()
    return label


@pytest.fixture
def limits() -> Limits:
    """The hub's limits; ``@pytest.mark.parametrize("limits", [Limits(grace=0.1)])`` sets others."""
    return Limits()


@pytest.fixture
def bounds() -> Bounds:
    """What one address may take; to be parametrised like ``limits``."""
    return Bounds()


@pytest.fixture
def access() -> str:
    """The access token that the hub asks for; to be parametrised like ``limits``."""
    return ""


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Log:
    """A log in memory; where a broker is the server, the one that this technique's clients read."""
    label = request.getfixturevalue("technique") if "technique" in request.fixturenames else None
    if label is None or label.server is not None:
        return MemoryLog()
    return open_log(request.getfixturevalue("vhost"), backends.techniques())


@pytest.fixture
async def hub(limits: Limits, bounds: Bounds, access: str, log: Log) -> AsyncIterator[Hub]:
    hub = Hub(log, limits=limits, bounds=bounds, access=access)
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def make_server(
    technique: Technique, hub: Hub, access: str, request: pytest.FixtureRequest
) -> Callable[[Address], ChatServer]:
    """Return what makes a server of the technique at an address; of a broker, what makes a relay to it."""
    if technique.server is not None:
        kind = technique.load_server()
        return lambda address: kind(hub, address, ServerOptions(access=access))
    url = request.getfixturevalue("vhost")
    hosts: Hosts = request.getfixturevalue("hosts")
    return lambda address: BrokerRelay(hub, address, hosts.broker, url, access)


@pytest.fixture
async def server(make_server: Callable[[Address], ChatServer]) -> AsyncIterator[Serving]:
    """The technique's server on a port of its own; a test may stop it itself, and start another there."""
    server = make_server(Address("127.0.0.1", own_port()))
    yield Serving(server, await server.start())
    await server.stop()


@pytest.fixture
def make_client(technique: Technique, limits: Limits) -> Callable[[Address], ChatClient]:
    """Return what makes a client of the technique for an address."""

    def make(address: Address) -> ChatClient:
        client = technique.load_client()(address, QUICK)
        if technique.server is None:  # then each client keeps the limits itself
            client.limits = limits  # type: ignore[attr-defined]
        return client

    return make


@pytest.fixture
async def connect(make_client: Callable[[Address], ChatClient], server: Serving) -> AsyncIterator[Connect]:
    clients: list[ChatClient] = []

    async def connect(nick: str, room: str = "lab", **hello: Any) -> Seated:
        client = make_client(server.address)
        clients.append(client)
        return Seated(client, await client.connect(Hello(room, nick, **hello)))

    yield connect
    for client in clients:
        await client.close()
