"""Certificates and authorities from files: what is wrong is said, with the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from chat.domain.errors import ChatError
from chat.interfaces.tls import Identity, Trust


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued, other = authority.issue_cert("127.0.0.1"), authority.issue_cert("127.0.0.1")
    content = {
        "authority": authority.cert_pem.bytes(),
        "certificate": issued.cert_chain_pems[0].bytes(),
        "key": issued.private_key_pem.bytes(),
        "another key": other.private_key_pem.bytes(),
        "text": b"no certificate at all\n",
        "binary": bytes(range(256)),
        "empty": b"",
    }
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in (*content, "nowhere")}


def test_a_certificate_and_its_key_are_an_identity(files: dict[str, Path]) -> None:
    identity = Identity.load(files["certificate"], files["key"])
    assert identity.certificate.startswith(b"-----BEGIN CERTIFICATE")
    assert b"PRIVATE KEY" in identity.key


@pytest.mark.parametrize("certificate", ["text", "binary", "empty", "nowhere", "key"])
def test_what_is_no_certificate_is_named(files: dict[str, Path], certificate: str) -> None:
    with pytest.raises(ChatError) as refused:
        Identity.load(files[certificate], files["key"])
    assert str(files[certificate]) in str(refused.value)


@pytest.mark.parametrize("key", ["another key", "text", "empty", "nowhere", "certificate"])
def test_what_is_not_the_certificates_key_is_named(files: dict[str, Path], key: str) -> None:
    with pytest.raises(ChatError) as refused:
        Identity.load(files["certificate"], files[key])
    assert str(files[key]) in str(refused.value)


@pytest.mark.parametrize("name", ["text", "binary", "empty", "nowhere", "key"])
def test_what_holds_no_authority_is_named(files: dict[str, Path], name: str) -> None:
    with pytest.raises(ChatError) as refused:
        Trust.load(files[name])
    assert str(files[name]) in str(refused.value)


def test_nobody_else_is_believed(files: dict[str, Path]) -> None:
    assert Trust.load(files["authority"]).context.cert_store_stats()["x509_ca"] == 1
