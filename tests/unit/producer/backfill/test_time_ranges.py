"""Splitting the time ranges of a symbol into windows, one per call."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.backfill.time_ranges import TimeRange, clip, split_into_windows
from tests.event_factories import property_test

START = datetime(2024, 1, 1, tzinfo=UTC)


def january(first: int, last: int) -> TimeRange:
    """Return the range from one day of January 2024 to before another."""
    return TimeRange(START + timedelta(days=first - 1), START + timedelta(days=last - 1))


@pytest.mark.parametrize(
    ("time_ranges", "max_days", "expected"),
    [
        ([], 10, []),
        ([(1, 31)], 40, [(1, 31)]),
        ([(1, 31)], 10, [(1, 11), (11, 21), (21, 31)]),
        ([(1, 12)], 10, [(1, 11), (11, 12)]),
        # Gaps near each other share a window, and no window begins or ends between gaps.
        ([(1, 2), (5, 6), (20, 31)], 10, [(1, 6), (20, 30), (30, 31)]),
        ([(1, 2), (5, 15)], 10, [(1, 11), (11, 15)]),
        ([(1, 31)], 36_500_000, [(1, 31)]),
    ],
)
def test_windows_are_as_long_as_possible(
    time_ranges: list[tuple[int, int]], max_days: int, expected: list[tuple[int, int]]
) -> None:
    found = split_into_windows([january(*each) for each in time_ranges], timedelta(days=max_days))
    assert list(found) == [january(*each) for each in expected]


bounds = st.lists(st.integers(1, 400), min_size=2, max_size=12, unique=True).map(sorted)


@property_test
@given(bounds, st.integers(1, 60))
def test_windows_cover_every_range_once(days: list[int], max_days: int) -> None:
    time_ranges = [january(first, last) for first, last in zip(days[::2], days[1::2], strict=False)]
    found = list(split_into_windows(time_ranges, timedelta(days=max_days)))
    for before, after in pairwise(found):
        assert before.until <= after.since
    assert all(timedelta() < each.until - each.since <= timedelta(days=max_days) for each in found)
    remaining = time_ranges
    for each in found:
        assert any(each.since == wanted.since for wanted in remaining)
        remaining = clip(remaining, each.until)
    assert remaining == []
