"""Timeframes, and the buckets of time in UTC and in zones with daylight saving."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from consumers.history.timeframes import Buckets, Timeframe

NEW_YORK = ZoneInfo("America/New_York")
KOLKATA = ZoneInfo("Asia/Kolkata")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "count", "unit"),
    [
        ("5m", 5, "m"),
        ("1Min", 1, "m"),
        ("5Min", 5, "m"),
        ("1Hour", 1, "h"),
        ("1 day", 1, "d"),
        ("1Week", 1, "w"),
        ("1Month", 1, "mo"),
        ("3mo", 3, "mo"),
        ("30s", 30, "s"),
    ],
)
def test_a_timeframe_is_read_in_the_spellings_of_the_field(text: str, count: int, unit: str) -> None:
    assert Timeframe.parse(text) == Timeframe(count, unit)


@pytest.mark.parametrize("text", ["", "0h", "h", "1", "1x", "1M", "-1h", "1.5h", "1y"])
def test_anything_else_is_not_a_timeframe(text: str) -> None:
    with pytest.raises(ValueError, match="not a timeframe such as 5m"):
        Timeframe.parse(text)


@pytest.mark.parametrize("text", ["1d", "1w", "1mo", "7mo"])
def test_no_bucket_follows_the_last_of_the_calendar(text: str) -> None:
    timeframe = Timeframe.parse(text)
    with pytest.raises(OverflowError):
        timeframe.next_date(timeframe.first_date(date.max))


@pytest.mark.parametrize("text", ["1201mo", "999999mo", "999999w", "999999d", "999999Hour"])
def test_a_timeframe_over_a_hundred_years_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is longer than 100 years"):
        Timeframe.parse(text)


@pytest.mark.parametrize("text", ["1200mo", "5217w", "36525d"])
@pytest.mark.parametrize("day", [date(1, 1, 1), date(99, 12, 31), date(1969, 12, 28), date(2026, 11, 30)])
def test_the_longest_timeframes_have_buckets_for_every_date(text: str, day: date) -> None:
    timeframe = Timeframe.parse(text)
    first = timeframe.first_date(day)
    assert first <= day < timeframe.next_date(first)


@pytest.mark.parametrize(
    ("timeframe", "zone", "instant", "start", "end"),
    [
        ("5m", UTC, "2024-11-20T09:59:58", "2024-11-20T09:55", "2024-11-20T10:00"),
        ("7h", UTC, "1970-01-01T13:59", "1970-01-01T07:00", "1970-01-01T14:00"),
        ("1h", UTC, "1969-12-31T23:30", "1969-12-31T23:00", "1970-01-01T00:00"),
        ("2d", UTC, "1970-01-02T23:00", "1970-01-01T00:00", "1970-01-03T00:00"),
        ("1w", UTC, "2024-11-20T09:59", "2024-11-18T00:00", "2024-11-25T00:00"),
        ("1w", UTC, "2024-11-18T00:00", "2024-11-18T00:00", "2024-11-25T00:00"),
        ("1mo", UTC, "2024-12-31T23:59", "2024-12-01T00:00", "2025-01-01T00:00"),
        ("3mo", UTC, "2024-12-31T23:59", "2024-10-01T00:00", "2025-01-01T00:00"),
        # New York puts the clock back on 2024-11-03 at 06:00 UTC, and forward on 2024-03-10 at 07:00 UTC.
        ("1d", NEW_YORK, "2024-11-03T12:00", "2024-11-03T04:00", "2024-11-04T05:00"),
        ("1d", NEW_YORK, "2024-03-10T12:00", "2024-03-10T05:00", "2024-03-11T04:00"),
        ("1w", NEW_YORK, "2024-11-03T12:00", "2024-10-28T04:00", "2024-11-04T05:00"),
        ("1mo", NEW_YORK, "2024-11-01T03:59", "2024-10-01T04:00", "2024-11-01T04:00"),
        ("1h", NEW_YORK, "2024-11-03T05:30", "2024-11-03T05:00", "2024-11-03T06:00"),
        ("1h", NEW_YORK, "2024-11-03T06:30", "2024-11-03T06:00", "2024-11-03T07:00"),
        ("4h", NEW_YORK, "2024-11-03T06:30", "2024-11-03T04:00", "2024-11-03T09:00"),
        ("4h", NEW_YORK, "2024-11-03T09:00", "2024-11-03T09:00", "2024-11-03T13:00"),
        ("2h", NEW_YORK, "2024-03-10T07:30", "2024-03-10T07:00", "2024-03-10T08:00"),
        ("1h", KOLKATA, "2024-11-20T10:00", "2024-11-20T09:30", "2024-11-20T10:30"),
        ("1d", KOLKATA, "2024-11-20T18:29", "2024-11-19T18:30", "2024-11-20T18:30"),
    ],
)
def test_a_bucket_follows_the_epoch_or_the_clock_and_calendar_of_its_zone(
    timeframe: str, zone: ZoneInfo, instant: str, start: str, end: str
) -> None:
    assert Buckets(Timeframe.parse(timeframe), zone).around(at(instant)) == (at(start), at(end))


@pytest.mark.parametrize("timeframe", ["5m", "90m", "1h", "4h", "1d", "2d", "1w", "2w", "1mo", "5mo"])
@pytest.mark.parametrize("zone", [UTC, NEW_YORK, KOLKATA, ZoneInfo("Australia/Lord_Howe")], ids=str)
def test_buckets_follow_one_another_without_a_gap(timeframe: str, zone: ZoneInfo) -> None:
    buckets = Buckets(Timeframe.parse(timeframe), zone)
    moment = at("2024-10-25T00:00")
    while moment < at("2024-11-10T00:00"):
        start, end = buckets.around(moment)
        assert start <= moment < end
        assert buckets.around(end)[0] == end or timeframe in ("90m", "1h"), "an odd change of the clock cuts them"
        moment += timedelta(minutes=30)


def test_a_date_may_begin_with_a_session_on_the_evening_before() -> None:
    def day_start(day: object) -> datetime:
        return datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=NEW_YORK).astimezone(UTC) - timedelta(hours=6)

    buckets = Buckets(Timeframe.parse("1d"), NEW_YORK, day_start)
    assert buckets.around(at("2024-11-20T22:59")) == (at("2024-11-19T23:00"), at("2024-11-20T23:00"))
    assert buckets.around(at("2024-11-20T23:00")) == (at("2024-11-20T23:00"), at("2024-11-21T23:00"))
    assert buckets.span_of_days(at("2024-11-20").date(), at("2024-11-20").date())[0] == at("2024-11-19T23:00")
