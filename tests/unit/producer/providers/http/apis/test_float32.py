"""Rounding of prices that were 32-bit floats."""

import struct
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from producer.providers.http.apis.float32 import round_float32
from tests.event_factories import property_test


@pytest.mark.parametrize(
    ("sent", "decimals", "price"),
    [
        ("189.9499969482422", 2, "189.95"),
        ("228.02000427246094", 2, "228.02"),
        ("0.12349999696016312", 4, "0.1235"),
        ("5123.4501953125", 2, "5123.45"),
        ("8.8100004196167", 2, "8.81"),
        ("189.95", 2, "189.95"),
        ("189.955", 2, "189.955"),
        ("412.0625", 2, "412.0625"),
        # Further from a price than a float can be, or close to two prices.
        ("189.9498969482422", 2, "189.9498969482422"),
        ("0.12345000356435776", 2, "0.12345000356435776"),
        ("620000.125", 2, "620000.125"),
        ("83887.12345678901", 2, "83887.12345678901"),
        # The number of decimals is unknown.
        ("189.9499969482422", None, "189.9499969482422"),
        ("189.9499969482422", -1, "189.9499969482422"),
        ("189.9499969482422", 99, "189.9499969482422"),
        ("0.000000000", 2, "0.000000000"),
        ("1e999999", 2, "1e999999"),
    ],
)
def test_a_float_is_rounded_only_to_an_unambiguous_price(sent: str, decimals: int | None, price: str) -> None:
    assert round_float32(Decimal(sent), decimals) == Decimal(price)


@given(cents=st.integers(1, 8_000_000))
@property_test
def test_every_price_survives_a_32_bit_float(cents: int) -> None:
    price = Decimal(cents).scaleb(-2)
    (widened,) = struct.unpack("f", struct.pack("f", float(price)))
    assert round_float32(Decimal(repr(widened)), 2) == price


@given(value=st.decimals(allow_nan=False, allow_infinity=False), decimals=st.integers(0, 8))
@property_test
def test_rounding_is_never_larger_than_the_float_s_error(value: Decimal, decimals: int) -> None:
    assume(abs(value.adjusted()) < 400)
    assert abs(round_float32(value, decimals) - value) <= abs(value) / 2**24
