"""The places of elements, with lxml as the judge of what is in them."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from backends.soap.xml_fields import MAX_DEPTH, MAX_NODES, Element, add_xml
from chat.interfaces.frames import Field
from chat.transport.decoding.stream import Undecodable

ENV = "http://schemas.xmlsoap.org/soap/envelope/"
DOCUMENTS = {
    "one": b"<a/>",
    "declared": b"\xef\xbb\xbf<?xml version='1.0' encoding=\"UTF-8\"?>\n<!-- <b/> -->\n"
    b"<a>\xc3\xa4</a>\n<?pi <c> ?>\n",
    "attributes": b"""<a one="1>" two = '"2"' three="&lt;3" x:four='/' xmlns:x="urn:x">"""
    b"""<b c="/"></b><b c="/"/></a>""",
    "characters": b"<a>1 &lt; 2 &amp; &#x41;&#66;\r\n\n&gt; ]] &quot;</a>",
    "cdata": b"<a><![CDATA[<b>&amp;</b>]]></a>",
    "mixed": b"<a>one<b>two</b>three<!-- four --><c/> <b>five<![CDATA[six]]></b></a>",
    "namespaces": b"<a xmlns='urn:1' xmlns:p='urn:2'><b/>"
    b"<p:c xmlns='urn:3'><d xmlns=''/><p:d/></p:c><b/></a>",
    "latin 1": b"<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe4'>\xe4</a>",
    "SOAP::Lite": f"""<?xml version="1.0" encoding="UTF-8"?><soap:Envelope
 soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" xmlns:soap="{ENV}"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soap:Body>
<Send xmlns="urn:chat:v1"><n xsi:type="xsd:int">1</n><text xsi:type="xsd:string">hello</text></Send>
</soap:Body></soap:Envelope>""".encode(),
}


def read(data: bytes, at: int | None = 0) -> tuple[Field, Element]:
    parent = Field("body", span=(0, len(data) + (at or 0)))
    return parent, add_xml(parent, data, at)


def judge(field: Field, element: Element, node: Any, data: bytes) -> None:
    """Fail unless lxml has found the same, and the bytes of each field say the same by themselves."""
    name = etree.QName(node)
    assert (element.name, element.namespace) == (name.localname, name.namespace or "")
    assert element.field is field
    assert field.span is not None
    whole = data[slice(*field.span)]
    assert whole.startswith(b"<" + field.name.encode())
    assert whole.endswith(b">")
    attributes = [one for one in field.fields if not one.name.startswith("xmlns")][: len(node.attrib)]
    for found, value in zip(attributes, node.attrib.values(), strict=True):
        assert found.span is not None
        assert value in readings(data[slice(*found.span)], data)
    if not len(node):
        assert element.text == (node.text or "")
        assert element.place is not None
        assert element.text in readings(data[slice(*element.place)], data)
    for one, below in zip(element.elements, node, strict=True):
        judge(one.field, one, below, data)
    places = [one.field.span for one in element.elements]
    assert places == [one.span for one in field.fields if one.span in places]


def readings(raw: bytes, data: bytes) -> tuple[str, str]:
    """Return what the bytes of a document say: as a text of their own in XML, and as they are (CDATA)."""
    plain = raw.decode("latin-1" if b"ISO-8859-1" in data else "utf-8")
    return "".join(etree.fromstring(f"<a>{plain}</a>").itertext()), plain


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_elements_are_where_and_what_lxml_finds(name: str) -> None:
    data = DOCUMENTS[name]
    parent, root = read(data)
    parser = etree.XMLParser(remove_comments=True, remove_pis=True)
    judge(parent.fields[0], root, etree.fromstring(data, parser), data)


def test_the_places_are_those_in_the_frame() -> None:
    data = DOCUMENTS["mixed"]
    _, here = read(data)
    _, there = read(data, 100)
    assert here.field.span == (0, len(data))
    assert there.field.span == (100, 100 + len(data))
    assert there.elements[0].place == (109, 112)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_has_no_places(encoding: str) -> None:
    text = "<a b='c'>täglich</a>" if encoding == "utf-16" else "\ufeff<a b='c'>täglich</a>"
    _, root = read(text.encode(encoding))
    assert root.text == "täglich"
    assert (root.field.span, root.place, root.field.fields[0].span) == (None, None, None)


@pytest.mark.parametrize("name", ["Password", "Nonce", "seatKey", "BinarySecurityToken", "accessToken"])
def test_an_element_with_a_secret_is_masked(name: str) -> None:
    parent, root = read(f"<w:{name} password='p4ss' xmlns:w='urn:w'>s3cret</w:{name}>".encode())
    (secret,) = [one for one in root.field.fields if one.name == "text"]
    assert (secret.secret, secret.span) == (True, root.place)
    assert root.field.fields[0].secret
    assert "s3cret" not in repr(parent)
    assert "p4ss" not in repr(parent)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<!DOCTYPE a><a/>", "XML with a document type"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "XML with a document type"),
        ('<!DOCTYPE a SYSTEM "b"><a/>'.encode("utf-16"), "XML with a document type"),
        (b"<a>&b;</a>", "not XML: undefined entity"),
        (b"<a>", "not XML: no element found"),
        (b"<a></b>", "not XML: mismatched tag"),
        (b"", "not XML: no element found"),
        (b"<a>\xff</a>", "not XML: not well-formed"),
        (b"<a>" * (MAX_DEPTH + 1), f"XML nested more than {MAX_DEPTH} levels deep"),
        (b"<a>" + b"<b/>" * MAX_NODES, f"XML with more than {MAX_NODES} elements and attributes"),
        (
            b"<a " + b" ".join(b"a%d=''" % i for i in range(MAX_NODES)) + b"/>",
            f"XML with more than {MAX_NODES}",
        ),
    ],
)
def test_what_is_not_read(data: bytes, why: str) -> None:
    with pytest.raises(Undecodable, match=why):
        read(data)
