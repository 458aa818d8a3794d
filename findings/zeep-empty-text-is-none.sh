#!/usr/bin/env bash
# zeep 4.3.3 (PyPI; https://github.com/mvantellingen/python-zeep).
# Expected: an empty element of type xsd:string is the empty string, and a valid xsd:dateTime is a time.
# Seen: the empty string is read as None, the same as an optional element that is not there, though zeep writes the
# two differently. And "24:00:00", which XML Schema allows for the end of a day (Part 2, 3.2.7.1), is None too: zeep
# writes an error to the log "zeep.xsd.types.simple" and gives no error to the caller.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet zeep==4.3.3

cat >"$folder/try.py" <<'PYTHON'
import logging

from lxml import etree
from zeep import xsd

SCHEMA = """<x:schema targetNamespace="urn:t" elementFormDefault="qualified" xmlns:x="http://www.w3.org/2001/XMLSchema">
<x:element name="a"><x:complexType><x:sequence>
<x:element name="text" type="x:string"/><x:element name="other" type="x:string" minOccurs="0"/>
<x:element name="at" type="x:dateTime"/>
</x:sequence></x:complexType></x:element></x:schema>"""

logging.getLogger("zeep").setLevel(logging.CRITICAL)
schema = xsd.Schema(etree.fromstring(SCHEMA))
element = schema.get_element("{urn:t}a")


def read(text, at):
    return element.parse(etree.fromstring(f'<a xmlns="urn:t"><text>{text}</text><at>{at}</at></a>'), schema)


plain = read("x", "2026-11-29T23:59:59Z")
empty = read("", "2026-11-29T24:00:00Z")
parent = etree.Element("parent")
element.render(parent, element(text="", at=plain.at))
written = [child.tag.partition("}")[2] for child in parent[0]]
print("plain:", plain.text, plain.at, "empty:", empty.text, empty.other, empty.at, "written:", written)
right = plain.text == "x" and plain.at is not None and written == ["text", "at"]
raise SystemExit(not right or [empty.text, empty.other, empty.at] != [None, None, None])
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
