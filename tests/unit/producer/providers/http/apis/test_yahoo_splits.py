"""Yahoo Finance: the splits that come with past prices, which are multiplied back to what was traded."""

import struct
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.providers.base import Interval, Quote
from producer.providers.http.apis.yahoo_splits import restore_price
from shared.errors import InvalidResponse
from shared.splits import Split
from tests.event_factories import property_test
from tests.fake_apis.yahoo_answers import read_history, recorded_json


def split_history(answer: Any) -> tuple[list[Split], list[Quote]]:
    found = read_history(Interval.DAY, answer)
    return [each for each in found if isinstance(each, Split)], [each for each in found if isinstance(each, Quote)]


def test_past_prices_are_multiplied_back_by_all_later_splits() -> None:
    """Yahoo has divided AAPL's prices of 2014 by 28, and those of August 2020 by 4."""
    splits, bars = split_history(recorded_json("past_splits.json"))
    assert splits == [Split("AAPL", date(2014, 6, 9), 7, 1), Split("AAPL", date(2020, 8, 31), 4, 1)]
    assert [(f"{bar.as_of:%Y-%m-%d}", bar.open, bar.high, bar.low, bar.price, bar.volume) for bar in bars] == [
        (day, *map(Decimal, prices.split()), volume)
        for day, prices, volume in [
            ("2014-06-05", "646.2 649.37 642.61 647.35", 10850163),
            ("2014-06-06", "649.9 651.26 644.47 645.57", 12497848),
            ("2014-06-09", "92.7 93.88 91.75 93.7", 75415041),
            ("2020-08-27", "508.57 509.94 495.33 500.04", 38888096),
            ("2020-08-28", "504.05 505.77 498.31 499.23", 46907479),
            ("2020-08-31", "127.58 131 126 129.04", 225702700),
            ("2020-09-01", "132.76 134.8 130.53 134.18", 151948100),
            ("2024-11-19", "226.98 230.16 226.66 228.28", 36211800),
        ]
    ]


def test_five_minute_bars_are_multiplied_back_by_the_date_at_the_exchange() -> None:
    answer = recorded_json("past_minutes.json")
    day = {"date": 1732113000, "numerator": 2, "denominator": 1, "splitRatio": "2:1"}
    answer["chart"]["result"][0]["events"] = {"splits": {"1732113000": day}}
    [split, *bars] = read_history(Interval.FIVE_MINUTES, answer)
    assert (split.ratio, bars[0].price, bars[0].volume) == ("2:1", Decimal("228.02"), 1954812)
    answer["chart"]["result"][0]["events"]["splits"]["1732113000"]["date"] = 1732199400
    [split, *bars] = read_history(Interval.FIVE_MINUTES, answer)
    assert (split.day, bars[0].price, bars[0].volume) == (date(2024, 11, 21), Decimal("456.04"), 977406)


@pytest.mark.parametrize(
    ("entry", "ratio"),
    [
        ({"numerator": 1, "denominator": 10}, "1:10"),
        ({"numerator": 1487, "denominator": 1000}, "1487:1000"),
        ({"numerator": Decimal("1.5"), "denominator": Decimal("1.0")}, "3:2"),
        ({"numerator": 1, "denominator": 1}, None),
    ],
)
def test_splits_of_any_ratio_are_read(entry: dict[str, Any], ratio: str | None) -> None:
    answer = recorded_json("past_splits.json")
    answer["chart"]["result"][0]["events"]["splits"] = {"1598880600": {"date": 1598880600, **entry}}
    splits, _ = split_history(answer)
    assert [split.ratio for split in splits] == ([] if ratio is None else [ratio])


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "4:1",
        {},
        {"date": 1598880600},
        {"date": 1598880600, "numerator": 4, "denominator": 0},
        {"date": 1598880600, "numerator": -4, "denominator": 1},
        {"date": 1598880600, "numerator": 4_000_000, "denominator": 1},
        {"date": "soon", "numerator": 4, "denominator": 1},
    ],
)
def test_prices_are_refused_if_a_later_split_is_unreadable(entry: Any) -> None:
    answer = recorded_json("past_splits.json")
    answer["chart"]["result"][0]["events"]["splits"]["1598880600"] = entry
    with pytest.raises(InvalidResponse, match="so the prices as traded are unknown"):
        read_history(Interval.DAY, answer)


@pytest.mark.parametrize("decimals", [2, None])
@given(
    price=st.decimals(Decimal("0.5"), Decimal(5000), places=2),
    factor=st.sampled_from(["4", "7", "28", "1/10", "3/2", "1487/1000", "20"]),
    form=st.sampled_from(["float32", "float64"]),
)
@property_test
def test_a_price_that_was_divided_and_stored_as_a_float_is_restored(
    decimals: int | None, price: Decimal, factor: str, form: str
) -> None:
    ratio = Fraction(factor)
    divided = float(Fraction(price) / ratio)
    sent = struct.unpack("f", struct.pack("f", divided))[0] if form == "float32" else divided
    assert restore_price(Decimal(repr(sent)), ratio, decimals) == price


@pytest.mark.parametrize(
    ("value", "factor", "price"),
    [
        # A fraction of a dollar, as before 2001.
        ("2.334821462631226", 28, "65.375"),
        ("124.8075", 4, "499.23"),
        ("17.829643", 28, "499.23"),
        # The product itself, if the value has too few digits to tell.
        ("12.5", 4, "50"),
        ("124.81", 4, "499.24"),
    ],
)
def test_the_product_with_the_fewest_decimals_is_taken(value: str, factor: int, price: str) -> None:
    assert restore_price(Decimal(value), Fraction(factor), 2) == Decimal(price)
