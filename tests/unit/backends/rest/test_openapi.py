"""The contract that is made of the operations and the bodies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.rest import TECHNIQUE
from backends.rest.codec import encode
from backends.rest.descriptions import FIELDS, SCHEMAS
from backends.rest.openapi import BODIES, main, text_of
from backends.rest.operations import EXAMPLES, OPERATIONS
from backends.rest.pages import CONTRACT
from backends.rest.resources import Resources
from backends.rest.server import bare


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


def test_the_document_is_openapi_30(contract: Any) -> None:
    """No empty ``required``, no ``null``, and ``nullable`` only beside a type."""

    def check(part: Any) -> None:
        if isinstance(part, dict):
            assert part.get("required") != []
            assert part.get("type") != "null"
            assert "nullable" not in part or "type" in part
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            check(inner)

    check(contract["components"]["schemas"])


def test_the_examples_are_what_the_code_reads_and_writes() -> None:
    kinds = {kind.__name__: kind for kind in BODIES}
    for name, example in EXAMPLES.items():
        kind = kinds[name]
        assert json.loads(encode(msgspec.convert(example, kind))) == example
