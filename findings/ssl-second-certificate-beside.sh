#!/usr/bin/env bash
# CPython 3.11.7 (ssl) on OpenSSL 3.0; certificates by trustme 1.2.1 and cryptography 50.0.2 (PyPI).
# Expected: load_cert_chain on the context of a running server replaces its certificate: the next connection gets
# the one that was loaded last. The manual has nothing about a second call.
# Seen: a context has one certificate for each kind of key (SSL_CTX_use_certificate(3) says so of OpenSSL). One of
# the same kind is replaced. An RSA certificate beside an ECDSA one is loaded, and a client that can both goes on to
# get the ECDSA one, which may be the one that runs out tomorrow. From RSA to ECDSA the new one is used.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet trustme==1.2.1 cryptography==50.0.2

cat >"$folder/try.py" <<'PYTHON'
import socket
import ssl
import sys
import threading

import trustme

AUTHORITY = trustme.CA()
KINDS = {"ecdsa": trustme.KeyType.ECDSA, "rsa": trustme.KeyType.RSA}


def issued(name):
    """Return the path and the DER form of a new certificate; the path has its key, too."""
    issue = AUTHORITY.issue_cert("localhost", key_type=KINDS[name.split()[0]])
    path = f"{sys.argv[1]}/{name}.pem"
    issue.private_key_and_cert_chain_pem.write_to_path(path)
    return path, ssl.PEM_cert_to_DER_cert(issue.cert_chain_pems[0].bytes().decode())


def served(context):
    """Return the certificate that a client gets, which can all kinds."""
    ours, theirs = socket.socketpair()

    def serve():
        with context.wrap_socket(ours, server_side=True) as end:
            end.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    client = ssl.create_default_context()
    AUTHORITY.configure_trust(client)
    with client.wrap_socket(theirs, server_hostname="localhost") as end:
        came = end.getpeercert(binary_form=True)
    thread.join()
    return came


seen = {}
for first, then in (("ecdsa", "rsa"), ("rsa", "ecdsa"), ("ecdsa", "ecdsa new"), ("rsa", "rsa new")):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates = {}
    for name in (first, then):
        path, der = issued(name)
        certificates[der] = name
        context.load_cert_chain(path)
        before = served(context)
    seen[first, then] = certificates[before]
print("loaded, and served after the second:", seen)
replaced = {key: key[1] for key in seen}
raise SystemExit(seen != replaced | {("ecdsa", "rsa"): "ecdsa"})
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder"
echo "as described"
