"""How the time that is wanted of a symbol is cut into calls."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.backfill.run import names_with_history
from producer.backfill.time_ranges import TimeRange, clip, windows
from producer.providers.base import Interval
from tests.factories import property_test

START = datetime(2024, 1, 1, tzinfo=UTC)


def span(first: int, last: int) -> TimeRange:
    """By days of January 2024."""
    return TimeRange(START + timedelta(days=first - 1), START + timedelta(days=last - 1))


@pytest.mark.parametrize(
    ("spans", "longest", "expected"),
    [
        ([], 10, []),
        ([(1, 31)], 40, [(1, 31)]),
        ([(1, 31)], 10, [(1, 11), (11, 21), (21, 31)]),
        ([(1, 12)], 10, [(1, 11), (11, 12)]),
        # Holes near each other come in one call, and none begins or ends between them.
        ([(1, 2), (5, 6), (20, 31)], 10, [(1, 6), (20, 30), (30, 31)]),
        ([(1, 2), (5, 15)], 10, [(1, 11), (11, 15)]),
        ([(1, 31)], 36_500_000, [(1, 31)]),
    ],
)
def test_windows_are_as_long_as_can_be(
    spans: list[tuple[int, int]], longest: int, expected: list[tuple[int, int]]
) -> None:
    found = windows([span(*each) for each in spans], timedelta(days=longest))
    assert list(found) == [span(*each) for each in expected]


bounds = st.lists(st.integers(1, 400), min_size=2, max_size=12, unique=True).map(sorted)


@property_test
@given(bounds, st.integers(1, 60))
def test_windows_have_all_that_is_wanted_once(days: list[int], longest: int) -> None:
    spans = [span(first, last) for first, last in zip(days[::2], days[1::2], strict=False)]
    found = list(windows(spans, timedelta(days=longest)))
    for before, after in pairwise(found):
        assert before.until <= after.since
    assert all(timedelta() < each.until - each.since <= timedelta(days=longest) for each in found)
    left = spans
    for each in found:
        assert any(each.since == wanted.since for wanted in left)
        left = clip(left, each.until)
    assert left == []


def test_providers_that_have_past_prices_are_known_by_name() -> None:
    assert names_with_history(Interval.DAY) == ["twelvedata", "yahoo", "alphavantage", "massive"]
    assert names_with_history(Interval.FIVE_MINUTES) == ["twelvedata", "yahoo", "massive"]
