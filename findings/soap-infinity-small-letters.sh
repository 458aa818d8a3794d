#!/usr/bin/env bash
# spyne 2.14.0 and zeep 4.3.3 (PyPI; https://github.com/arskom/spyne, https://github.com/mvantellingen/python-zeep),
# with lxml 6.1.3.
# Expected: infinity and NaN are written as XML Schema spells them, INF, -INF and NaN (Part 2, 3.2.5.1), and an
# xsd:decimal without an exponent (3.2.3.1).
# Seen: both libraries write Python's "inf", "-inf" and "nan" for xsd:double, and spyne "1E+3" for the Decimal of that
# name; zeep writes 1000. A peer that validates refuses the message; the two understand each other.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet spyne==2.14.0 zeep==4.3.3 lxml==6.1.3

cat >"$folder/try.py" <<'PYTHON'
import warnings
from decimal import Decimal

warnings.simplefilter("ignore")
import spyne
import zeep.xsd
from lxml import etree
from spyne.protocol.soap import Soap11

SCHEMA = """<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema">
<x:element name="double" type="x:double"/><x:element name="decimal" type="x:decimal"/></x:schema>"""
schema = etree.XMLSchema(etree.fromstring(SCHEMA))
soap = Soap11()


def valid(name, text):
    element = etree.Element(name)
    element.text = text
    return schema.validate(element)


seen = {}
for value in 1.5, float("inf"), float("-inf"), float("nan"), Decimal("1.50"), Decimal("1E+3"):
    name = "decimal" if isinstance(value, Decimal) else "double"
    by_spyne = soap.to_unicode({"double": spyne.Double, "decimal": spyne.Decimal}[name], value)
    by_zeep = {"double": zeep.xsd.Double, "decimal": zeep.xsd.Decimal}[name]().xmlvalue(value)
    seen[repr(value)] = [by_spyne, valid(name, by_spyne), by_zeep, valid(name, by_zeep)]
    print(name, repr(value), *seen[repr(value)])
right = [seen["1.5"], seen["Decimal('1.50')"]] == [["1.5", True] * 2, ["1.50", True] * 2]
wrong = {text: [text, False, text, False] for text in ("inf", "-inf", "nan")}
wrong["Decimal('1E+3')"] = ["1E+3", False, "1000", True]
assert valid("double", "INF") and valid("double", "-INF") and valid("double", "NaN")
raise SystemExit(not right or {key: seen[key] for key in wrong} != wrong)
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
