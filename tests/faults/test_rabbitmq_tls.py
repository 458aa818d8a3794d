"""amqps: a real broker with a certificate of ``--tls auto``, and clients that verify it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backends.rabbitmq.client import RabbitClient
from backends.rabbitmq.private import PrivateBroker
from chat.domain.errors import ConnectionLost
from chat.domain.model import Hello
from chat.interfaces.address import Address, parse_address
from chat.interfaces.client import ClientOptions
from chat.interfaces.tls import Fingerprint, Trust
from chat.server.local_authority import local_identity
from chat.transport.pinning import trust_in
from tests.support.broker import wanted
from tests.support.people import Person
from tests.support.processes import chat, chat_here, running
from tests.support.relay import Relay

WORDS = "nobody reads along in the broker"
OTHER = "SHA256:" + "0" * 64


@dataclass(frozen=True)
class Encrypted:
    """A broker that listens with TLS, too."""

    plain: str
    url: str
    file: Path
    fingerprint: str
    trust: Trust

    @property
    def address(self) -> Address:
        return parse_address(self.url, 5672, ("amqp", "amqps"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    wanted()
    folder = tmp_path_factory.mktemp("amqps")
    made = local_identity(folder, "127.0.0.1")
    one = PrivateBroker(folder / "rabbitmq")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "rabbitmq" / "rabbitmq.conf").open("a") as settings:
        settings.write(
            f"listeners.ssl.default = 127.0.0.1:{port}\n"
            f"ssl_options.cacertfile = {made.file}\n"
            f"ssl_options.certfile = {made.file.with_name('server.pem')}\n"
            f"ssl_options.keyfile = {made.file.with_name('server.key')}\n"
            "ssl_options.verify = verify_none\n"
            "ssl_options.fail_if_no_peer_cert = false\n"
        )
    try:
        one.start()
        url = one.url.replace("amqp://", "amqps://").replace(f":{one.address.port}/", f":{port}/")
        yield Encrypted(one.url, url, made.file, str(made.fingerprint), Trust.load(made.file))
    finally:
        one.remove()


@pytest.mark.parametrize("by", ["file", "fingerprint"])
async def test_people_talk_and_nobody_reads_along(broker: Encrypted, by: str) -> None:
    relay = Relay(broker.address)
    await relay.start()
    url = broker.url.replace(f":{broker.address.port}/", f":{relay.address.port}/")
    address = parse_address(url, 5672, ("amqp", "amqps"))
    pinned = broker.trust if by == "file" else Fingerprint.parse(broker.fingerprint)
    trust = await trust_in(pinned, [address])
    client = RabbitClient(address, ClientOptions(trust=trust))
    person = Person(client, await client.connect(Hello(f"by-{by}", "ann")))
    person.listen()
    await person.say(WORDS)
    await person.hears(WORDS)
    await client.close()
    await person.stop()
    await relay.stop()
    for direction in (relay.up, relay.down):
        assert direction.startswith(b"\x16\x03"), "a TLS handshake (RFC 8446, 5.1)"
        assert WORDS.encode() not in direction
        assert b"AMQP" not in direction


@pytest.fixture
def stranger(tmp_path: Path) -> Trust:
    return Trust.load(local_identity(tmp_path, "127.0.0.1").file)


async def test_an_unknown_authority_is_not_believed(broker: Encrypted, stranger: Trust) -> None:
    client = RabbitClient(broker.address, ClientOptions(trust=stranger))
    with pytest.raises(ConnectionLost, match="is not trusted"):
        await client.connect(Hello("lab", "ann"))
    await client.close()


@pytest.mark.parametrize(
    ("scheme", "options", "said"),
    [
        ("amqps", [], "is encrypted: say whom to trust, with --ca FILE or --fingerprint"),
        ("amqp", ["--fingerprint", OTHER], "amqp:// at 127.0.0.1:{plain} is not encrypted: leave out --ca"),
        ("amqps", ["--fingerprint", OTHER], "its fingerprint is {fingerprint}, not " + OTHER),
    ],
)
def test_what_does_not_fit_is_said(broker: Encrypted, scheme: str, options: list[str], said: str) -> None:
    url = broker.url if scheme == "amqps" else broker.plain
    done = chat("doctor", url, "-b", "rabbitmq", *options)
    assert done.returncode == 1
    plain = parse_address(broker.plain, 5672, ("amqp",)).port
    assert said.format(fingerprint=broker.fingerprint, plain=plain) in done.stdout


def test_the_command_line_reaches_it_by_url_or_by_host(broker: Encrypted) -> None:
    where = [broker.url, "-b", "rabbitmq"]
    assert chat("doctor", *where, "--ca", str(broker.file)).returncode == 0
    done = chat("send", "-b", "rabbitmq", "--server", broker.url, "--as", "ann", "--fingerprint",
                broker.fingerprint, "hello")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    named = chat("send", "-b", "rabbitmq", "--as", "bob", "hello", CHAT_AMQP_URL=broker.url,
                 CHAT_FINGERPRINT=broker.fingerprint)  # fmt: skip
    assert (named.returncode, named.stderr) == (0, "")


def test_a_server_keeps_its_log_there(broker: Encrypted) -> None:
    log = ["--log", broker.url, "--fingerprint", broker.fingerprint]
    with running("serve", "tcp", "rabbitmq", "--port-of", "tcp=0", *log) as server:
        assert server.stdout is not None
        tcp, rabbitmq = server.stdout.readline(), server.stdout.readline()
        assert "amqps://USER:PASSWORD@" in rabbitmq
        assert rabbitmq.endswith(" --ca FILE\n")
        place = tcp.split()[2]
        done = chat("send", "--server", place, "--room", "shared", "--as", "ann", WORDS)
        assert (done.returncode, done.stderr) == (0, "")
        read = chat("tail", "-b", "rabbitmq", "--server", broker.url, "--ca", str(broker.file),
                    "--room", "shared", "--after", "0", "--count", "3", "--json")  # fmt: skip
        assert WORDS in read.stdout
    without = chat("serve", "tcp", "--port", "0", "--log", broker.url)
    assert without.returncode == 1
    assert "say whom to trust" in without.stderr


@pytest.mark.parametrize("elsewhere", [False, True], ids=["none runs", "one without TLS"])
def test_no_private_broker_is_started_for_who_wants_tls(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path, elsewhere: bool
) -> None:
    monkeypatch.setattr("backends.rabbitmq.broker.accepts_guest", lambda *_: elsewhere)
    done = chat_here("send", "-b", "rabbitmq", "--as", "ann", "--fingerprint", OTHER, "hello")
    assert done.returncode == 1
    assert ("is not encrypted" if elsewhere else "no broker with TLS is known here") in done.stderr
    assert "amqps://" in done.stderr
    assert not (state_dir / "broker.json").exists()


def test_a_server_with_tls_sends_nothing_to_a_broker_elsewhere_in_the_clear() -> None:
    done = chat("serve", "tcp", "--port", "0", "--tls", "auto", "--log", "amqp://ann:secret@192.0.2.1")
    assert done.returncode == 1
    assert "192.0.2.1:5672 is reached without TLS" in done.stderr
    assert "--log amqps://" in done.stderr
