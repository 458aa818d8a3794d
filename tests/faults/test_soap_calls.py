"""SOAP calls: polls that wait, peers that hang up, tokens on the wire, the WSDL that a server gives."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from lxml import etree
from zeep.wsse.username import UsernameToken

from backends.soap.conversion import TNS, WSDL, WSDL11, WSSE
from backends.soap.server import SoapServer
from chat.domain.model import Bounds, Limits
from chat.interfaces.address import Address
from chat.interfaces.server import ServerOptions
from chat.interfaces.tls import Identity
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from tests.support.kit import Serving
from tests.support.soap_peer import ENVELOPES, SoapPeer, envelope, read_fault, request

pytestmark = pytest.mark.parametrize("technique", ["soap"], indirect=True)

POLLS = 1000


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0, seats=POLLS + 10)


@pytest.fixture(params=["1.1", "1.2"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def ann(server: Serving, version: str) -> AsyncIterator[SoapPeer]:
    async with await SoapPeer.open(server.address, version) as peer:
        yield peer


def waiting(hub: Hub) -> int:
    return len(hub._rooms["lab"].long_polls)


async def until_waiting(hub: Hub, count: int) -> None:
    while waiting(hub) != count:  # noqa: ASYNC110  # the hub tells nobody who waits
        await asyncio.sleep(0)


def fetch(key: str, after: int, wait: int = 20, version: str = "1.1") -> bytes:
    return envelope(request("Fetch", seatKey=key, after=after, limit=200, wait=wait), version=version)


# --- polls ---------------------------------------------------------------------------------------


# One seat asks for everything here, which a person never does.
@pytest.mark.parametrize("bounds", [Bounds(pages=2 * POLLS, address_pages=2 * POLLS)], ids=["many pages"])
async def test_a_thousand_polls_wait_without_a_thread_and_all_are_answered(server: Serving, hub: Hub) -> None:
    async with await SoapPeer.open(server.address) as ann:
        key = await ann.join()
        before = threading.active_count()
        peers = [await SoapPeer.open(server.address) for _ in range(POLLS)]
        head = (await hub.look("lab", "")).head
        polls = [asyncio.create_task(peer.post(fetch(key, head))) for peer in peers]
        await until_waiting(hub, POLLS)
        assert threading.active_count() == before
        await ann.call("Send", seatKey=key, n=0, text="wake up")
        answers = await asyncio.gather(*polls)
        assert len({answer.body for answer in answers}) == 1
        assert b"<tns:text>wake up</tns:text>" in answers[0].body
        for peer in peers:
            await peer.close()


async def test_polls_that_are_woken_together_are_answered_each_in_its_version(
    server: Serving, hub: Hub
) -> None:
    async with (
        await SoapPeer.open(server.address) as old,
        await SoapPeer.open(server.address, "1.2") as new,
        await SoapPeer.open(server.address) as writer,
    ):
        key, olds, news = await writer.join(), await old.join("bob"), await new.join("cat")
        head = (await hub.look("lab", "")).head
        polls = [asyncio.create_task(old.post(fetch(olds, head)))]
        polls.append(asyncio.create_task(new.post(fetch(news, head, version="1.2"))))
        await until_waiting(hub, 2)
        await writer.call("Send", seatKey=key, n=0, text="wake up")
        for answer, version in zip(await asyncio.gather(*polls), ("1.1", "1.2"), strict=True):
            assert etree.fromstring(answer.body).tag == f"{{{ENVELOPES[version]}}}Envelope"
            assert b"wake up" in answer.body


async def test_a_poll_ends_when_its_time_is_over(ann: SoapPeer) -> None:
    key = await ann.join()
    fetched = await ann.call("Fetch", seatKey=key, after=2, limit=200, wait=1)
    assert [part.tag for part in fetched] == [f"{{{TNS}}}head"]


async def test_a_poll_without_a_place_waits_for_what_comes_next(
    server: Serving, hub: Hub, ann: SoapPeer
) -> None:
    key = await ann.join()
    async with await SoapPeer.open(server.address) as bob:
        poll = asyncio.create_task(bob.call("Fetch", seatKey=key, limit=200, wait=20))
        await until_waiting(hub, 1)
        await ann.call("Send", seatKey=key, n=0, text="news")
        fetched = await poll
    assert [part.text for part in fetched.iter(f"{{{TNS}}}text")] == ["news"]


async def test_a_page_without_a_place_and_a_wait_is_the_newest(ann: SoapPeer) -> None:
    key = await ann.join()
    fetched = await ann.call("Fetch", seatKey=key, limit=1, wait=0)
    assert [part.text for part in fetched.iter(f"{{{TNS}}}kind")] == ["joined"]


async def test_a_poll_whose_peer_hangs_up_ends_at_once(server: Serving, hub: Hub, ann: SoapPeer) -> None:
    key = await ann.join()
    async with await SoapPeer.open(server.address) as bob:
        poll = asyncio.create_task(bob.post(fetch(key, 2)))
        await until_waiting(hub, 1)
        poll.cancel()
    await until_waiting(hub, 0)


async def test_a_server_that_stops_answers_its_polls(
    server: Serving, hub: Hub, ann: SoapPeer, version: str
) -> None:
    key = await ann.join()
    poll = asyncio.create_task(ann.post(fetch(key, 2, version=version)))
    await until_waiting(hub, 1)
    await server.server.stop()
    fault = read_fault(await poll)
    assert (fault.status, fault.name) == (500, "Closing")


async def test_a_poll_of_a_seat_that_ends_is_told(server: Serving, hub: Hub, ann: SoapPeer) -> None:
    key = await ann.join()
    await ann.call("Leave", seatKey=key)
    assert (await ann.fails("Fetch", seatKey=key, after=2, limit=1, wait=20)).name == "SeatGone"


# --- failures ------------------------------------------------------------------------------------


async def test_what_fails_on_our_side_is_logged_and_told_without_a_traceback(
    ann: SoapPeer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = await ann.join()

    def broken(self: HubSeat) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(HubSeat, "members", broken)
    fault = await ann.fails("Members", seatKey=key)
    assert (fault.status, fault.name) == (500, "Failed")
    assert fault.side.endswith(("Server", "Receiver"))
    assert "secret" not in fault.text
    assert "a secret of ours" in caplog.text
    await ann.call("Ping")


async def test_a_draft_without_a_number_gets_the_next(ann: SoapPeer) -> None:
    key = await ann.join()
    numbers = [(await ann.call("Send", seatKey=key, n=0, text="x")).findtext(f"{{{TNS}}}n") for _ in range(3)]
    assert numbers == ["1", "2", "3"]


# --- the access token ----------------------------------------------------------------------------

ACCESS = "Sesam, öffne dich"


def token(password: str, version: str, **more: object) -> str:
    """Return the header that zeep makes."""
    root = etree.Element(f"{{{ENVELOPES[version]}}}Envelope", nsmap={"soap-env": ENVELOPES[version]})
    made, _ = UsernameToken("ann", password, use_digest=True, **more).apply(root, {})
    return str(etree.tostring(made[0][0]).decode())


@pytest.mark.parametrize("access", [ACCESS])
async def test_every_call_needs_a_token_of_its_own(ann: SoapPeer, version: str, access: str) -> None:
    fault = await ann.fails("Ping")
    assert (fault.code, fault.name) == (f"{{{WSSE}}}FailedAuthentication", "AccessDenied")
    once = token(access, version)
    await ann.call("Ping", header=once)
    again = await ann.fails("Ping", header=once)
    assert (again.name, "used before" in again.text) == ("AccessDenied", True)
    await ann.call("Join", header=token(access, version), room="lab", nick="ann")
    wrong = await ann.fails("Ping", header=token("guessed", version))
    assert (wrong.code, wrong.name) == (f"{{{WSSE}}}FailedAuthentication", "AccessDenied")


@pytest.mark.parametrize("access", [ACCESS])
async def test_a_token_for_somebody_else_is_not_taken_and_one_beside_it_is(
    ann: SoapPeer, version: str, access: str
) -> None:
    role = "actor" if version == "1.1" else "role"
    must = '<wsse:Security s:mustUnderstand="1"'
    other = token(access, version).replace("<wsse:Security", f'{must} s:{role}="urn:x"', 1)
    assert (await ann.fails("Ping", header=other)).name == "AccessDenied"
    own = token(access, version).replace("<wsse:Security", must, 1)
    await ann.call("Ping", header=other + own)


@pytest.mark.parametrize("access", [ACCESS])
async def test_a_stranger_does_not_learn_what_is_wrong_with_the_request(ann: SoapPeer, access: str) -> None:
    assert (await ann.fails("Shout")).name == "AccessDenied"


async def test_where_no_token_is_asked_for_one_does_no_harm(ann: SoapPeer, version: str) -> None:
    await ann.call("Ping", header=token("any", version))


@pytest.fixture
def encrypted(tmp_path: Path) -> tuple[Identity, ssl.SSLContext]:
    """Who a server is, and what trusts it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return Identity.load(certificate, key), trusting


def clear(password: str, version: str) -> str:
    """Return the header that zeep makes by default: the password as it is."""
    root = etree.Element(f"{{{ENVELOPES[version]}}}Envelope", nsmap={"soap-env": ENVELOPES[version]})
    made, _ = UsernameToken("ann", password).apply(root, {})
    return str(etree.tostring(made[0][0]).decode())


@pytest.mark.parametrize("access", [ACCESS])
async def test_the_token_itself_is_refused_without_tls(ann: SoapPeer, version: str, access: str) -> None:
    fault = await ann.fails("Ping", header=clear(access, version))
    assert (fault.code, fault.name) == (f"{{{WSSE}}}FailedAuthentication", "AccessDenied")
    assert "(PasswordText) over TLS only" in fault.text


async def test_the_token_itself_is_taken_over_tls(
    hub: Hub, technique: object, encrypted: tuple[Identity, ssl.SSLContext]
) -> None:
    identity, trusting = encrypted
    server = SoapServer(hub, Address("127.0.0.1", 0), ServerOptions(identity, access=ACCESS))
    listening = await server.start()
    streams = await asyncio.open_connection("127.0.0.1", listening.port, ssl=trusting)
    async with SoapPeer(listening, *streams) as peer:
        await peer.call("Ping", header=clear(ACCESS, "1.1"))
        wrong = await peer.fails("Ping", header=clear("guessed", "1.1"))
    await server.stop()
    assert (wrong.name, wrong.text[:25]) == ("AccessDenied", "the access token is wrong")


# --- the WSDL ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "file", "ports"),
    [
        *[(path, WSDL.read_bytes(), 2) for path in ("/soap?wsdl", "/soap?WSDL", "/chat.wsdl")],
        *[
            (path, WSDL11.read_bytes(), 1)
            for path in ("/soap?wsdl=1.1", "/soap?WSDL=1.1", "/chat-soap11.wsdl")
        ],
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_server_gives_the_committed_wsdl_with_its_own_address(
    server: Serving, ann: SoapPeer, path: str, file: bytes, ports: int
) -> None:
    answer = await ann.ask("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    own = f"http://{server.address}/soap".encode()
    assert answer.body.count(own) == ports
    assert answer.body.replace(own, b"http://127.0.0.1:8001/soap") == file
    assert (await ann.ask("HEAD", path)).headers["content-length"] == str(len(answer.body))


async def test_another_wsdl_is_refused_with_those_that_there_are(ann: SoapPeer) -> None:
    fault = read_fault(await ann.ask("GET", "/soap?wsdl=2.0"))
    assert fault.status == 405
    assert "/soap?wsdl, or /soap?wsdl=1.1 for SOAP 1.1 only" in fault.text


async def test_no_caller_can_put_an_impossible_address_into_it(server: Serving, ann: SoapPeer) -> None:
    wrong = await ann.ask("GET", "/soap?wsdl", headers={"Host": "evil.example"})
    assert wrong.status == 421
    strange = await ann.ask("GET", "/soap?wsdl", headers={"Host": 'a"/><b'})
    assert strange.body.count(f'location="http://{server.address}/soap"'.encode()) == 2


async def test_a_page_of_somebody_else_may_not_call(ann: SoapPeer, version: str) -> None:
    body = envelope(request("Ping"), version=version)
    answer = await ann.post(body, Origin="https://evil.example")
    assert (answer.status, read_fault(answer).name) == (403, "BadRequest")


async def test_a_server_for_the_whole_network_tells_its_name(hub: Hub, technique: object) -> None:
    server = SoapServer(hub, Address("0.0.0.0", 0))
    listening = await server.start()
    async with await SoapPeer.open(Address("127.0.0.1", listening.port)) as peer:
        answer = await peer.ask("GET", "/chat.wsdl")
    await server.stop()
    assert b"0.0.0.0" not in answer.body


async def test_an_encrypted_server_tells_an_encrypted_address(
    hub: Hub, technique: object, encrypted: tuple[Identity, ssl.SSLContext]
) -> None:
    identity, trusting = encrypted
    server = SoapServer(hub, Address("127.0.0.1", 0), ServerOptions(identity))
    listening = await server.start()
    streams = await asyncio.open_connection("127.0.0.1", listening.port, ssl=trusting)
    async with SoapPeer(listening, *streams) as peer:
        answer = await peer.ask("GET", "/chat.wsdl")
    await server.stop()
    assert answer.body.count(f'location="https://{listening}/soap"'.encode()) == 2
