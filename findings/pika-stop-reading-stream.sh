#!/usr/bin/env bash
# pika 1.4.4 (PyPI; https://github.com/pika/pika), pika.BlockingConnection, with RabbitMQ 3.10.8 (Debian 12).
# Expected: stop_consuming(), basic_cancel(), cancel(), channel.close() and connection.close() end a consumer
# without an error, for a stream as for any other queue.
# Seen: they give back what was prefetched and not handled yet, with basic.reject for each message. A stream does not
# implement that: RabbitMQ ends the connection with 540 (NOT_IMPLEMENTED), and pika raises ConnectionClosedByBroker,
# also from connection.close() and from the end of a `with` block. Nothing is lost, as a stream keeps its messages.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet pika==1.4.4
. "$(dirname "$0")/private-rabbitmq.bash"

cat >"$folder/try.py" <<'PYTHON'
import sys

import pika

PLACE = pika.URLParameters(sys.argv[1])
KINDS = {"classic": {}, "stream": {"x-queue-type": "stream"}}


def ended(queue, offset, how):
    """Handle three of a hundred messages, end the consumer, close the connection, and return the error."""
    connection = pika.BlockingConnection(PLACE)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=10)
    try:
        for method, _, _ in channel.consume(queue, arguments=offset):
            channel.basic_ack(method.delivery_tag)
            if method.delivery_tag == 3:
                break
        if how == "cancel":
            channel.cancel()
        elif how == "close":
            channel.close()
        connection.close()
    except pika.exceptions.ConnectionClosedByBroker as error:
        return error.reply_code
    return "no error"


with pika.BlockingConnection(PLACE) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    for queue, kind in KINDS.items():
        channel.queue_declare(queue, durable=True, arguments=kind)
        for number in range(100):
            channel.basic_publish("", queue, str(number).encode())
seen = {
    (queue, how): ended(queue, {"x-stream-offset": "first"} if kind else None, how)
    for queue, kind in KINDS.items()
    for how in ("cancel", "close", "close the connection")
}
print(seen)
raise SystemExit(list(seen.values()) != ["no error"] * 3 + [540] * 3)
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$url"
echo "as described"
