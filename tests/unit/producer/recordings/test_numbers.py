from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.recordings.numbers import MISSING, read_optional_price, read_recorded_price, read_recorded_volume
from tests.event_factories import property_test


@pytest.mark.parametrize(
    ("text", "price"),
    [
        *(("131.15", "131.15"), (" 131.150 ", "131.15"), ("200", "200"), ("0131.15", "131.15"), (".5", "0.5")),
        *(("5.", "5"), ("$131.15", "131.15"), ("$1,131.27", "1131.27"), ("1,131.27", "1131.27")),
        *(("1,131,270", "1131270"), ("2.31e-05", "0.0000231"), ("1E+2", "100"), ("1e5", "100000")),
        *(("131.14999389648438", "131.15"), ("1.3114999389648438e2", "131.15"), ("0.00011", "0.00011")),
        ("132.600000000000000000", "132.6"),
    ],
)
@pytest.mark.parametrize("decimal_comma", [False, True])
def test_prices(text: str, price: str, decimal_comma: bool) -> None:
    assert read_recorded_price(text, decimal_comma=decimal_comma) == Decimal(price)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        *(("131,15", "131.15"), ("1.131,27", "1131.27"), ("1.131.270", "1131270"), ("1,131", "1.131")),
        *(("1 131,27", "1131.27"), ("1\u00a0131,27", "1131.27"), ("1\u202f131,27", "1131.27"), ("0,5", "0.5")),
        ("131,14999389648438", "131.15"),
    ],
)
def test_prices_with_decimal_commas_need_semicolons(text: str, price: str) -> None:
    assert read_recorded_price(text, decimal_comma=True) == Decimal(price)
    with pytest.raises(ValueError, match=r"has a decimal comma|may mean|is not a decimal number"):
        read_recorded_price(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is missing"),
        ("NaN", "is missing"),
        ("-", "is missing"),
        ("#N/A", "is missing"),
        ("0", "must be more than zero"),
        ("0.00", "must be more than zero"),
        ("-37.63", "'-37.63' is negative"),
        ("1,131", "'1,131' may mean 1131 or 1.131"),
        ("131,15", "has a decimal comma, which only files with semicolons may have"),
        ("1.2345678901234567", "has more than 15 significant digits"),
        ("131.99 USD", "is not a decimal number such as 412.35"),
        ("1e99999", "is not a decimal number"),
        ("1e99", "more than 15 significant digits|is not"),
        ("1,13,127", "is not a decimal number"),
        ("1'131.27", "is not a decimal number"),
        ("0x10", "is not a decimal number"),
        ("1_000", "is not a decimal number"),
        ("inf", "is not a decimal number"),
        ("١٣١", "is not a decimal number"),
        (".", "is not a decimal number"),
        ("$", "is not a decimal number"),
        ("9" * 10_000, "more than 15 significant digits"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        read_recorded_price(text)
    assert len(str(caught.value)) < 150
    assert read_optional_price(text) is None


@property_test
@given(st.text(alphabet="0123456789.,eE+-$ ", max_size=20), st.booleans())
def test_a_price_is_a_number_above_zero_or_refused(text: str, decimal_comma: bool) -> None:
    try:
        price = read_recorded_price(text, decimal_comma=decimal_comma)
    except ValueError:
        return
    assert price > 0
    assert len(price.normalize().as_tuple().digits) <= 15


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        *(("24306145", 24_306_145), ("24306145.14", 24_306_145), ("1000200.0", 1_000_200), ("0", 0), ("0.9", 0)),
        *(("1.2M", 1_200_000), ("1.2m", 1_200_000), ("35K", 35_000), ("2.5 B", 2_500_000_000), ("1T", 10**12)),
        *(("1e6", 1_000_000), ("1.5e+3", 1500), ("1,204", 1204), ("24,306,145", 24_306_145), ("1,204.5", 1204)),
        *((" 7 ", 7), (str(2**63 - 1), 2**63 - 1), ("1.204", 1), ("$7", None)),
        *((text, None) for text in sorted(MISSING)),
        *(("many", None), ("-5", None), (str(2**63), None), ("9" * 100, None), ("1e99", None), ("9" * 41, None)),
        *(("12:30", None), ("M", None), ("1MM", None), ("1.2.3", None), ("131,15", None)),
    ],
)
def test_volumes_are_whole_shares_or_unknown(text: str, volume: int | None) -> None:
    assert read_recorded_volume(text) == volume


@pytest.mark.parametrize(
    ("text", "volume"),
    [("24306145,14", 24_306_145), ("1,23M", 1_230_000), ("24.306.145", 24_306_145), ("1.204", None), ("1,204", None)],
)
def test_volumes_with_decimal_commas(text: str, volume: int | None) -> None:
    assert read_recorded_volume(text, decimal_comma=True) == volume
