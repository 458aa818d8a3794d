"""The contract that is made of the operations and the bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from backends.rest import TECHNIQUE
from backends.rest.codec import encode
from backends.rest.descriptions import FIELDS, SCHEMAS
from backends.rest.openapi import BODIES, main, text_of
from backends.rest.operations import EXAMPLES, OPERATIONS
from backends.rest.pages import CONTRACT
from backends.rest.resources import Resources
from backends.rest.server import bare
from chat.domain.model import MAX_NUMBER


@pytest.fixture(scope="module")
def contract() -> Any:
    return json.loads(text_of(bare()))


def test_the_file_is_what_the_table_makes(contract: Any) -> None:
    assert json.loads(CONTRACT.read_text(encoding="utf-8")) == contract
    assert Path(TECHNIQUE.traits.contract).name == CONTRACT.name


def test_a_file_that_is_old_is_told_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "openapi.json"
    monkeypatch.setattr("backends.rest.openapi.CONTRACT", file)
    assert main(["--check"], bare) == 1
    assert "make openapi" in capsys.readouterr().err
    assert main([], bare) == 0
    assert main(["--check"], bare) == 0


def test_every_method_of_a_resource_is_in_the_contract() -> None:
    methods = {name for name in vars(Resources) if not name.startswith("_")}
    assert {operation.name for operation in OPERATIONS} == methods


def test_every_operation_is_told_whole(contract: Any) -> None:
    for path, methods in contract["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["operationId"]
            assert {"400", "401", "406", "503"} <= operation["responses"].keys(), path
            for parameter in operation["parameters"]:
                assert parameter["description"]
                assert "example" in parameter
            for answer in (*operation["responses"].values(), operation.get("requestBody", {})):
                for media in answer.get("content", {}).values():
                    assert "example" in media, path
                    assert "$ref" in media["schema"], path
    assert "HTTPValidationError" not in json.dumps(contract)


def test_every_schema_and_field_is_described_for_users_of_http(contract: Any) -> None:
    """Without names of the code, which mean nothing to them."""
    for name, schema in contract["components"]["schemas"].items():
        for part in (schema, *schema["properties"].values()):
            if "$ref" not in part:
                assert part["description"].endswith("."), name
    text = json.dumps(contract)
    assert not re.findall(r"chat\.(?!example)\w+|backends\.|``|\bWelcome\b|\bHello\b", text)


def test_nothing_is_described_that_is_not_there(contract: Any) -> None:
    schemas = contract["components"]["schemas"]
    assert set(SCHEMAS) == set(FIELDS) == set(schemas)
    for name, fields in FIELDS.items():
        assert set(fields) == set(schemas[name]["properties"]), name


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """Yield each object in a document, with those in it."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from parts(inner)


def test_the_document_is_openapi_30(contract: Any) -> None:
    OpenAPIV30SpecValidator(contract).validate()


def test_null_is_allowed_only_beside_a_type(contract: Any) -> None:
    """Elsewhere OpenAPI 3.0 ignores ``nullable``, and the validator does not say so."""
    schemas = contract["components"]["schemas"]
    assert [part for part in parts(schemas) if "nullable" in part and "type" not in part] == []
    optional = [schemas["SeatRequest"]["properties"]["seat_key"], schemas["Cursor"]["properties"]["epoch"]]
    assert all(field["nullable"] for field in (*optional, schemas["Cursor"]))


def test_nothing_absent_gets_a_value_by_the_contract(contract: Any) -> None:
    """A ``default`` would be filled in by generated clients, where absent means "not known"."""
    assert [part for part in parts(contract["components"]["schemas"]) if "default" in part] == []


def test_numbers_of_the_log_have_64_bits(contract: Any) -> None:
    numbers = [part for part in parts(contract) if part.get("maximum") == MAX_NUMBER]
    assert numbers
    assert {number.get("format") for number in numbers} == {"int64"}


def test_an_operation_has_the_name_of_no_keyword_and_of_no_method(contract: Any) -> None:
    """Generators make methods of these names: ``delete`` is a keyword, and a method of Axios."""
    names = {operation["operationId"] for path in contract["paths"].values() for operation in path.values()}
    assert len(names) == len(OPERATIONS)
    assert all(re.fullmatch("(delete|edit|get|leave|list|send|take)[A-Z][a-z]+", name) for name in names), (
        names
    )


def test_what_needs_most_keys_comes_first(contract: Any) -> None:
    """Importers take the first alternative: ``{}`` there would mean a client without any key."""
    for methods in contract["paths"].values():
        for operation in methods.values():
            sizes = [len(need) for need in operation["security"]]
            assert sizes == sorted(sizes, reverse=True)
            assert sizes[0] > 0


def test_a_server_has_an_address(contract: Any) -> None:
    (server,) = contract["servers"]
    assert urlsplit(server["url"])[:2] == ("http", f"127.0.0.1:{TECHNIQUE.port}")


def test_patterns_mean_the_same_to_engines_that_compare_bytes(contract: Any) -> None:
    r"""PCRE and RE2 know no ``\uXXXX``, and PCRE without its flag ``u`` compares bytes of UTF-8."""
    patterns = [part["pattern"] for part in parts(contract) if isinstance(part.get("pattern"), str)]
    assert len(patterns) > 3
    assert all(pattern.isascii() and "\\u" not in pattern for pattern in patterns)
    text = contract["components"]["schemas"]["TextBody"]["properties"]["text"]["pattern"]
    nick = contract["components"]["schemas"]["SeatRequest"]["properties"]["nick"]["pattern"]
    assert re.search(text.encode(), "ä 漢字\n&<>\t😀".encode())
    assert re.search(nick.encode(), "漢字ä😀".encode())
    for refused in ("\0", "a\rb", "\x1b[1m", "\x7f"):
        assert not re.search(text.encode(), refused.encode())


def test_the_examples_are_what_the_code_reads_and_writes() -> None:
    kinds = {kind.__name__: kind for kind in BODIES}
    for name, example in EXAMPLES.items():
        kind = kinds[name]
        assert json.loads(encode(msgspec.convert(example, kind))) == example
