"""Ranges of time: clipping, subtracting, and splitting into windows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class TimeRange:
    """The time with since <= as_of < until (UTC)."""

    since: datetime
    until: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.since <= moment < self.until


def clip(time_ranges: Sequence[TimeRange], start: datetime) -> list[TimeRange]:
    """Return the parts of the ranges from `start` on."""
    return [TimeRange(max(each.since, start), each.until) for each in time_ranges if each.until > start]


def subtract(time_ranges: Sequence[TimeRange], window: TimeRange) -> list[TimeRange]:
    """Return the parts of the ranges outside the window."""
    before = [TimeRange(each.since, min(each.until, window.since)) for each in time_ranges if each.since < window.since]
    return before + clip(time_ranges, window.until)


def split_into_windows(time_ranges: Sequence[TimeRange], max_length: timedelta) -> Iterator[TimeRange]:
    """Yield the fewest windows of at most `max_length` that cover the ranges, oldest first.

    The ranges are sorted and do not overlap. No window begins or ends between two ranges.
    """
    remaining = list(time_ranges)
    while remaining:
        # `max_length` may be too long to add to a date, so it is limited first.
        end = remaining[0].since + min(max_length, remaining[-1].until - remaining[0].since)
        within = [each for each in remaining if each.since < end]
        window = TimeRange(remaining[0].since, min(end, within[-1].until))
        yield window
        remaining = clip(remaining, window.until)


def total_duration(time_ranges: Iterable[TimeRange]) -> timedelta:
    """Return the sum of the ranges' lengths."""
    return sum((each.until - each.since for each in time_ranges), timedelta())
