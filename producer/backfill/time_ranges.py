"""Spans of time, and how they are cut: what is left of them, and the windows to ask for them in."""

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


def clip(spans: Sequence[TimeRange], start: datetime) -> list[TimeRange]:
    """What of the spans is not before `start`."""
    return [TimeRange(max(each.since, start), each.until) for each in spans if each.until > start]


def subtract(spans: Sequence[TimeRange], window: TimeRange) -> list[TimeRange]:
    """What of the spans is not in the window."""
    before = [TimeRange(each.since, min(each.until, window.since)) for each in spans if each.since < window.since]
    return before + clip(spans, window.until)


def windows(spans: Sequence[TimeRange], longest: timedelta) -> Iterator[TimeRange]:
    """The fewest windows of at most this length that have in them all of these spans, oldest first."""
    left = list(spans)
    while left:
        # Some providers have no end to it, which no date has room for.
        end = left[0].since + min(longest, left[-1].until - left[0].since)
        within = [each for each in left if each.since < end]
        window = TimeRange(left[0].since, min(end, within[-1].until))
        yield window
        left = clip(left, window.until)


def total(spans: Iterable[TimeRange]) -> timedelta:
    return sum((each.until - each.since for each in spans), timedelta())
