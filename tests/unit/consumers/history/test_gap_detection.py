"""Detection of gaps in a series of prices, by tables and by properties."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consumers.history.gap_detection import DAY, Gap, find_gaps, resolution_of, tolerance
from shared.market_calendar import Session
from shared.schedule import Schedule
from tests.event_factories import property_test

MINUTE = timedelta(minutes=1)
FIVE = 5 * MINUTE
# A Wednesday.
NOON = datetime(2024, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=2)


def at(text: str) -> datetime:
    """Return the time in UTC: `12:05` or `12:05:03` on 2024-11-20, or a date at midnight."""
    moment = datetime.fromisoformat(text if "-" in text else f"2024-11-20T{text}")
    return moment.replace(tzinfo=UTC)


def gap(since: str, until: str, missing: int) -> Gap:
    return Gap(at(since), at(until), missing)


def session(day: str, opened: str = "14:30", closed: str = "21:00", lunch: tuple[str, str] | None = None) -> Session:
    begin, end, *pause = (at(f"{day}T{clock}") for clock in (opened, closed, *(lunch or ())))
    return Session(date.fromisoformat(day), begin, end, (pause[0], pause[1]) if pause else None)


@pytest.mark.parametrize(
    ("schedule", "apart"),
    [("5s", FIVE), ("5m", FIVE), ("1h", timedelta(hours=1)), ("*/15 14-21 * * 1-5", 15 * MINUTE), ("0 22 * * *", DAY)],
)
def test_the_resolution_is_the_interval_of_the_schedule_but_at_least_five_minutes(
    schedule: str, apart: timedelta
) -> None:
    assert resolution_of(Schedule.parse(schedule)) == apart


@pytest.mark.parametrize(
    ("times", "now", "expected"),
    [
        ("", "12:30", []),
        ("12:00", "12:05", []),
        ("12:00 12:05 12:10", "12:14", []),
        # Some seconds early or late, or a trade nearly as old as the previous sync.
        ("12:00:09 12:04:51 12:10:09 12:14:51", "12:19", []),
        ("12:00:03 12:09:20 12:15", "12:19", []),
        # One price missing between two: on the minute, late and early.
        ("12:00 12:10", "12:14", [("12:05", "12:10", 1)]),
        ("12:00:10 12:09:58", "12:14", [("12:05:10", "12:09:58", 1)]),
        ("12:00 12:20 12:25", "12:29", [("12:05", "12:20", 3)]),
        ("12:00 12:05 12:30 12:35 12:50", "12:54", [("12:10", "12:30", 4), ("12:40", "12:50", 2)]),
        # Up to now: a price that is due now may still arrive.
        ("12:00", "12:09", []),
        ("12:00", "12:10", [("12:05", "12:10", 1)]),
        ("12:00", "12:30:59", [("12:05", "12:30", 5)]),
        # Several providers, at the same time and in between.
        ("12:00 12:00 12:02 12:05 12:05", "12:06", []),
    ],
)
def test_two_resolutions_between_prices_are_a_gap(times: str, now: str, expected: list[tuple[str, str, int]]) -> None:
    assert find_gaps(map(at, times.split()), FIVE, at(now)) == [gap(*each) for each in expected]


@pytest.mark.parametrize(
    ("times", "since", "expected"),
    [
        ("12:20 12:25 12:30", "12:18", []),
        ("12:20 12:25 12:30", "12:00", [("12:05", "12:20", 3)]),
        ("", "12:00", [("12:05", "12:30", 5)]),
    ],
)
def test_prices_are_due_from_since(times: str, since: str, expected: list[tuple[str, str, int]]) -> None:
    found = find_gaps(map(at, times.split()), FIVE, at("12:34"), at(since))
    assert found == [gap(*each) for each in expected]


OPEN = session("2024-11-20")
BARS = [OPEN.open + FIVE * number for number in range(1, 79)]


@pytest.mark.parametrize(
    ("removed", "missing"),
    [
        (range(0), []),
        (range(1), [("2024-11-20T14:35", "2024-11-20T14:40", 1)]),
        (range(77, 78), [("2024-11-20T21:00", "2024-11-20T21:05", 1)]),
        (range(10, 13), [("2024-11-20T15:25", "2024-11-20T15:40", 3)]),
        (range(78), [("2024-11-20T14:35", "2024-11-20T21:05", 78)]),
    ],
)
def test_prices_are_due_from_after_the_open_to_the_close_inclusive(
    removed: Sequence[int], missing: list[tuple[str, str, int]]
) -> None:
    sessions = [session("2024-11-19"), OPEN, session("2024-11-21")]
    bars = [bar for number, bar in enumerate(BARS) if number not in removed]
    before = [bar - DAY for bar in BARS]
    found = find_gaps([*before, *bars], FIVE, at("2024-11-21T09:00"), None, sessions)
    assert found == [gap(*each) for each in missing]


def test_nights_weekends_and_lunch_breaks_are_not_gaps() -> None:
    sessions = [session(day, "00:00", "06:00", ("02:30", "03:30")) for day in ("2024-11-22", "2024-11-25")]
    bars = [
        each.open + FIVE * number
        for each in sessions
        for number in range(1, 73)
        if not 30 < number <= 42  # bars that end in the lunch break
    ]
    now = at("2024-11-26")
    assert find_gaps(bars, FIVE, now, None, sessions) == []
    [found] = find_gaps(bars[:50] + bars[70:], FIVE, now, None, sessions)
    assert found == gap("2024-11-22T05:15", "2024-11-25T00:55", 20)


def test_a_live_price_shortly_after_the_close_counts_as_the_price_of_the_close() -> None:
    ticks = [OPEN.open + timedelta(seconds=2) + FIVE * number for number in range(79)]
    assert ticks[-1] > OPEN.close
    assert find_gaps(ticks, FIVE, LATER + DAY, None, [OPEN]) == []
    [found] = find_gaps(ticks[:-1], FIVE, LATER + DAY, None, [OPEN])
    assert found.missing == 1


def test_prices_not_due_yet_are_not_missing_in_an_open_session() -> None:
    now = OPEN.open + 62 * MINUTE
    assert find_gaps(BARS[:12], FIVE, now, None, [OPEN]) == []
    assert find_gaps(BARS[:9], FIVE, now, None, [OPEN]) == [gap("15:20", "15:30", 2)]


WEEK = ["2024-11-18", "2024-11-19", "2024-11-20", "2024-11-21", "2024-11-22", "2024-11-25"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("18 19 20 21 22 25", []),
        ("18 19 21 22 25", [("2024-11-20", "2024-11-21", 1)]),
        ("18 22 25", [("2024-11-19", "2024-11-22", 3)]),
        # A price of a Saturday means that the market trades on weekends.
        ("18 19 20 21 22 23 25", [("2024-11-24", "2024-11-25", 1)]),
        # A gap over a weekend.
        ("18 19 20 21", [("2024-11-22", "2024-11-26", 2)]),
    ],
)
def test_a_day_without_a_price_is_a_gap(days: str, expected: list[tuple[str, str, int]]) -> None:
    times = [at(f"2024-11-{day}") for day in days.split()]
    assert find_gaps(times, DAY, at("2024-11-26T09:00")) == [gap(*each) for each in expected]


def test_a_price_counts_for_the_session_around_it() -> None:
    """Sessions begin on the evening before in UTC, as in Sydney. The 21st is a holiday here."""
    days = ("2024-11-19", "2024-11-20", "2024-11-22")
    sessions = [
        Session(date.fromisoformat(day), at(day) - timedelta(hours=1), at(day) + timedelta(hours=5)) for day in days
    ]
    evenings = [each.open + MINUTE for each in sessions]
    now = at("2024-11-23T01:00")
    assert find_gaps(evenings, DAY, now, None, sessions) == []
    assert find_gaps([at(day) for day in days], DAY, now, None, sessions) == []
    assert find_gaps([evenings[0], evenings[2]], DAY, now, None, sessions) == [gap("2024-11-20", "2024-11-21", 1)]


def test_the_price_of_a_day_is_due_when_its_date_is_over() -> None:
    times = [at("2024-11-19")]
    sessions = [session("2024-11-19"), OPEN]
    for hours in (None, sessions):
        assert find_gaps(times, DAY, at("2024-11-20T23:00"), None, hours) == []
        assert find_gaps(times, DAY, at("2024-11-21T00:00"), None, hours) == [gap("2024-11-20", "2024-11-21", 1)]


def test_days_count_from_the_first_midnight_at_or_after_since() -> None:
    now = at("2024-11-22T09:00")
    assert find_gaps([], DAY, now, at("2024-11-20T09:00")) == [gap("2024-11-21", "2024-11-22", 1)]
    assert find_gaps([], DAY, now, at("2024-11-20")) == [gap("2024-11-20", "2024-11-22", 2)]


def test_a_resolution_too_coarse_for_a_session_is_checked_by_days() -> None:
    sessions = [session("2024-11-19"), OPEN]
    times = [sessions[0].close]
    found = find_gaps(times, timedelta(hours=6), at("2024-11-21T09:00"), None, sessions)
    assert found == [gap("2024-11-20", "2024-11-21", 1)]


# Any stored prices of two days: many, few, or only daily prices.
moments = st.integers(0, 2 * 86_400).map(lambda second: at("2024-11-19") + timedelta(seconds=second))
series = st.lists(moments, max_size=40).map(sorted)
resolutions = st.sampled_from([FIVE, 7 * MINUTE, 60 * MINUTE])
markets = st.sampled_from(
    [
        None,
        [session("2024-11-19"), OPEN],
        [session("2024-11-20", "01:00", "07:00", ("03:00", "04:00"))],
        [session("2024-11-19", "00:00", "23:59"), session("2024-11-20", "00:00", "23:59")],
    ]
)
AFTERWARDS = at("2024-11-21T03:17")


@property_test
@given(series, resolutions, markets, st.none() | moments)
def test_a_gap_filled_with_the_due_prices_is_closed(
    times: list[datetime], resolution: timedelta, sessions: list[Session] | None, since: datetime | None
) -> None:
    times = [each for each in times if since is None or each >= since]
    gaps = find_gaps(times, resolution, AFTERWARDS, since, sessions)
    for each in gaps:
        assert each.missing > 0
        assert each.since < each.until <= AFTERWARDS
        assert not any(each.since <= moment < each.until for moment in times if moment != at(str(moment.date())))
    if sessions is None:
        filled = sorted([*times, *(each.since + resolution * n for each in gaps for n in range(each.missing))])
        assert find_gaps(filled, resolution, AFTERWARDS, since) == []


@property_test
@given(series, resolutions, markets, st.none() | moments, st.integers(0, 299))
def test_bars_on_any_grid_close_every_gap(
    times: list[datetime], resolution: timedelta, sessions: list[Session] | None, since: datetime | None, phase: int
) -> None:
    """The bars are those of `backfill --gaps`: every bar in a gap, which is extended by the tolerance at its start."""
    times = [each for each in times if since is None or each >= since]
    gaps = find_gaps(times, resolution, AFTERWARDS, since, sessions)
    grid = [at("2024-11-18") + FIVE * number + timedelta(seconds=phase) for number in range(4 * 288)]
    bars = [bar for bar in grid if any(each.since - tolerance(resolution) <= bar < each.until for each in gaps)]
    assert find_gaps(sorted([*times, *bars]), resolution, AFTERWARDS, since, sessions) == []


@property_test
@given(st.lists(st.integers(-14, 14), min_size=1, max_size=60), moments, markets)
def test_a_complete_series_with_seconds_of_jitter_has_no_gap(
    seconds: list[int], begin: datetime, sessions: list[Session] | None
) -> None:
    times = [begin + FIVE * number + timedelta(seconds=late) for number, late in enumerate(seconds)]
    assert find_gaps(times, FIVE, times[-1], None, sessions) == []


@property_test
@given(st.sets(st.integers(0, 59), max_size=60), st.lists(st.integers(-14, 14), min_size=60, max_size=60))
def test_every_removed_price_is_counted_as_missing(removed: set[int], seconds: list[int]) -> None:
    """Each removed price lies in a gap, except for the first prices, because the series begins after them."""
    due = [NOON + FIVE * number + timedelta(seconds=late) for number, late in enumerate(seconds)]
    times = [moment for number, moment in enumerate(due) if number not in removed]
    assume(times)
    gaps = find_gaps(times, FIVE, due[-1] + FIVE)
    missing = [moment for moment in due if moment > times[0] and moment not in times]
    assert sum(each.missing for each in gaps) == len(missing)
    for moment in missing:
        assert any(each.since - tolerance(FIVE) <= moment < each.until + tolerance(FIVE) for each in gaps)


@property_test
@given(st.sets(st.sampled_from(WEEK), min_size=1), st.booleans())
def test_filled_days_leave_no_gap(stored: set[str], with_market: bool) -> None:
    sessions = [session(day) for day in WEEK] if with_market else None
    now = at("2024-11-26T09:00")
    times = sorted(map(at, stored))
    gaps = find_gaps(times, DAY, now, None, sessions)
    days = [each.since + DAY * n for each in gaps for n in range((each.until - each.since).days)]
    filled = sorted([*times, *(day for day in days if day.strftime("%Y-%m-%d") in WEEK)])
    assert find_gaps(filled, DAY, now, None, sessions) == []
    assert sum(each.missing for each in gaps) == len(filled) - len(times)
