"""The readers of prices, times, volumes and currencies, with valid and invalid values."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.providers.http.parsing import (
    describe_text,
    next_minute,
    parse_json,
    read_currency,
    read_date,
    read_epoch,
    read_epoch_of_any_unit,
    read_first_price,
    read_optional_price,
    read_price,
    read_volume,
    truncate,
)
from shared.errors import InvalidResponse
from shared.times import EPOCH
from tests.event_factories import AS_OF, property_test

SECONDS = 1_732_096_798


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("187.44", "187.44"),
        ('"187.44000"', "187.44"),
        ("187", "187"),
        ('"0.0001"', "0.0001"),
        ("1.8744e2", "187.44"),
        ("123456789012345", "123456789012345"),
        ("0.1000000000000000", "0.1"),
    ],
)
def test_a_price_is_read_digit_for_digit(text: str, price: str) -> None:
    assert read_price(parse_json(text)) == Decimal(price)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("null", "price is missing"),
        ("0", "more than zero"),
        ('"0.00"', "more than zero"),
        ("0.0", "more than zero"),
        ("-1", "-1"),
        ('"-1.5"', "negative"),
        ('"NaN"', "not a decimal number"),
        ('""', "not a decimal number"),
        ('"187,44"', "not a decimal number"),
        ("true", "'True'"),
        ("[187.44]", "an array"),
        ('{"raw": 187.44}', "an object"),
        ("1e999999999", "not a decimal number"),
        ("189.9499969482422", "more than 15 significant digits"),
    ],
)
def test_an_invalid_price_is_rejected(text: str, why: str) -> None:
    with pytest.raises(InvalidResponse, match=r"^the price .*") as error:
        read_price(parse_json(text))
    assert why in str(error.value)
    assert read_optional_price(parse_json(text)) is None


@property_test
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_a_price_is_never_another_value(value: Any) -> None:
    text = json.dumps(value)
    try:
        found = parse_json(text)
    except InvalidResponse:
        return
    price = read_optional_price(found)
    assert price is None or price == Decimal(text.strip('"')) > 0


def test_the_first_valid_price_is_returned() -> None:
    assert read_first_price([0, None, Decimal("1.5"), 2]) == Decimal("1.5")
    with pytest.raises(InvalidResponse, match="the last trade must be more than zero"):
        read_first_price([0, None], "last trade")
    with pytest.raises(InvalidResponse, match="missing"):
        read_first_price([])


@pytest.mark.parametrize("text", ["", "{", '{"a": 1', "9" * 5000, "[" * 100_000, "<html>"])
def test_invalid_json_is_rejected(text: str) -> None:
    with pytest.raises(InvalidResponse, match=r"JSON|^an HTML page$|^an empty body$"):
        parse_json(text)


def test_a_number_that_json_does_not_know_is_missing() -> None:
    assert parse_json('{"c": NaN, "o": [Infinity, -Infinity], "l": 1}') == {"c": None, "o": [None, None], "l": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  \n", "an empty body"),
        ("<!DOCTYPE html><HTML><Title>Just a\n moment…</Title>", "an HTML page ('Just a moment…')"),
        ("<html><body></body>", "an HTML page"),
        ('{"price": 1', "broken JSON ('{\"price\": 1')"),
        ("Edge: Too Many Requests", "text that is not JSON ('Edge: Too Many Requests')"),
    ],
)
def test_a_text_that_is_not_json_is_described(text: str, message: str) -> None:
    assert describe_text(text) == message


def test_a_truncated_text_is_one_line_without_control_characters() -> None:
    assert truncate("a\x1b[31m\r\n b\0") == "a [31m b"
    assert len(truncate("x" * 10_000)) == 200


@pytest.mark.parametrize(
    ("value", "volume"),
    [
        (1234567, 1234567),
        ("1234567", 1234567),
        (Decimal("1234567.0"), 1234567),
        (0, 0),
        (Decimal("1.5"), None),
        (None, None),
        (True, None),
        (-1, None),
        ("", None),
        (Decimal("1e999999"), None),
        (10**30, None),
    ],
)
def test_a_volume_is_a_whole_number_or_none(value: Any, volume: int | None) -> None:
    assert read_volume(value) == volume


@pytest.mark.parametrize(("value", "currency"), [("USD", "USD"), ("GBp", None), ("", None), (None, None), (1, None)])
def test_a_currency_is_an_iso_4217_code_or_none(value: Any, currency: str | None) -> None:
    assert read_currency(value) == currency


@pytest.mark.parametrize(
    ("value", "unit"), [(SECONDS, "s"), (SECONDS * 1000, "ms"), (str(SECONDS), "s"), (Decimal(SECONDS), "s")]
)
def test_an_instant_is_read_in_its_unit(value: Any, unit: str) -> None:
    assert read_epoch(value, unit) == AS_OF


@pytest.mark.parametrize("value", [None, 0, -1, True, "", "yesterday", Decimal("1.5"), 10**20, [], Decimal("1e999999")])
def test_an_invalid_instant_is_rejected(value: Any) -> None:
    with pytest.raises(InvalidResponse, match=r"^the time is "):
        read_epoch(value)
    with pytest.raises(InvalidResponse, match=r"^the time is "):
        read_epoch_of_any_unit(10**30 if value == 10**20 else value)


@property_test
@given(
    st.integers(31_536_000, 7_226_582_400).map(lambda second: EPOCH + timedelta(seconds=second)),
    st.sampled_from([1, 10**3, 10**6, 10**9]),
)
def test_the_magnitude_of_an_instant_tells_its_unit(moment: datetime, per_second: int) -> None:
    number = int(moment.timestamp()) * per_second
    for written in (number, str(number), Decimal(number), Decimal(f"{number}.0")):
        assert read_epoch_of_any_unit(written) == moment


def test_a_date_is_midnight_utc() -> None:
    assert read_date("2024-11-20") == datetime(2024, 11, 20, tzinfo=UTC)
    for bad in (None, "", "2024-13-01", "20.11.2024", 20241120, "0001-01-01"):
        with pytest.raises(InvalidResponse, match=r"^the date is "):
            read_date(bad)


def test_next_minute_is_the_beginning_of_the_next_minute() -> None:
    assert next_minute(AS_OF) == AS_OF + timedelta(seconds=2)
    assert next_minute(datetime(2024, 11, 20, 10, tzinfo=UTC)) == datetime(2024, 11, 20, 10, 1, tzinfo=UTC)
