from datetime import UTC, datetime, timedelta

import pytest
from celery.schedules import crontab, schedule

from shared.schedule import Schedule


@pytest.mark.parametrize("text", ["5m", "1s", "90s", "1h", "1d"])
def test_a_duration_is_the_interval_of_a_schedule(text: str) -> None:
    parsed = Schedule.parse(text)
    assert str(parsed) == text
    assert isinstance(parsed.as_celery(), schedule)
    assert parsed.as_celery().run_every == parsed.every


@pytest.mark.parametrize("text", ["0 * * * *", "*/5 9-16 * * 1-5", "0 0 1 1 *", "15,45 * * * mon-fri"])
def test_a_crontab_of_five_fields_is_accepted(text: str) -> None:
    parsed = Schedule.parse(text)
    assert str(parsed) == text
    assert isinstance(parsed.as_celery(), crontab)


def test_the_fields_have_the_order_of_crontab() -> None:
    """The order is minute, hour, day of month, month, day of week. Celery's arguments have another order."""
    every = Schedule.parse("1 2 3 4 5").as_celery()
    assert (every.minute, every.hour, every.day_of_month, every.month_of_year, every.day_of_week) == (
        {1},
        {2},
        {3},
        {4},
        {5},
    )


def test_hourly_is_due_on_the_hour() -> None:
    hourly = Schedule.parse("0 * * * *").as_celery()
    hourly.nowfun = lambda: datetime(2024, 11, 20, 9, 40, tzinfo=UTC)
    assert hourly.remaining_estimate(datetime(2024, 11, 20, 9, 0, tzinfo=UTC)) == timedelta(minutes=20)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "0s",
        "-5m",
        "soon",
        "* * * *",
        "* * * * * *",
        "61 * * * *",
        "* 25 * * *",
        "* * 0 * *",
        "*/0 * * * *",
        "a b c d e",
        "*/5",
        "0,30",
        "5m 5m",
        "* * * * 8",
        "*/x * * * *",
    ],
)
def test_any_other_form_is_rejected_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|crontab"):
        Schedule.parse(text)


def test_blanks_around_a_schedule_are_ignored() -> None:
    assert Schedule.parse("  0   *  * * * ") == Schedule.parse("0 * * * *")
    assert Schedule.parse(" 5m ") == Schedule.parse("5m")


@pytest.mark.parametrize(
    ("text", "minutes"), [("30 9,16 * * 1-5", (9 * 60 + 30, 16 * 60 + 30)), ("0,30 1 * * *", (60, 90)), ("5m", ())]
)
def test_a_crontab_runs_at_minutes_of_the_day(text: str, minutes: tuple[int, ...]) -> None:
    assert Schedule.parse(text).minutes_of_day() == minutes


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("5m", "2024-11-20T09:40:30", "2024-11-20T09:45:30"),
        ("0 * * * *", "2024-11-20T09:40:30", "2024-11-20T10:00:00"),
        ("0 * * * *", "2024-11-20T10:00:00", "2024-11-20T11:00:00"),
        ("30 9-16 * * 1-5", "2024-11-22T16:30:00", "2024-11-25T09:30:00"),
        ("0 0 29 2 *", "2024-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 12 * * sun", "2024-11-20T09:40:00", "2024-11-24T12:00:00"),
    ],
)
def test_the_next_run_is_the_first_after_an_instant(text: str, after: str, expected: str) -> None:
    found = Schedule.parse(text).next_run(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["*/7 3,5-8 * * *", "59 23 31 * *", "0 6 * 2,3 mon", "15 0 1-7 * fri"])
@pytest.mark.parametrize("after", ["2024-02-29T23:59:00", "2024-12-31T23:58:30", "2025-06-06T06:06:06"])
def test_the_next_run_is_celerys(text: str, after: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    celerys = Schedule.parse(text).as_celery()
    celerys.nowfun = lambda: moment
    assert Schedule.parse(text).next_run(moment) == moment + celerys.remaining_estimate(moment)
