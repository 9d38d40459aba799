"""Decimals that were binary floats: back to the decimal that the float was made from, and never to another one."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.float_noise import remove_float_noise
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
        ("131.15000000000003", "131.15"),
        ("98.99999999999999", "99"),
        ("0.30000000000000004", "0.3"),
        ("131.150000000000005684341886080801486968994140625", "131.15"),
    ],
)
def test_the_noise_of_a_float_is_removed(text: str, price: str) -> None:
    assert Decimal(remove_float_noise(text)) == Decimal(price)


@pytest.mark.parametrize(
    "text",
    ["131.15", "412.0625", "620000.125", "123456789012345", "228.8712345678901", "0.1", "9" * 200],
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
