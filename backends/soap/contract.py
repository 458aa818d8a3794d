"""Writes the WSDLs in `wsdl` from the types and operations in `backends.soap.service`.

Run it as ``python -m backends.soap.contract``; with ``--check`` it only tells whether the files are up to
date. The order of what spyne writes depends on sets. Here it is sorted, so that the same service always gives
the same files.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

from lxml import etree

from backends.soap.conversion import ADDRESS, WSDL, WSDL11
from backends.soap.schema import application
from backends.soap.spyne_compat import InterfaceDocuments

NS = "{http://schemas.xmlsoap.org/wsdl/}"
XSD = "{http://www.w3.org/2001/XMLSchema}"
SOAP11 = "{http://schemas.xmlsoap.org/wsdl/soap/}"
SOAP12 = "{http://schemas.xmlsoap.org/wsdl/soap12/}"
_ORDER = (f"{XSD}simpleType", f"{XSD}complexType", f"{XSD}element")


def wsdl(*, soap12: bool = True) -> bytes:
    """Return a WSDL as its file has it.

    Args:
        soap12: whether it has the binding and the port of SOAP 1.2 beside those of SOAP 1.1.
    """
    documents = InterfaceDocuments(application().interface)
    documents.wsdl11.build_interface_document(ADDRESS)
    raw = documents.wsdl11.get_interface_document()
    root: Any = etree.fromstring(raw, etree.XMLParser(remove_blank_text=True))
    for schema in root.iter(f"{XSD}schema"):
        schema[:] = sorted(schema, key=lambda node: (_ORDER.index(node.tag), node.get("name")))
    for text in root.iter(f"{NS}documentation"):
        text.text = " ".join(text.text.split())  # the indentation of a docstring depends on Python's version
    for operation in root.iterfind(f"{NS}portType/{NS}operation"):
        del operation.attrib["parameterOrder"]  # it must name parts, and spyne names elements
    for binding in root.findall(f"{NS}binding"):
        _twin(binding)
    for port in list(root.iter(f"{NS}port")):
        port.set("binding", f"tns:{port.get('name')}")
        _twin(port)
        for one in port.getparent():
            one.set("binding", f"tns:{one.get('name')}")
    if not soap12:
        for node in [*root.findall(f"{NS}binding"), *root.iter(f"{NS}port")]:
            if node.get("name").endswith("Soap12"):
                node.getparent().remove(node)
    etree.cleanup_namespaces(root, keep_ns_prefixes=["tns", "xs"])
    etree.indent(root)
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return written + b"\n"


def _twin(node: Any) -> None:
    """Add a copy for SOAP 1.2: spyne writes SOAP 1.1 only."""
    twin = deepcopy(node)
    name = node.get("name")
    node.set("name", f"{name}Soap11")
    twin.set("name", f"{name}Soap12")
    for element in twin.iter():
        if element.tag.startswith(SOAP11):
            element.tag = SOAP12 + element.tag.removeprefix(SOAP11)
    node.addnext(twin)


FILES: dict[Path, bool] = {WSDL: True, WSDL11: False}
"""The files, each with whether it has SOAP 1.2."""


def main() -> int:
    """Write the files, or check them; return the exit status."""
    check = "--check" in sys.argv[1:]
    stale = []
    for file, soap12 in FILES.items():
        made = wsdl(soap12=soap12)
        if not check:
            file.write_bytes(made)
        elif not file.is_file() or file.read_bytes() != made:
            stale.append(file.name)
    for name in stale:
        print(f"{name} is out of date: run make wsdl", file=sys.stderr)  # noqa: T201 - this is the output
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
