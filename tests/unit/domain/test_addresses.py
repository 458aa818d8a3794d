"""What an address tells, and what each may take."""

from __future__ import annotations

import pytest

from chat.domain.addresses import is_loopback
from chat.domain.rate_limit import MAX_ADDRESSES, AddressBuckets

PLACES = {
    "127.0.0.1": True,
    "127.9.9.9": True,
    "::1": True,
    "::ffff:127.0.0.1": True,
    "192.0.2.1": False,
    "2001:db8::1": False,
    "fe80::1%eth0": False,
    "127.0.0.1 over UDP": False,  # it may be forged
    "": False,
}


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("address", PLACES)
def test_which_addresses_are_this_machine(address: str) -> None:
    assert is_loopback(address) is PLACES[address]


def test_each_address_has_a_bucket_of_its_own_that_fills_again() -> None:
    time = Time()
    buckets = AddressBuckets(2, 0.5, time)
    assert [buckets.take("192.0.2.1") for _ in range(3)] == [0.0, 0.0, 2.0]
    assert buckets.take("192.0.2.2") == 0.0
    time.now += 2.0
    assert buckets.take("192.0.2.1") == 0.0
    assert buckets.take("192.0.2.1") == 2.0


def test_all_addresses_of_one_ipv6_network_share_a_bucket() -> None:
    buckets = AddressBuckets(1, 1.0, Time())
    assert buckets.take("2001:db8::1") == 0.0
    assert buckets.take("2001:db8::2") == 1.0
    assert buckets.take("2001:db8:0:1::1") == 0.0


def test_an_address_that_is_not_known_is_not_counted_and_0_is_no_limit() -> None:
    assert [AddressBuckets(1, 1.0, Time()).take("") for _ in range(3)] == [0.0] * 3
    unlimited = AddressBuckets(0, 1.0, Time())
    assert [unlimited.take("192.0.2.1") for _ in range(3)] == [0.0] * 3


def test_only_so_many_addresses_are_remembered_and_the_quietest_is_forgotten() -> None:
    buckets = AddressBuckets(1, 1.0, Time())
    for number in range(MAX_ADDRESSES):
        buckets.take(f"host{number}")
    assert buckets.take("host0") == 1.0  # it was seen again
    buckets.take("one more")
    assert buckets.take("host0") == 1.0
    assert buckets.take("host1") == 0.0
