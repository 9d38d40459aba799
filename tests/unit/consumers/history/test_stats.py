"""Statistics of prices, by hand and in comparison with the definitions."""

from itertools import accumulate, pairwise
from math import log, sqrt
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.history.stats import Drawdown, Extreme, PricePoint, PriceStats, compute_stats
from tests.event_factories import property_test


def quote(as_of: int, price: float) -> PricePoint:
    return PricePoint(as_of, price, price, price)


def stats(*days: list[PricePoint]) -> PriceStats:
    found = compute_stats(days)
    assert found is not None
    return found


def test_a_span_without_prices_has_no_statistics() -> None:
    assert compute_stats([]) is None
    assert compute_stats([[]]) is None


def test_the_first_and_the_last_close_make_the_return() -> None:
    found = stats([PricePoint(1, 120, 90, 100)], [quote(2, 110), quote(3, 125)])
    assert (found.first, found.last, found.change, found.samples) == (Extreme(100, 1), Extreme(125, 3), 0.25, 3)


def test_highs_and_lows_of_bars_are_extremes_and_the_first_of_equal_ones_counts() -> None:
    found = stats([PricePoint(1, 120, 90, 100), PricePoint(2, 120, 90, 100)], [quote(3, 119)])
    assert (found.highest, found.lowest) == (Extreme(120, 1), Extreme(90, 1))


@pytest.mark.parametrize(
    ("prices", "drawdown"),
    [
        ([100, 80, 90], Drawdown(80 / 100 - 1, 0, 1)),
        ([100, 120, 90, 130, 110], Drawdown(90 / 120 - 1, 1, 2)),
        ([100, 90, 95, 85, 99], Drawdown(85 / 100 - 1, 0, 3)),
        ([100, 100, 101], Drawdown(0)),
        ([100], Drawdown(0)),
    ],
)
def test_the_largest_fall_counts_from_the_close_before_it(prices: list[float], drawdown: Drawdown) -> None:
    days = [[quote(number, price)] for number, price in enumerate(prices)]
    assert stats(*days).drawdown == drawdown
    assert stats([quote(number, price) for number, price in enumerate(prices)]).drawdown == drawdown


def test_the_volatility_is_that_of_the_last_closes_of_days() -> None:
    days = [[quote(1, 50), quote(2, 100)], [quote(3, 300), quote(4, 110)], [quote(5, 99)]]
    expected = stdev([log(110 / 100), log(99 / 110)]) * sqrt(252)
    assert stats(*days).volatility == pytest.approx(expected, rel=1e-12)


def test_two_days_have_no_volatility() -> None:
    assert stats([quote(1, 100)], [quote(2, 110)]).volatility is None


@given(st.lists(st.floats(0.01, 1e6), min_size=3, max_size=60))
@property_test
def test_statistics_are_those_of_the_definitions(closes: list[float]) -> None:
    found = stats(*([quote(number, close)] for number, close in enumerate(closes)))
    returns = [log(after / before) for before, after in pairwise(closes)]
    assert found.volatility == pytest.approx(stdev(returns) * sqrt(252), rel=1e-9, abs=1e-12)
    falls = [close / peak - 1 for close, peak in zip(closes, accumulate(closes, max), strict=True)]
    assert found.drawdown.change == min(falls)
    assert (found.highest.price, found.lowest.price) == (max(closes), min(closes))
