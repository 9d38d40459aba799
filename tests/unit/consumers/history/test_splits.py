"""Splits, and prices divided by those that came later."""

from datetime import UTC, date, datetime, timedelta

import pytest

from consumers.history.splits import SplitAdjustment
from shared.splits import Split
from shared.times import midnight_of, to_micros

SPLIT = Split("AAPL", date(2020, 8, 31), 4, 1)
MIDNIGHT = to_micros(datetime(2020, 8, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("price", "after", "adjusted"),
    [
        (499.23, -1, 124.8075),
        (129.04, 0, 129.04),
        (0.1, -1, 0.025),
    ],
)
def test_a_price_before_a_split_is_divided_by_its_ratio(price: float, after: int, adjusted: float) -> None:
    assert SplitAdjustment([SPLIT]).adjust(price, MIDNIGHT + after, is_daily=True) == adjusted


def test_a_price_is_divided_by_all_later_splits() -> None:
    splits = [Split("X", date(2021, 1, 1), 3, 1), SPLIT, Split("X", date(2022, 1, 1), 1, 2)]
    adjustment = SplitAdjustment(splits)
    assert adjustment.adjust(12, MIDNIGHT - 1, is_daily=False) == 2
    assert adjustment.adjust(10, MIDNIGHT, is_daily=False) == 6.66666666666667
    assert adjustment.adjust(10, to_micros(datetime(2022, 1, 1, tzinfo=UTC)), is_daily=False) == 10


def test_a_trading_date_may_begin_at_another_time_than_midnight_utc() -> None:
    adjustment = SplitAdjustment([SPLIT], lambda day: midnight_of(day) - timedelta(hours=2))
    before = to_micros(datetime(2020, 8, 30, 21, 59, tzinfo=UTC))
    since = to_micros(datetime(2020, 8, 30, 22, tzinfo=UTC))
    assert [adjustment.adjust(4, each, is_daily=False) for each in (before, since)] == [1, 4]
    assert [adjustment.adjust(4, each, is_daily=True) for each in (MIDNIGHT - 1, MIDNIGHT)] == [1, 4]
