"""What toolkits add to a request by themselves, and that a refusal names the element and the rule."""

from __future__ import annotations

from typing import Any

import pytest

from backends.soap.codec import MAX_ATTRIBUTES, Codec, codecs
from backends.soap.conversion import MAX_REASON, TNS
from backends.soap.xml_reader import Refused
from tests.support.soap_peer import envelope, request

DECLARED = (
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
    f'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:t="{TNS}"'
)
FETCH = "<seatKey>k</seatKey>{}<limit>1</limit><wait>0</wait>"


@pytest.fixture
def codec() -> Codec:
    return codecs()["text/xml"]


def arguments(codec: Codec, operation: str, fields: str, attributes: str = "") -> list[Any]:
    body = f'<{operation} xmlns="{TNS}" {DECLARED} {attributes}>{fields}</{operation}>'
    return codec.read(codec.open(envelope(body)))[1]


def why(codec: Codec, operation: str, fields: str, attributes: str = "") -> str:
    with pytest.raises(Refused) as refused:
        arguments(codec, operation, fields, attributes)
    assert len(str(refused.value)) <= MAX_REASON
    return str(refused.value)


# --- no value ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "after",
    ["", '<after i:nil="true"/>', '<after i:nil="1"></after>', "<after/>", "<after></after>"],
    ids=["absent", "nil", "nil as 1", "empty", "open and closed"],
)
def test_an_optional_element_without_a_value_counts_as_absent(codec: Codec, after: str) -> None:
    assert arguments(codec, "Fetch", FETCH.format(after)) == ["k", None, None, 1, 0]


def test_every_optional_element_may_be_nil(codec: Codec) -> None:
    nil = "".join(f'<{name} i:nil="true"/>' for name in ("seatKey", "after", "epoch"))
    joined = arguments(codec, "Join", "<room>lab</room><nick>ann</nick>" + nil)
    assert joined == ["lab", "ann", None, None, None, None]


def test_an_element_that_says_that_it_is_not_nil_has_its_value(codec: Codec) -> None:
    assert arguments(codec, "Fetch", FETCH.format('<after i:nil="false">7</after>'))[1] == 7


def test_an_operation_without_elements_may_be_nil(codec: Codec) -> None:
    assert arguments(codec, "Ping", "", 'i:nil="true"') == []


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        (
            '<seatKey i:nil="true"/><limit>1</limit><wait>0</wait>',
            "'seatKey': xsi:nil is for optional elements",
        ),
        (FETCH.format('<after i:nil="true">7</after>'), "'after': xsi:nil says that it is empty"),
        (FETCH.format('<after i:nil="yes">7</after>'), "'after': xsi:nil is true or false, and not 'yes'"),
        (FETCH.format('<more i:nil="true"/>'), "'more': This element is not expected"),
    ],
)
def test_nil_that_the_wsdl_does_not_allow_is_refused(codec: Codec, fields: str, rule: str) -> None:
    assert f"Element {rule}" in why(codec, "Fetch", fields)


def test_an_operation_with_elements_may_not_be_nil(codec: Codec) -> None:
    assert "Element 'Members': Missing child element(s). Expected is ( seatKey )" in why(
        codec, "Members", "", 'i:nil="true"'
    )


# --- named types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "text"), [("t:Number", "t:Text"), ("xsd:long", "xsd:string")])
def test_the_declared_type_and_the_built_in_one_below_it_may_be_named(
    codec: Codec, number: str, text: str
) -> None:
    fields = f'<seatKey>k</seatKey><n i:type="{number}">3</n><text i:type="{text}">hi</text>'
    assert arguments(codec, "Send", fields, 'i:type="t:Send"') == ["k", 3, "hi"]


def test_a_name_without_a_prefix_is_of_the_default_namespace(codec: Codec) -> None:
    assert arguments(codec, "Members", '<seatKey i:type="Word">k</seatKey>') == ["k"]


@pytest.mark.parametrize("named", ["xsd:int", "t:Nick", "Event", "xsd:Text", "x:y", "", "t:" + "x" * 4000])
def test_another_type_is_refused_with_those_that_may_stand_there(codec: Codec, named: str) -> None:
    text = why(codec, "Send", f'<seatKey>k</seatKey><n>0</n><text i:type="{named}">hi</text>')
    assert text.startswith("Element 'text': xsi:type may be Text or xs:string, and not '")
    assert named[:20] in text


def test_another_type_of_the_operation_is_refused(codec: Codec) -> None:
    assert "Element 'Ping': xsi:type may be Ping, and not 't:Join'" in why(
        codec, "Ping", "", 'i:type="t:Join"'
    )


# --- refusals ------------------------------------------------------------------------------------

LONG = "x" * 4000
SEND = "<seatKey>k</seatKey><n>{}</n><text>hi</text>"


@pytest.mark.parametrize("value", [LONG, "'" * 4000, "' is not x" * 400, "\u0085" * 4000])
def test_a_long_value_is_shortened_and_never_the_rule(codec: Codec, value: str) -> None:
    number = why(codec, "Send", SEND.format(value))
    assert number.startswith("not as the WSDL has it: Element 'n': '")
    assert number.endswith("' is not a valid value of the atomic type 'Number'.")
    room = why(codec, "Join", f"<room>{value}</room><nick>ann</nick>")
    assert "Element 'room': [facet 'pattern'] The value '" in room
    assert room.endswith("' is not accepted by the pattern '[a-z0-9][a-z0-9_\\-]{0,31}'.")


def test_a_long_name_is_shortened_and_never_the_rule(codec: Codec) -> None:
    assert why(codec, "Send", f"<{LONG}/>").endswith(
        "xxx': This element is not expected. Expected is ( seatKey )."
    )
    text = why(codec, "Send", SEND.format(0), f'{LONG}="{LONG}"')
    assert "Element 'Send', attribute 'xxx" in text
    assert text.endswith("xxx' is not allowed.")


def test_the_first_rule_that_is_broken_is_named(codec: Codec) -> None:
    assert "'text': Element content is not allowed" in why(
        codec, "Send", "<seatKey>k</seatKey><n>0</n><text><b>hi</b></text>"
    )


def test_a_missing_namespace_is_seen(codec: Codec) -> None:
    text = why(codec, "Members", '<seatKey xmlns="">k</seatKey>')
    assert "Element 'seatKey': This element is not expected. Expected is ( {urn:chat:v1}seatKey )." in text


def test_the_element_with_too_many_attributes_is_named(codec: Codec) -> None:
    many = " ".join(f'a{i}=""' for i in range(MAX_ATTRIBUTES + 1))
    assert "Element 'seatKey': an element may have 16 attributes" in why(
        codec, "Members", f"<seatKey {many}>k</seatKey>"
    )


def test_an_operation_that_is_not_there_is_named_by_its_beginning_and_end(codec: Codec) -> None:
    with pytest.raises(Refused, match=r"^there is no operation \{urn:chat:v1\}x.* \.\.\. x+: see the WSDL$"):
        codec.read(codec.open(envelope(request(LONG))))
