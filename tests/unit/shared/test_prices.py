from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.prices import drop_impossible, format_price, from_float, parse_price, read_price
from tests.event_factories import property_test

# Every price of at most 15 significant digits whose text has at most 32 characters.
prices = st.integers(1, 10**15 - 1).flatmap(
    lambda digits: st.integers(-15, 0).map(lambda exponent: Decimal(digits).scaleb(exponent))
)


@pytest.mark.parametrize("text", ["412.5", "200", "0.5", "0.0000001", "999999999999999", "0.123456789012345", "1"])
def test_a_canonical_price_is_accepted_and_printed_unchanged(text: str) -> None:
    assert parse_price(text) == Decimal(text)
    assert format_price(parse_price(text)) == text


@pytest.mark.parametrize(
    "text", ["412.50", "0412", "200.", ".5", "2e2", "-1", "0", "0.0", "", "1 ", "NaN", "1\n", "\uff11"]
)
def test_any_other_form_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_price(text)


@pytest.mark.parametrize("value", [1, 1.5, None, True, Decimal("1.5"), ["1"], b"1"])
def test_a_price_that_is_not_text_is_rejected(value: object) -> None:
    with pytest.raises(ValueError, match="must be a decimal string"):
        parse_price(value)


@pytest.mark.parametrize("text", ["1234567890123456", "1.234567890123456", "0.00001234567890123456"])
def test_a_16th_significant_digit_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="more than 15 significant digits"):
        parse_price(text)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("412.50", "412.5"),
        ("200.00", "200"),
        (" 3 ", "3"),
        ("007.10", "7.1"),
        ("0.10", "0.1"),
        ("75.0875", "75.0875"),
        ("2.31e-05", "0.0000231"),
        ("1E+2", "100"),
        ("1.50e1", "15"),
    ],
)
def test_a_price_from_outside_may_have_redundant_zeros_and_an_exponent(text: str, price: str) -> None:
    assert format_price(read_price(text)) == price


@pytest.mark.parametrize(
    "text",
    ["", "-1", "n/a", "1e99", "1e999999999", "0e5", "e5", "0.00", "1,234.5", "NaN", "$1", "1.2.3", "1234567890123456"],
)
def test_a_text_in_a_file_that_is_not_a_price_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_price(text)


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "-1.5e33", "0e-999999999", "NaN", "Infinity"])
def test_a_number_outside_the_range_of_prices_is_printed_short_and_is_not_a_price(number: str) -> None:
    text = format_price(Decimal(number))
    assert len(text) < 20
    with pytest.raises(ValueError, match=r"."):
        parse_price(text)


@property_test
@given(prices)
def test_every_price_survives_a_round_trip_through_text(price: Decimal) -> None:
    text = format_price(price)
    assert parse_price(text) == price
    assert format_price(parse_price(text)) == text


@property_test
@given(prices)
def test_every_price_survives_a_float_digit_for_digit(price: Decimal) -> None:
    assert from_float(float(price)) == price
    assert format_price(from_float(float(price))) == format_price(price)


@pytest.mark.parametrize(
    ("price", "given", "kept"),
    [
        (10, (9, 11, 8), (9, 11, 8)),
        (10, (10, 10, 10), (10, 10, 10)),
        (10, (None, None, None), (None, None, None)),
        (10, (9, 8, 11), (9, None, None)),  # the high is below the low
        (10, (9, 9, 8), (9, None, 8)),  # the high is below the price
        (10, (11, 12, 11), (11, 12, None)),  # the low is above the price
        (10, (12, 11, 9), (None, 11, 9)),
        (10, (8, 11, 9), (None, 11, 9)),
        (10, (8, 11, None), (8, 11, None)),
    ],
)
def test_what_contradicts_the_price_is_left_out(price: int, given: Any, kept: Any) -> None:
    values = [None if each is None else Decimal(each) for each in given]
    assert drop_impossible(Decimal(price), *values) == kept


def test_16_digits_would_not_survive_a_float() -> None:
    """The limit of 15 digits exists because a float is exact only up to 15 digits."""
    price = Decimal(9007199254740993)
    assert from_float(float(price)) != price
