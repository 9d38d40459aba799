"""Decimals that were binary floats: back to the decimal that the float was made from, and never to another one."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.float_noise import count_digits, remove_float_noise
from tests.event_factories import property_test


def widened(price: Decimal) -> float:
    """Return the price after a 32-bit float."""
    number: float = struct.unpack("<f", struct.pack("<f", float(price)))[0]
    return number


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("131.14999389648438", "131.15"),
        ("0.12345000356435776", "0.12345"),
        ("65231.578125", "65231.58"),
        ("611234.4375", "611234.44"),
        ("0.000023099999452824704463481903076171875", "0.0000231"),
        ("131.15000000000003", "131.15"),
        ("98.99999999999999", "99"),
        ("131.15000000000001", "131.15"),
        ("1234567890.1234501", "1234567890.12345"),
        ("0.30000000000000004", "0.3"),
        ("131.150000000000005684341886080801486968994140625", "131.15"),
    ],
)
def test_the_noise_of_a_float_is_removed(text: str, price: str) -> None:
    assert Decimal(remove_float_noise(text)) == Decimal(price)


@pytest.mark.parametrize(
    "text",
    [
        "131.15",
        "34.4375",
        "1048576.125",
        "300.350006",
        "131.15333333333334",
        "100000000000000",
        "412.0625",
        "620000.125",
        "123456789012345",
        "228.8712345678901",
        "0.1",
        "9" * 200,
    ],
)
def test_a_number_that_may_be_meant_is_unchanged(text: str) -> None:
    assert remove_float_noise(text) == text


@property_test
@given(digits=st.integers(1, 10**6 - 1), decimals=st.integers(0, 5))
def test_a_price_of_six_digits_survives_a_32_bit_float(digits: int, decimals: int) -> None:
    price = Decimal(digits).scaleb(-decimals)
    assert Decimal(remove_float_noise(format(Decimal(repr(widened(price))), "f"))) == price


@property_test
@given(digits=st.integers(1, 10**13 - 1), decimals=st.integers(0, 8))
def test_a_price_of_thirteen_digits_survives_all_digits_of_a_64_bit_float(digits: int, decimals: int) -> None:
    price = Decimal(digits).scaleb(-decimals)
    assert Decimal(remove_float_noise(format(Decimal(float(price)), "f"))) == price


@property_test
@given(digits=st.integers(1, 999_999_999), decimals=st.integers(0, 2))
def test_a_price_with_two_decimals_is_never_changed(digits: int, decimals: int) -> None:
    text = format(Decimal(digits).scaleb(-decimals), "f")
    assert remove_float_noise(text) == text


@pytest.mark.parametrize(("text", "digits"), [("0.00120", 2), ("120", 2), ("1.05", 3), ("0", 0)])
def test_zeros_in_front_and_at_the_end_do_not_count(text: str, digits: int) -> None:
    assert count_digits(text) == digits
