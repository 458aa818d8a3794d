"""An encoding is kept for the value itself, and for no other."""

from __future__ import annotations

from chat.domain.keep_last import keep_last


def test_a_value_is_encoded_once_and_an_equal_one_again() -> None:
    encoded: list[list[int]] = []

    @keep_last
    def encode(value: list[int]) -> int:
        encoded.append(value)
        return len(encoded)

    first, second = [1, 2], [1, 2]
    assert [encode(first), encode(first), encode(second), encode(first)] == [1, 1, 2, 3]
    assert encoded == [first, second, first]


def test_a_failure_is_not_kept() -> None:
    @keep_last
    def encode(value: list[int]) -> int:
        return value[0]

    empty: list[int] = []
    for _ in range(2):
        try:
            encode(empty)
        except IndexError:
            continue
        raise AssertionError
    empty.append(7)
    assert encode(empty) == 7
