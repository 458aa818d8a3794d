"""Counts by bounds."""

from __future__ import annotations

from chat.domain.histogram import Histogram


def test_a_value_is_counted_at_its_bound_and_above() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    assert histogram.buckets() == [(0.1, 2), (1.0, 3), (float("inf"), 4)]
    assert (histogram.count, histogram.total) == (4, 7.65)
