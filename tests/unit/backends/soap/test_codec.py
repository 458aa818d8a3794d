"""Envelopes, faults and values, for both versions: what is written is what the schema of the WSDL allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from backends.soap import contract as wsdl_contract
from backends.soap.codec import Codec, codecs, fault_name
from backends.soap.conversion import (
    FAULTS,
    KINDS,
    MAX_REASON,
    TNS,
    WSDL,
    WSDL11,
    camel,
    fault_text,
    is_server_fault,
    snake,
)
from backends.soap.conversion import LIMITS as WIRE
from backends.soap.xml_reader import FaultCode, Refused
from chat.domain.errors import ERRORS, BadName, ChatError, NickTaken, NoSuchRoom, StaleCursor, TooFast
from chat.domain.model import Cursor, Event, Hello, Limits, Member, Welcome
from tests.support.http_peer import Answer
from tests.support.soap_peer import Fault, envelope, read_fault, request

XSD = "{http://www.w3.org/2001/XMLSchema}"


@pytest.fixture(scope="module")
def schema() -> Any:
    """The schema as it stands in the committed file."""
    root = etree.fromstring(WSDL.read_bytes())
    return etree.XMLSchema(etree.fromstring(etree.tostring(next(root.iter(f"{XSD}schema")))))


@pytest.fixture(params=["text/xml", "application/soap+xml"])
def codec(request: pytest.FixtureRequest) -> Codec:
    return codecs()[request.param]


def told(codec: Codec, error: ChatError, code: FaultCode | None = None) -> Fault:
    status, body = codec.fault(error, code)
    return read_fault(Answer(status, {"content-type": codec.content_type}, body))


# --- the contract --------------------------------------------------------------------------------


def test_the_committed_wsdl_is_what_the_operations_say() -> None:
    assert wsdl_contract.wsdl() == WSDL.read_bytes(), "run make wsdl"
    assert wsdl_contract.wsdl(soap12=False) == WSDL11.read_bytes(), "run make wsdl"


def test_the_wsdl_of_soap_11_is_the_other_without_soap_12() -> None:
    assert b"soap12" not in WSDL11.read_bytes().lower()
    both, old = (etree.fromstring(file.read_bytes()) for file in (WSDL, WSDL11))
    for node in [*both.iter("{*}binding", "{*}port")]:
        if node.get("name") == "ChatSoap12":
            node.getparent().remove(node)
    etree.cleanup_namespaces(both, keep_ns_prefixes=["tns", "xs"])
    lines = [[line.strip() for line in etree.tostring(root).decode().split("\n")] for root in (both, old)]
    assert lines[0] == lines[1]


def test_a_file_that_is_out_of_date_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "chat-soap11.wsdl"
    monkeypatch.setattr(wsdl_contract, "FILES", {WSDL: True, stale: False})
    monkeypatch.setattr("sys.argv", ["contract", "--check"])
    assert wsdl_contract.main() == 1
    assert capsys.readouterr().err == "chat-soap11.wsdl is out of date: run make wsdl\n"
    monkeypatch.setattr(wsdl_contract, "FILES", {stale: False})
    monkeypatch.setattr("sys.argv", ["contract"])
    assert wsdl_contract.main() == 0
    assert stale.read_bytes() == WSDL11.read_bytes()


def test_every_operation_declares_its_faults_in_both_bindings() -> None:
    root: Any = etree.fromstring(WSDL.read_bytes())
    ns = "{http://schemas.xmlsoap.org/wsdl/}"
    declared = {
        operation.get("name"): {fault.get("name") for fault in operation.findall(f"{ns}fault")}
        for operation in root.iterfind(f"{ns}portType/{ns}operation")
    }
    assert set(declared) == {"Join", "Leave", "Send", "Edit", "Delete", "Fetch", "Members", "Seen", "Ping"}
    assert set.union(*declared.values()) == set(KINDS), "every fault is declared somewhere"
    for binding in root.findall(f"{ns}binding"):
        bound = {
            operation.get("name"): {fault.get("name") for fault in operation.findall(f"{ns}fault")}
            for operation in binding.findall(f"{ns}operation")
        }
        assert bound == declared


def test_both_ports_have_one_address() -> None:
    root: Any = etree.fromstring(WSDL.read_bytes())
    addresses = [element.get("location") for element in root.iter("{*}address")]
    assert addresses == ["http://127.0.0.1:8001/soap"] * 2


def test_what_always_comes_is_required() -> None:
    root: Any = etree.fromstring(WSDL.read_bytes())
    nillable = [element.get("name") for element in root.iter(f"{XSD}element") if element.get("nillable")]
    assert nillable == []
    (joined,) = root.iterfind(f".//{XSD}complexType[@name='JoinResponse']")
    assert [element.get("name") for element in joined.iter(f"{XSD}element") if element.get("minOccurs")] == []


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", FAULTS)
def test_every_error_comes_as_its_own_fault(codec: Codec, schema: Any, code: str) -> None:
    fault = told(codec, ERRORS[code]("what happened", n=7, retry_after=1.5))
    assert KINDS[fault.name] is ERRORS[code]
    assert fault.detail == {"text": "what happened", "n": "7", "retryAfter": "1.500"}
    _, body = codec.fault(ERRORS[code]("what happened", n=7, retry_after=1.5))
    (detail,) = etree.fromstring(body).iter(f"{{{TNS}}}{fault.name}")
    assert schema.validate(detail), schema.error_log


@pytest.mark.parametrize("code", FAULTS)
def test_it_is_told_who_is_at_fault(codec: Codec, code: str) -> None:
    ours = code in ("error", "closing", "full", "not_stored")
    side = told(codec, ERRORS[code]("x")).side.rpartition("}")[2]
    names = {"1.1": ("Client", "Server"), "1.2": ("Sender", "Receiver")}
    assert side == names[codec.version][ours]
    assert is_server_fault(ERRORS[code]("x")) == ours


def test_soap_11_has_one_status_for_every_fault_and_soap_12_two() -> None:
    old, new = codecs()["text/xml"], codecs()["application/soap+xml"]
    assert [told(old, error("x")).status for error in (NickTaken, ChatError)] == [500, 500]
    assert [told(new, error("x")).status for error in (NickTaken, ChatError)] == [400, 500]


def test_soap_12_names_the_error_in_the_subcode_too() -> None:
    assert told(codecs()["application/soap+xml"], NickTaken("x")).code == f"{{{TNS}}}NickTaken"


def test_a_code_of_another_namespace_is_qualified(codec: Codec) -> None:
    fault = told(codec, NickTaken("x"), FaultCode("Odd", "urn:odd"))
    assert (fault.code, fault.name) == ("{urn:odd}Odd", "NickTaken")


def test_an_error_that_no_operation_declares_comes_as_the_most_general(codec: Codec) -> None:
    assert told(codec, NoSuchRoom("x")).name == "Failed"
    assert fault_name(NoSuchRoom("x")) == "Failed"


def test_a_wait_that_is_no_time_is_told_as_the_shortest(codec: Codec) -> None:
    assert told(codec, TooFast("x", retry_after=0.0)).detail["retryAfter"] == "0.001"


@given(st.text())
def test_a_reason_can_always_be_fault_text(text: str) -> None:
    assert len(fault_text(text)) <= MAX_REASON
    etree.Element("x").text = fault_text(text)


# --- values --------------------------------------------------------------------------------------

EVENT = Event("sent", 17, 16, 1_795_393_822_791, "ann", "850358367bd6586fd9bf2ccd", "soap", 1, 17, "a <b>")
VALUES: dict[str, tuple[Any, ...]] = {
    "Join": ("lab", "ann", "s", "k", "e", 1, 17, 0, 0, Limits()),
    "Leave": (),
    "Send": (1, 17),
    "Edit": (1, 17),
    "Delete": (1, 17),
    "Fetch": (17, [Event("opened", 1, 0, 5, text="epoch"), EVENT]),
    "Members": ([Member("s", "ann", "soap", 17), Member("t", "bob", "tcp")],),
    "Seen": ([Member("s", "ann", "soap", 17), Member("t", "bob", "udp")],),
    "Ping": (),
}
ARGUMENTS: dict[str, dict[str, object]] = {
    "Join": {"room": "lab", "nick": "ann"},
    "Leave": {"seatKey": "k"},
    "Send": {"seatKey": "k", "n": 0, "text": "hi"},
    "Edit": {"seatKey": "k", "n": 0, "id": 3, "text": "hi"},
    "Delete": {"seatKey": "k", "n": 0, "id": 3},
    "Fetch": {"seatKey": "k", "limit": 1, "wait": 0},
    "Members": {"seatKey": "k"},
    "Seen": {"seatKey": "k"},
    "Ping": {},
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_written_is_what_the_schema_allows(codec: Codec, schema: Any, name: str) -> None:
    message = codec.open(envelope(request(name, **ARGUMENTS[name]), version=codec.version))
    operation, _ = codec.read(message)
    (response,) = etree.fromstring(codec.write(operation, VALUES[name]))[-1]
    assert response.tag == f"{{{TNS}}}{name}Response"
    assert schema.validate(response), schema.error_log


@given(
    st.text(
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
        | st.sampled_from("\t\n\r<>&'\"")
    )
)
def test_every_text_is_written_as_a_library_writes_it(text: str) -> None:
    for codec in codecs().values():
        operation, _ = codec.read(
            codec.open(envelope(request("Fetch", **ARGUMENTS["Fetch"]), version=codec.version))
        )
        written = codec.write(operation, (17, [msgspec.structs.replace(EVENT, text=text or "x")]))
        read = etree.fromstring(written)
        assert etree.tostring(read, encoding="UTF-8", xml_declaration=True) == written
        assert read.findtext(f".//{{{TNS}}}text") == (text or "x")


def test_fields_that_are_empty_are_left_out_and_required_ones_never() -> None:
    codec = codecs()["text/xml"]
    operation, _ = codec.read(codec.open(envelope(request("Fetch", **ARGUMENTS["Fetch"]))))
    (response,) = etree.fromstring(codec.write(operation, (0, [Event("opened", 1, 0, 5, text="e")])))[-1]
    assert [part.tag.partition("}")[2] for part in response] == ["head", "event"]
    assert [part.tag.partition("}")[2] for part in response[1]] == ["kind", "seq", "prev", "at", "text"]


def test_arguments_come_in_the_order_of_the_operation_and_none_is_what_is_absent(codec: Codec) -> None:
    fields = {"seatKey": "k", "before": 7, "limit": 5, "wait": 0}
    operation, arguments = codec.read(codec.open(envelope(request("Fetch", **fields), version=codec.version)))
    assert (operation.name, arguments) == ("Fetch", ["k", None, 7, 5, 0])


def test_the_same_page_is_written_once(codec: Codec) -> None:
    fetch = envelope(request("Fetch", **ARGUMENTS["Fetch"]), version=codec.version)
    operation, _ = codec.read(codec.open(fetch))
    first = codec.page(operation, 17, (EVENT,))
    assert codec.page(operation, 17, (EVENT,)) is first
    assert codec.page(operation, 18, (EVENT,)) != first


def test_what_is_refused_is_no_traceback(codec: Codec) -> None:
    with pytest.raises(Refused):
        codec.open(b"")


# --- what the client sends -----------------------------------------------------------------------


def test_a_hello_is_made_to_fit_or_refused() -> None:
    fits = Hello("lab", "ann", Cursor(3, "e"), "token", "key")
    assert WIRE.check_hello(fits) == fits
    assert WIRE.check_hello(Hello("lab", "e\u0301" * 24)).nick == "\u00e9" * 24
    assert WIRE.check_hello(Hello("lab", "ann", seat_key="x" * 65)).seat_key == ""
    assert WIRE.check_hello(Hello("lab", "ann", seat_key="\0")).seat_key == ""
    for room, nick in (("", "ann"), ("Lab", "ann"), ("lab", ""), ("lab", "x" * 25), ("lab", "\ud800")):
        with pytest.raises(BadName):
            WIRE.check_hello(Hello(room, nick))
    with pytest.raises(StaleCursor):
        WIRE.check_hello(Hello("lab", "ann", Cursor(3, "\0")))


@pytest.mark.parametrize("kind", [Welcome, Limits, Event, Member])
def test_every_name_has_its_way_back(kind: type) -> None:
    names: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]
    assert [snake(camel(name)) for name in names] == list(names)
