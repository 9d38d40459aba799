from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.time_parsing import is_repeated, localize, parse_outside_time, parse_time, parse_zone
from shared.times import EPOCH
from tests.event_factories import property_test

NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime.fromisoformat("2023-08-08T12:00")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("2023-08-08", date(2023, 8, 8)),
        (" 2023-08-08 ", date(2023, 8, 8)),
        ("2023.08.08", date(2023, 8, 8)),
        ("20230808", date(2023, 8, 8)),
        ("1885-02-16", date(1885, 2, 16)),
        ("19000101", date(1900, 1, 1)),
        ("2023-08-08T12:00:00", NOON),
        ("2023-08-08 12:00", NOON),
        ("2023.08.08 12:00", NOON),
        ("20230808T1200", NOON),
        ("20230808 120000", NOON),
        ("202308081200", NOON),
        ("20230808120000", NOON),
        ("2023-08-08T12:00:00.25", NOON.replace(microsecond=250_000)),
        ("2023-08-08T12:00:00,123456789", NOON.replace(microsecond=123_456)),
        ("20230808120000.5", NOON.replace(microsecond=500_000)),
    ],
)
def test_dates_and_times_without_an_offset(text: str, parsed: date | datetime) -> None:
    found = parse_outside_time(text)
    assert (type(found), found) == (type(parsed), parsed)


@pytest.mark.parametrize(
    "text",
    [
        "2023-08-08T12:00:00Z",
        "2023-08-08t12:00:00z",
        "2023-08-08 12:00:00+00:00",
        "2023-08-08 12:00:00 +0000",
        "2023-08-08 12:00:00 UTC",
        "2023-08-08T07:00-05",
        "2023-08-08T17:30:00+05:30",
        "20230808T120000Z",
        "20230808120000Z",
        "202308081200Z",
        "20230808120000+0000",
        "20230808173000+05:30",
        "1691496000",
        "1691496000.000000",
        "1691496000000",
        "1691496000000.0",
        "1691496000000000",
        "1691496000000000000",
        "1691496000000000999",
    ],
)
def test_a_time_with_an_offset_and_a_unix_time_are_instants_in_utc(text: str) -> None:
    found = parse_outside_time(text)
    assert found == NOON.replace(tzinfo=UTC)
    assert isinstance(found, datetime)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "24", "1e10", "1.69E+12", "-1691496000", "+1691496000", "0691496000", "NaT", "12:00"),
        # Week dates, ordinal dates and other digits that `fromisoformat` takes for dates.
        *("2023W081", "2023-W08-1", "2023-W08", "2023128", "2023-128", "16110108", "14840101", "20241301"),
        # No Unix time, and no date.
        *("45419", "45419.5", "1691496", "16914960000", "16914960000000", "16914960000000000", "202313081200"),
        *("190013011200", "209912312460", "20230808120060", "16914960000000000000"),
        *("07/05/2024", "13/05/2024", "2024/05/07", "07-May-2024", "2024-5-7", "7.5.2024", "May 7, 2024"),
        *("2023-02-29", "2023-08-08T24:00", "2023-08-08T12:60", "2023-08-08T12:00+25:00", "2023-08-08T12:00 EST"),
        *("0001-01-01T00:00+05:00", "9999-12-31T23:59-05:00", "٢٠٢٣-08-08", "2023-08-08T12:00:00Z\x00"),
        "2023-08-08 12:00 12:00",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a |is outside the years|does not say") as caught:
        parse_outside_time(text)
    assert repr(text[:40]) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("07/05/2024", "does not say if the day or the month comes first"),
        ("7.5.24 10:00", "does not say if the day or the month comes first"),
        ("45419", r"a Unix time has 9-10 digits \(s\), 12-13 \(ms\)"),
        ("2023-02-30", "day is out of range"),
        ("soon", "is not a date or time such as 2026-11-20"),
    ],
)
def test_the_reason_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_outside_time(text)


@property_test
@given(st.integers(10**8, 10**10 - 1), st.sampled_from([("", 1), ("000", 1), ("000000", 1), ("000000000", 1)]))
def test_digits_never_mean_a_year_before_1900(seconds: int, unit: tuple[str, int]) -> None:
    text = f"{seconds}{unit[0]}"
    try:
        found = parse_time(text)
    except ValueError:
        # 12 digits that begin as a date does, but are not one.
        assert len(text) == 12
        return
    assert found.year >= 1900
    assert found == EPOCH + timedelta(seconds=seconds) or len(text) == 12


@property_test
@given(st.text(alphabet="0123456789", min_size=1, max_size=20))
def test_digits_are_a_unix_time_a_date_from_1900_on_or_refused(text: str) -> None:
    try:
        found = parse_time(text)
    except ValueError:
        return
    assert 1900 <= found.year <= 2286
    assert len(text) in (8, 9, 10, 12, 13, 14, 15, 16, 18, 19)


def test_a_date_is_midnight_utc_in_every_zone_and_a_time_is_in_the_zone() -> None:
    assert parse_time("2023-08-08", NEW_YORK) == datetime(2023, 8, 8, tzinfo=UTC)
    assert parse_time("2023-08-08 08:00", NEW_YORK) == NOON.replace(tzinfo=UTC)
    assert parse_time("2023-08-08 12:00") == NOON.replace(tzinfo=UTC)
    assert parse_time("2023-08-08 12:00Z", NEW_YORK) == NOON.replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["2024-03-10 02:00:00", "2024-03-10 02:30:00", "2024-03-10 02:59:59.999999"])
def test_a_time_that_the_clock_leaves_out_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not exist in America/New_York: the clock was put forward"):
        parse_time(text, NEW_YORK)


def test_a_repeated_hour_has_two_instants() -> None:
    half_past_one = datetime.fromisoformat("2024-11-03T01:30")
    assert is_repeated(half_past_one, NEW_YORK)
    assert localize(half_past_one, NEW_YORK) == datetime(2024, 11, 3, 5, 30, tzinfo=UTC)
    assert localize(half_past_one, NEW_YORK, repeated=True) == datetime(2024, 11, 3, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2024-11-03T02:00", "2024-03-10T02:30", "2023-08-08T12:00"])
def test_other_hours_come_once(text: str) -> None:
    local = datetime.fromisoformat(text)
    assert not is_repeated(local, NEW_YORK)
    assert not is_repeated(local, UTC)


def test_a_time_at_the_end_of_the_years_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the years"):
        localize(datetime.fromisoformat("9999-12-31T23:59"), NEW_YORK)


@pytest.mark.parametrize(
    ("text", "zone"), [("UTC", UTC), ("utc", UTC), ("America/New_York", NEW_YORK), (" Europe/Berlin ", None)]
)
def test_a_zone_has_an_iana_name(text: str, zone: tzinfo | None) -> None:
    assert parse_zone(text) == (zone or ZoneInfo("Europe/Berlin"))


def test_an_offset_is_a_zone() -> None:
    assert parse_time("2023-08-08 17:30", parse_zone("+05:30")) == NOON.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "New York", "Mars/Base", "../UTC", "/etc/passwd", "EST5EDT4", "+25:00", "America"]
)
def test_any_other_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone such as America/New_York"):
        parse_zone(text)
