"""Remarks on published prices: which prices get one, and the lines that people read."""

from datetime import timedelta

import pytest

from producer.remarks import format_remarks, stale_remark
from tests.event_factories import NOW, stock_data


@pytest.mark.parametrize(
    ("days", "words"),
    [(14, "weeks old"), (59, "weeks old"), (60, "months old"), (365, "more than a year old"), (2_000, "years old")],
)
def test_an_old_price_has_a_remark(days: int, words: str) -> None:
    event = stock_data(as_of=NOW - timedelta(days=days), provider="yahoo", observed_at=NOW)
    remark = stale_remark(event)
    assert remark is not None
    assert remark.startswith(f"the price is {words}, of 20")


@pytest.mark.parametrize("age", [timedelta(), timedelta(minutes=-4), timedelta(days=13)])
def test_a_price_before_a_long_holiday_has_none(age: timedelta) -> None:
    assert stale_remark(stock_data(as_of=NOW - age, provider="yahoo", observed_at=NOW)) is None


@pytest.mark.parametrize("provider", ["replay", "simulated"])
def test_a_replayed_price_may_be_old(provider: str) -> None:
    assert stale_remark(stock_data(as_of=NOW - timedelta(days=999), provider=provider, observed_at=NOW)) is None


def test_symbols_with_the_same_remark_share_a_line() -> None:
    assert format_remarks({"A": ["odd", "old"], "B": ["odd"], "C": []}) == ["A, B: odd", "A: old"]
