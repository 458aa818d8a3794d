"""Certificates and authorities from files: what is wrong is said, with the file's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from chat.domain.errors import ChatError
from chat.interfaces.tls import Fingerprint, Identity, Trust


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued, other = authority.issue_cert("127.0.0.1"), authority.issue_cert("127.0.0.1")
    key = issued.private_key_pem.bytes()
    encrypted = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    content = {
        "authority": authority.cert_pem.bytes(),
        "certificate": issued.cert_chain_pems[0].bytes(),
        "key": key,
        "encrypted key": encrypted,
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


def test_an_encrypted_key_is_refused_and_the_text_says_how_to_decrypt_it(files: dict[str, Path]) -> None:
    with pytest.raises(ChatError, match=r"is encrypted.*openssl pkey -in .*encrypted key"):
        Identity.load(files["certificate"], files["encrypted key"])


@pytest.mark.parametrize(
    "written",
    [
        lambda pem: "# Prüfstelle, удостоверяющий центр\n".encode() + pem,
        lambda pem: "# Prüfstelle\n".encode("latin-1") + pem,
        lambda pem: b"\xef\xbb\xbf" + pem.replace(b"\n", b"\r\n"),
        lambda pem: b"\xff\xfe" + pem.decode().replace("\n", "\r\n").encode("utf-16-le"),
    ],
    ids=["a comment in another script", "a comment in another encoding", "UTF-8 from Windows", "UTF-16"],
)
def test_what_stands_around_the_pem_does_not_matter(
    files: dict[str, Path], tmp_path: Path, written: Callable[[bytes], bytes]
) -> None:
    for name in ("authority", "certificate", "key"):
        (tmp_path / name).write_bytes(written(files[name].read_bytes()))
    plain = Identity.load(files["certificate"], files["key"])
    identity = Identity.load(tmp_path / "certificate", tmp_path / "key")
    assert (identity.certificate, identity.key) == (plain.certificate, plain.key)
    trust = Trust.load(tmp_path / "authority")
    assert trust.context.cert_store_stats()["x509_ca"] == 1
    assert trust.authorities == Trust.load(files["authority"]).authorities


DIGITS = "0f" * 32
COLONS = ":".join(["0F"] * 32)


@pytest.mark.parametrize(
    "text",
    [f"SHA256:{DIGITS}", DIGITS, f" sha256:{DIGITS}\n", COLONS, f"sha256 Fingerprint={COLONS}"],
    ids=["ours", "bare", "blanks", "colons", "openssl"],
)
def test_a_fingerprint_is_read_as_programs_write_it(text: str) -> None:
    assert str(Fingerprint.parse(text)) == f"SHA256:{DIGITS}"


@pytest.mark.parametrize("text", ["", "SHA256:", DIGITS[:-1], DIGITS + "0", "SHA1:" + DIGITS, "g" * 64])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ChatError, match="64 hexadecimal digits"):
        Fingerprint.parse(text)
