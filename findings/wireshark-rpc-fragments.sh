#!/usr/bin/env bash
# tshark 4.0.17 (Debian 12: apt-get install tshark; https://gitlab.com/wireshark/wireshark), with scapy 2.8.0 (PyPI) to
# make the traffic.
# Expected: with the preference "Dissect unknown RPC program numbers" an ONC RPC call is shown on every TCP port: a
# record of two fragments (RFC 5531, 11) as well as one of a single fragment, as both are on port 111.
# Seen: on other ports only calls of a single fragment are. The heuristic passes over a first fragment that is not the
# last one, and the call is missing without a word; its reply then is "data". With `-d tcp.port==7111,rpc` it is shown.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
command -v tshark >/dev/null || {
    echo "tshark is not installed: apt-get install --no-install-recommends tshark"
    exit 1
}
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet scapy==2.8.0

cat >"$folder/try.py" <<'PYTHON'
import logging
import struct
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import IP, TCP
from scapy.utils import wrpcap

LAST = 0x8000_0000
# xid, call, RPC 2, a program of the range for users, version 1, procedure 1; no credentials, no verifier; a string
CALL = struct.pack(">10I", 7, 0, 2, 0x2000_0001, 1, 1, 0, 0, 0, 0) + struct.pack(">I4s", 4, b"text")
REPLY = struct.pack(">6I", 7, 1, 0, 0, 0, 0)


def record(message, cut=None):
    """Return a record: of one fragment, or of two that are cut after some bytes."""
    parts = [message] if cut is None else [message[:cut], message[cut:]]
    marks = [len(part) | LAST * (part is parts[-1]) for part in parts]
    return b"".join(struct.pack(">I", mark) + part for mark, part in zip(marks, parts))


def write(name, port, pieces):
    ports, seqs, packets = (40000, port), [1, 1], []
    for number, piece in enumerate(pieces):
        there = {"sport": ports[number], "dport": ports[1 - number], "seq": seqs[number], "ack": seqs[1 - number]}
        packets.append(IP(src="127.0.0.1", dst="127.0.0.1") / TCP(flags="PA", **there) / piece)
        seqs[number] += len(piece)
    wrpcap(f"{sys.argv[1]}/{name}.pcap", packets)


for port in (111, 7111):
    write(f"one{port}", port, [record(CALL), record(REPLY)])
    write(f"two{port}", port, [record(CALL, 44), record(REPLY)])
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder"

shown() { # how many messages of RPC in a file
    tshark -n -r "$folder/$1.pcap" -o rpc.dissect_unknown_programs:TRUE "${@:2}" -Y rpc -T fields -e rpc.xid 2>/dev/null |
        wc -l
}
seen="111: $(shown one111) $(shown two111); 7111: $(shown one7111) $(shown two7111); as rpc: $(shown two7111 -d tcp.port==7111,rpc)"
echo "messages shown, of a record of one fragment and of two: $seen"
test "$seen" = "111: 2 2; 7111: 2 0; as rpc: 2"
echo "as described"
