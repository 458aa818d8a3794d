"""Imports from spyne 2.14.0, its last release, in a way that works on Python 3.12 and later, too.

Its copy of six finds modules by PEP 302, which Python 3.12 does not support any more (PEP 451 replaced it),
and of which 3.11 warns. And it imports `cgi`, which Python 3.13 does not have, for one function. Its warnings
concern its own source and are silenced. No file of spyne is changed.
"""

from __future__ import annotations

import logging
import sys
import warnings
from email.message import Message
from importlib.util import find_spec, module_from_spec, spec_from_file_location, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

SIX = "spyne.util.six"


def parse_header(line: str) -> tuple[str, dict[str, str]]:
    """Replace ``cgi.parse_header``: split ``text/xml; charset=utf-8``."""
    message = Message()
    message["content-type"] = line
    value, *parameters = message.get_params() or [("", "")]
    return value[0], dict(parameters)


def _stand_in_for_cgi() -> None:
    if sys.version_info >= (3, 13) and "cgi" not in sys.modules and find_spec("cgi") is None:
        module: Any = ModuleType("cgi")
        module.parse_header = parse_header
        sys.modules["cgi"] = module


def _load_six() -> None:
    """Load spyne's six before spyne does, and add the methods of PEP 451 to its importer."""
    if SIX in sys.modules:
        return
    package = find_spec("spyne")  # this does not import it
    if package is None or not package.submodule_search_locations:
        return  # the import of spyne below fails with a better text
    file = Path(package.submodule_search_locations[0]) / "util" / "six.py"
    spec = spec_from_file_location(SIX, file)
    assert spec is not None
    assert spec.loader is not None
    six: Any = module_from_spec(spec)
    sys.modules[SIX] = six
    spec.loader.exec_module(six)
    importer = six._SixMetaPathImporter
    if not hasattr(importer, "find_spec"):

        def find(self: Any, name: str, path: object = None, target: object = None) -> Any:
            return spec_from_loader(name, self) if name in self.known_modules else None

        importer.find_spec = find
        importer.create_module = lambda self, spec: self.load_module(spec.name)
        importer.exec_module = lambda self, module: None


_stand_in_for_cgi()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    _load_six()
    from spyne import (
        Application,
        ComplexModel,
        Double,
        Enum,
        Fault,
        Integer32,
        Long,
        ServiceBase,
        Unicode,
        rpc,
    )
    from spyne.interface import InterfaceDocuments
    from spyne.protocol.soap import Soap11, Soap12

for _name in ("spyne.util.appreg", "spyne.protocol.xml.invalid"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # they log every malformed request

__all__ = [
    "Application",
    "ComplexModel",
    "Double",
    "Enum",
    "Fault",
    "Integer32",
    "InterfaceDocuments",
    "Long",
    "ServiceBase",
    "Soap11",
    "Soap12",
    "Unicode",
    "rpc",
]
