from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.times import (
    format_duration,
    format_instant,
    format_sortable,
    from_micros,
    midnight_of,
    parse_duration,
    parse_instant,
    parse_moment,
    to_micros,
    utc_now,
)
from tests.event_factories import NOW, property_test

offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.builds(
    lambda age, offset: (NOW + age).astimezone(offset),
    st.timedeltas(timedelta(days=-730_000), timedelta(days=2_900_000)),
    offsets,
)


@property_test
@given(instants)
def test_an_instant_survives_a_round_trip_through_text(instant: datetime) -> None:
    for text in (format_instant(instant), format_sortable(instant), instant.isoformat()):
        assert parse_instant(text) == instant
        assert parse_instant(text).tzinfo is UTC


@property_test
@given(instants, instants)
def test_sortable_text_sorts_by_time(one: datetime, other: datetime) -> None:
    assert (format_sortable(one) < format_sortable(other)) == (one < other)


@property_test
@given(instants)
def test_microseconds_since_1970_hold_an_instant_exactly(instant: datetime) -> None:
    assert from_micros(to_micros(instant)) == instant


def test_the_text_is_utc_with_a_z() -> None:
    assert format_instant(datetime(2024, 11, 20, 4, 0, tzinfo=timezone(timedelta(hours=-5)))) == "2024-11-20T09:00:00Z"
    assert format_sortable(datetime(2024, 11, 20, tzinfo=UTC)) == "2024-11-20T00:00:00.000000Z"
    assert utc_now().tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-11-20",
        "2024-11-20T09:00:00",
        "2024-11-20 09:00:00Z",
        "20241120T090000Z",
        "2024-11-20T09:00Z",
        "noon",
        "2024-11-20T09:00:00z ",
        "2024-11-20T09:00:00+0500",
        "2024-13-01T00:00:00Z",
        "٢٠٢٤-11-20T09:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "2024-11-20T09:00:00+24:00",
    ],
)
def test_an_instant_needs_date_time_and_offset(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90s", 90), ("5m", 300), ("1h", 3600), ("7d", 604800), (" 5m ", 300)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "0s", "0m", "-5m", "1.5h", "5 m", "5M", "1w", "m", "5m5s", "\uff19m"])
def test_any_other_duration_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@property_test
@given(st.integers(1, 10**8))
def test_a_duration_survives_a_round_trip_through_text(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


def test_a_duration_is_written_in_the_largest_unit_that_fits() -> None:
    written = [format_duration(timedelta(seconds=seconds)) for seconds in (86400, 7200, 300, 90)]
    assert written == ["1d", "2h", "5m", "90s"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(hours=24)),
        ("7d", NOW - timedelta(days=7)),
        ("2024-11-20", datetime(2024, 11, 20, tzinfo=UTC)),
        ("2024-11-20T09:30", datetime(2024, 11, 20, 9, 30, tzinfo=UTC)),
        ("2024-11-20 09:30:15", datetime(2024, 11, 20, 9, 30, 15, tzinfo=UTC)),
        ("2024-11-20T09:30:00+05:30", datetime(2024, 11, 20, 4, 0, tzinfo=UTC)),
        ("2024-11-20T09:30:00Z", datetime(2024, 11, 20, 9, 30, tzinfo=UTC)),
        ("20241120", datetime(2024, 11, 20, tzinfo=UTC)),
        ("20241120093000Z", datetime(2024, 11, 20, 9, 30, tzinfo=UTC)),
        ("1732095000", datetime(2024, 11, 20, 9, 30, tzinfo=UTC)),
        ("1732095000000", datetime(2024, 11, 20, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_a_time_or_an_age(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment
    assert parse_moment(text, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "24",
        "0h",
        "2024-13-01",
        "999999d",
        "0001-01-01T00:00+05:00",
        "16110108",
        "2024W081",
        "2024-325",
        "20/11/2024",
    ],
)
def test_any_other_moment_is_rejected_with_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="neither a date or time"):
        parse_moment(text, NOW)


def test_midnight_is_the_start_of_the_day_in_utc() -> None:
    wanted = datetime(2024, 11, 20, tzinfo=UTC)
    assert midnight_of(datetime(2024, 11, 20, 23, 59, 59, tzinfo=UTC)) == wanted
    assert midnight_of(wanted.date()) == wanted
