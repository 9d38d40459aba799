"""The readers of prices, times, volumes and currencies, with valid and invalid values."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from producer.providers.http.parsing import parse_json
from producer.providers.http.values import (
    ReadCurrency,
    read_currency,
    read_date,
    read_first_price,
    read_local_time,
    read_optional_price,
    read_price,
    read_unix_time,
    read_volume,
)
from shared.errors import InvalidResponse
from shared.times import EPOCH
from tests.event_factories import AS_OF, property_test

SECONDS = 1_732_096_798
# The most that a price without the noise of a float may differ from the float: the error of a 32-bit float.
NOISE = Decimal(2) ** -24


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
        ("2.31e-05", "0.0000231"),
        ('"2.31E-05"', "0.0000231"),
        ('" 187.44 "', "187.44"),
        # Noise of 64-bit floats, after arithmetic or with all digits of the float.
        ("131.15000000000003", "131.15"),
        ("0.30000000000000004", "0.3"),
        ('"98.99999999999999"', "99"),
        ("131.150000000000005684341886080801486968994140625", "131.15"),
        # 32-bit floats, widened to 64 bits.
        ("189.9499969482422", "189.95"),
        ('"2.3099999452824704e-05"', "0.0000231"),
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
        ("228.8712345678901", "more than 15 significant digits"),
        ('"1_000"', "not a decimal number"),
        ('"1e99"', "not a decimal number"),
        ('"-3763e-2"', "negative"),
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
    sent = None if price is None else Decimal(text.strip('"'))
    assert price is None or (sent is not None and abs(price - sent) <= sent * NOISE and price > 0)


@property_test
@given(st.integers(1, 10**13 - 1), st.integers(-8, 0))
def test_every_digit_of_a_float_gives_the_price_that_it_was_made_from(digits: int, exponent: int) -> None:
    price = Decimal(digits).scaleb(exponent)
    assert read_price(Decimal(f"{float(price):.17g}")) == price
    assert read_price(Decimal(float(price))) == price


def test_the_first_price_that_is_not_missing_is_returned() -> None:
    assert read_first_price([0, None, "", "0.00", "N/A", Decimal("1.5"), 2]) == Decimal("1.5")
    with pytest.raises(InvalidResponse, match="the last trade must be more than zero"):
        read_first_price([0, None], "last trade")
    with pytest.raises(InvalidResponse, match="missing"):
        read_first_price([])


@pytest.mark.parametrize("bad", [Decimal("-37.63"), "-37.63", "17.73 USD", [], True])
def test_another_price_does_not_take_the_place_of_an_invalid_one(bad: Any) -> None:
    with pytest.raises(InvalidResponse, match="the price "):
        read_first_price([bad, Decimal("17.73")])


@pytest.mark.parametrize(
    ("value", "volume"),
    [
        (1234567, 1234567),
        ("1234567", 1234567),
        (Decimal("1234567.0"), 1234567),
        (Decimal("24306145.87"), 24306145),
        ("24306145.87", 24306145),
        (Decimal("2.430614587e7"), 24306145),
        ("2.430614587E+7", 24306145),
        ("1e6", 1000000),
        (Decimal("0.7"), 0),
        (Decimal("1e-999999"), 0),
        (2**63 - 1, 2**63 - 1),
        (0, 0),
        (None, None),
        (True, None),
        (-1, None),
        (Decimal("-0.5"), None),
        ("", None),
        ("n/a", None),
        ([1], None),
        (Decimal("1e999999"), None),
        (2**63, None),
        (10**30, None),
    ],
)
def test_a_volume_is_cut_off_to_whole_shares(value: Any, volume: int | None) -> None:
    assert read_volume(value) == volume


@pytest.mark.parametrize("value", ["GBp", "GBX", "gbx", "ILA", "ZAc", "ZAC", "USX", "KWF", "", "  ", None, 1, {}])
def test_hundredths_of_a_currency_and_nothing_have_no_code(value: Any) -> None:
    assert read_currency(value) == ReadCurrency(None)


@pytest.mark.parametrize("value", ["DEM", "USDT", "Usd", "gBP", "US$"])
def test_an_unknown_currency_has_no_code_but_a_remark(value: str) -> None:
    code, (remark,) = read_currency(value)
    assert code is None
    assert remark.startswith(f"the currency {value!r} is not an active one of ISO 4217")


def test_an_active_currency_has_its_code() -> None:
    assert read_currency("USD") == read_currency(" USD ") == ReadCurrency("USD")


@pytest.mark.parametrize(
    "value",
    [
        SECONDS,
        str(SECONDS),
        Decimal(SECONDS),
        Decimal(f"{SECONDS}.0"),
        SECONDS * 10**3,
        str(SECONDS * 10**6),
        SECONDS * 10**9,
    ],
)
def test_an_instant_is_read_in_the_unit_that_its_digits_tell(value: Any) -> None:
    assert read_unix_time(value) == AS_OF


@pytest.mark.parametrize(
    "value",
    [
        None, 0, -1, -SECONDS, True, "", "yesterday", Decimal("1e999999"), Decimal("1e-999999"), [], {}, 10**20, "0",
        # Digits of a date, in a field that has none.
        20261120, "20261120", 202611201430, "20261120143000", "2026-11-20", 14840101, 99_999_999, 12_345_678_901,
    ],
)  # fmt: skip
def test_an_absurd_instant_is_refused(value: Any) -> None:
    with pytest.raises(InvalidResponse, match=r"^the time is "):
        read_unix_time(value)


def test_a_bar_may_be_from_1970() -> None:
    assert read_unix_time(86_400, since_1970=True) == datetime(1970, 1, 2, tzinfo=UTC)
    for absurd in (0, -86_400, 12_345_678_901):
        with pytest.raises(InvalidResponse, match=r"^the time is "):
            read_unix_time(absurd, since_1970=True)


@property_test
@given(
    st.integers(100_000_000, 7_226_582_400).map(lambda second: EPOCH + timedelta(seconds=second)),
    st.sampled_from([1, 10**3, 10**6, 10**9]),
)
def test_the_magnitude_of_an_instant_tells_its_unit(moment: datetime, per_second: int) -> None:
    number = int(moment.timestamp()) * per_second
    # Twelve digits of milliseconds that begin with 19 or 20 would be a date.
    assume(not (len(str(number)) == 12 and str(number)[:2] in ("19", "20")))
    for written in (number, str(number), Decimal(number), Decimal(f"{number}.0")):
        assert read_unix_time(written) == moment


def test_a_date_is_midnight_utc() -> None:
    assert read_date("2024-11-20") == datetime(2024, 11, 20, tzinfo=UTC)
    for bad in (None, "", "2024-13-01", "20.11.2024", 20241120, "0001-01-01", "1484-01-01", "2024-11-20T10:00"):
        with pytest.raises(InvalidResponse, match=r"^the date is "):
            read_date(bad)


def test_a_local_time_is_an_instant_of_its_zone() -> None:
    new_york = ZoneInfo("America/New_York")
    assert read_local_time("2024-11-20 09:30:00.5", new_york) == datetime(2024, 11, 20, 14, 30, 0, 500_000, UTC)
    for bad in (None, "", "2024-11-20", "20241120", 1732096798, "2024-03-10 02:30:00", "1484-11-20 10:00:00"):
        with pytest.raises(InvalidResponse, match=r"^the time is "):
            read_local_time(bad, new_york)
