"""What a server measures, in the words of Prometheus. Everything is read when it is asked for.

The table in docs/operating.md is generated from `METRICS`. No label names a person, a room or an address.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from chat.domain.histogram import Histogram
from chat.server.hub import Hub
from chat.server.seat import HubSeat

PREFIX = "chat_"


class About(NamedTuple):
    """What a metric is."""

    kind: str
    """gauge, counter or histogram; the name of a counter ends in ``_total``."""
    labels: tuple[str, ...]
    means: str


METRICS = {
    "ready": About("gauge", (), "1: drafts can be stored; 0: not now, see `/healthz`"),
    "seats": About(
        "gauge",
        ("technique", "state"),
        "seats; `state`: `connected`, `polling` (the owner calls), `away` (in the grace time)",
    ),
    "rooms": About("gauge", (), "rooms that exist"),
    "rooms_loaded": About("gauge", (), "rooms that are in memory"),
    "mailboxes": About(
        "gauge",
        ("technique", "state"),
        "connections that events are written to; `state`: `live`, or `behind` because they do not keep up",
    ),
    "mailbox_bytes": About("gauge", ("technique",), "bytes that wait for all connections to take them"),
    "mailbox_bytes_max": About("gauge", ("technique",), "the same, of the connection with the most"),
    "mailbox_seqs_behind_max": About(
        "gauge", ("technique",), "how many seqs of its room the slowest connection is behind"
    ),
    "commits": About("counter", (), "batches of entries that the log has committed"),
    "entries": About("counter", (), "entries in them"),
    "not_stored": About("counter", (), "entries that the log could not commit"),
    "commit_seconds": About("histogram", (), "a commit, in a log in a file: until it is on the disk"),
    "latency_seconds": About(
        "histogram",
        (),
        "from the arrival of a draft until it is committed and fanned out; of the oldest draft of each "
        "batch, to a millisecond",
    ),
    "joins": About("counter", ("technique",), "new seats"),
    "resumes": About("counter", ("technique",), "owners who have returned to their seats"),
    "leaves": About("counter", ("technique", "code"), "seats that have ended: `left`, or `gone`"),
    "refusals": About("counter", ("technique", "code"), "hellos that got no seat, by the code on the wire"),
    "cuts": About(
        "counter", ("technique", "code"), "connections with a seat that the server has ended, by the code"
    ),
    "drops": About(
        "counter",
        ("technique", "reason"),
        "connections without a seat that the server has ended, by the code on the wire; of udp also "
        "datagrams, by why",
    ),
    "wrong_tokens": About("counter", (), "wrong access tokens, of all techniques"),
}
"""By name without `PREFIX`; of a counter without ``_total``. Figures of the process are added on Linux."""

_COUNTED = {
    "joined": "joins",
    "resumed": "resumes",
    "left": "leaves",
    "refused": "refusals",
    "cut": "cuts",
    "dropped": "drops",
    "wrong_token": "wrong_tokens",
}
"""Records, and the counters that they are."""

Samples = dict[tuple[str, ...], float]
"""Values by labels."""


def collect(hub: Hub, dropped: Mapping[str, Counter[str]]) -> Iterator[Metric]:
    """Yield every metric.

    Args:
        hub: of this server.
        dropped: by technique, what its server has dropped besides, and why.
    """
    measured = hub.measured
    plain: dict[str, float] = {
        "ready": hub.ready,
        "rooms": hub.room_count,
        "rooms_loaded": len(hub.live_rooms()),
        "commits": measured.commits,
        "entries": measured.entries,
        "not_stored": measured.not_stored,
    }
    found: defaultdict[str, Samples] = defaultdict(dict)
    for name, value in plain.items():
        found[name] = {(): value}
    _seats(hub.all_seats(), found)
    found["wrong_tokens"] = {(): 0}  # known from the beginning, so that a rate can be asked for
    for (record, technique, code), count in list(hub.records.counts.items()):
        if record in _COUNTED:
            name = _COUNTED[record]
            found[name][(technique, code)[: len(METRICS[name].labels)]] = count
    for technique, counts in dropped.items():
        for why, count in list(counts.items()):
            found["drops"][technique, why.replace(" ", "_")] = count
    timed = {"latency_seconds": measured.latency, "commit_seconds": hub.log.commit_times}
    for name, about in METRICS.items():
        yield _family(name, about, found[name], timed.get(name))


def _seats(seats: Iterable[HubSeat], found: defaultdict[str, Samples]) -> None:
    """Count the seats, and what waits for their connections."""
    for seat in seats:
        one = (seat.technique,)
        mailbox = seat.mailbox
        state = "away" if seat.expires_in() is not None else "polling" if mailbox is None else "connected"
        _add(found["seats"], (*one, state), 1)
        if mailbox is not None:
            waiting = mailbox.sink.buffered()
            _add(found["mailboxes"], (*one, "live" if mailbox.is_live else "behind"), 1)
            _add(found["mailbox_bytes"], one, waiting)
            _most(found["mailbox_bytes_max"], one, waiting)
            _most(found["mailbox_seqs_behind_max"], one, mailbox.seqs_behind)


def _add(samples: Samples, labels: tuple[str, ...], value: float) -> None:
    samples[labels] = samples.get(labels, 0) + value


def _most(samples: Samples, labels: tuple[str, ...], value: float) -> None:
    samples[labels] = max(samples.get(labels, 0), value)


def _family(name: str, about: About, samples: Samples, timed: Histogram | None) -> Metric:
    name = PREFIX + name
    if about.kind == "histogram":
        histogram = HistogramMetricFamily(name, about.means)
        if timed is not None:
            buckets = [("+Inf" if bound == float("inf") else str(bound), n) for bound, n in timed.buckets()]
            histogram.add_metric([], buckets, timed.total)
        return histogram
    make = CounterMetricFamily if about.kind == "counter" else GaugeMetricFamily
    family = make(name, about.means, labels=about.labels)
    for labels, value in sorted(samples.items()):
        family.add_metric(labels, value)
    return family
