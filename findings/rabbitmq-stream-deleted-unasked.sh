#!/usr/bin/env bash
# RabbitMQ 3.10.8 (Debian 12; https://github.com/rabbitmq/rabbitmq-server), with pika 1.4.4 (PyPI).
# Expected: queue.delete with if-empty is refused while there are messages, and with if-unused while there are
# consumers (AMQP 0-9-1, 406 PRECONDITION_FAILED); message-count in queue.declare-ok is the number of messages.
# Seen: a stream is deleted in both cases, with all that is in it: its queue type passes over both flags. And the
# count of a stream is a statistic: 0 after ten messages were confirmed, 10 some seconds later. So neither the flag
# nor the count shows that a stream is empty; to read from its first offset does.
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
counts = {}


def deleted(kind, flag):
    """Fill a queue that somebody reads, and return whether it was deleted with a flag."""
    with pika.BlockingConnection(PLACE) as filling, pika.BlockingConnection(PLACE) as connection:
        channel = filling.channel()
        channel.confirm_delivery()
        name = f"{kind} {flag}"
        channel.queue_declare(name, durable=True, arguments={"x-queue-type": kind})
        for number in range(10):
            channel.basic_publish("", name, str(number).encode())
        counts.setdefault(kind, channel.queue_declare(name, passive=True).method.message_count)
        if flag == "if_unused":
            reading = filling.channel()
            reading.basic_qos(prefetch_count=1)
            reading.basic_consume(name, lambda *_: None)
        filling.process_data_events(1)
        try:
            connection.channel().queue_delete(name, **{flag: True})
        except pika.exceptions.ChannelClosedByBroker as error:
            return error.reply_code
        return "deleted"


seen = {(kind, flag): deleted(kind, flag) for kind in ("classic", "stream") for flag in ("if_empty", "if_unused")}
print(seen, "counted after ten confirms:", counts)
raise SystemExit(list(seen.values()) != [406, 406, "deleted", "deleted"] or counts != {"classic": 10, "stream": 0})
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$url"
echo "as described"
