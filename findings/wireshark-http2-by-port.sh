#!/usr/bin/env bash
# tshark 4.0.17 (Debian 12: apt-get install tshark; https://gitlab.com/wireshark/wireshark), with h2 4.4.1 and
# scapy 2.8.0 (PyPI) to make the traffic.
# Expected: HTTP/2 without TLS is known on every port by its preface, which was chosen to be known (RFC 9113, 3.4), as
# HTTP/1.1 is by its first line.
# Seen: the preface is looked for on the ports of HTTP only (80, 8080 and others), and inside TLS: `tshark -G
# heuristic-decodes` has http2 under http and tls, and not under tcp. gRPC on its usual port 50051 is "data". HTTP/1.1 is
# known on any port. With `-d tcp.port==50051,http2` gRPC and protobuf are shown; "grpc" is no choice there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
command -v tshark >/dev/null || {
    echo "tshark is not installed: apt-get install --no-install-recommends tshark"
    exit 1
}
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet h2==4.4.1 scapy==2.8.0

cat >"$folder/try.py" <<'PYTHON'
import logging
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
import h2.config
import h2.connection
from scapy.layers.inet import IP, TCP
from scapy.utils import wrpcap

folder = sys.argv[1]


def grpc():
    """Return the pieces of a gRPC call: the client's are the first of each pair."""
    ends = [h2.connection.H2Connection(h2.config.H2Configuration(client_side=side)) for side in (True, False)]
    client, server = ends
    pieces = []

    def flush():
        for number, end in enumerate(ends):
            if written := end.data_to_send():
                pieces.append((number, written))
                ends[1 - number].receive_data(written)

    message = b"\0\0\0\0\7\x0a\5hello"
    for end in ends:
        end.initiate_connection()
        flush()
    head = {":method": "POST", ":scheme": "http", ":path": "/test/Echo", ":authority": "x", "te": "trailers"}
    client.send_headers(1, [*head.items(), ("content-type", "application/grpc")])
    client.send_data(1, message, end_stream=True)
    flush()
    server.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
    server.send_data(1, message)
    server.send_headers(1, [("grpc-status", "0")], end_stream=True)
    flush()
    return pieces


def write(name, port, pieces):
    ports, seqs, packets = (40000, port), [1, 1], []
    for number, piece in pieces:
        there = {"sport": ports[number], "dport": ports[1 - number], "seq": seqs[number], "ack": seqs[1 - number]}
        packets.append(IP(src="127.0.0.1", dst="127.0.0.1") / TCP(flags="PA", **there) / piece)
        seqs[number] += len(piece)
    wrpcap(f"{folder}/{name}.pcap", packets)


get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
write("http1", 50051, enumerate(get))
write("grpc", 50051, grpc())
write("grpc80", 80, grpc())
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder"

shown() { # the protocols in a file, without those below
    tshark -n -r "$folder/$1.pcap" "${@:2}" -T fields -e frame.protocols 2>/dev/null |
        tr ':' '\n' | sort -u | grep -vx 'ip\|tcp' | paste -sd ' '
}
seen="http1: $(shown http1); 80: $(shown grpc80); 50051: $(shown grpc); as http2: $(shown grpc -d tcp.port==50051,http2)"
echo "$seen"
test "$seen" = "http1: http; 80: grpc http http2 protobuf; 50051: data; as http2: grpc http2 protobuf"
echo "as described"
