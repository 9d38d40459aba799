"""Spans of time, and how they are cut: what is left of them, and the windows to ask for them in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Span:
    """The time with since <= as_of < until (UTC)."""

    since: datetime
    until: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.since <= moment < self.until


def cut_off(spans: Sequence[Span], start: datetime) -> list[Span]:
    """What of the spans is not before `start`."""
    return [Span(max(each.since, start), each.until) for each in spans if each.until > start]


def cut_out(spans: Sequence[Span], window: Span) -> list[Span]:
    """What of the spans is not in the window."""
    before = [Span(each.since, min(each.until, window.since)) for each in spans if each.since < window.since]
    return before + cut_off(spans, window.until)


def windows(spans: Sequence[Span], longest: timedelta) -> Iterator[Span]:
    """The fewest windows of at most this length that have in them all of these spans, oldest first."""
    left = list(spans)
    while left:
        # Some providers have no end to it, which no date has room for.
        end = left[0].since + min(longest, left[-1].until - left[0].since)
        within = [each for each in left if each.since < end]
        window = Span(left[0].since, min(end, within[-1].until))
        yield window
        left = cut_off(left, window.until)


def total(spans: Iterable[Span]) -> timedelta:
    return sum((each.until - each.since for each in spans), timedelta())
