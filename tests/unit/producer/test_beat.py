"""The syncs that beat sends, and when they expire."""

from datetime import UTC, datetime, timedelta

import pytest

from producer.beat import beat_entry, steady_clock
from shared.schedule import Schedule
from shared.times import parse_instant, utc_now


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("5m", 5),
        ("1d", 1440),
        ("* * * * *", 1),
        ("*/5 * * * *", 5),
        ("0 * * * *", 60),
        ("0,50 * * * *", 10),
        ("30 9 * * *", 1440),
        ("0 9,17 * * 1-5", 480),
        ("0 23,1 * * *", 120),
        ("0 12 1 * *", 1440),
    ],
)
def test_the_shortest_interval_is_the_shortest_time_between_two_syncs(schedule: str, minutes: int) -> None:
    assert Schedule.parse(schedule).shortest_interval() == timedelta(minutes=minutes)


@pytest.mark.parametrize("schedule", ["90s", "0 * * * *"])
def test_a_sync_expires_after_one_interval(schedule: str) -> None:
    parsed = Schedule.parse(schedule)
    assert beat_entry(parsed)["options"]["expires"] == parsed.shortest_interval().total_seconds()


def test_the_instant_of_a_sync_is_fixed_when_it_is_sent() -> None:
    before = utc_now()
    assert before <= parse_instant(beat_entry(Schedule.parse("5m"))["kwargs"]["at"]()) <= utc_now()


def test_an_interval_is_due_at_once_and_then_after_each_interval() -> None:
    entry = beat_entry(Schedule.parse("5m"))
    assert entry["schedule"].is_due(entry["last_run_at"]) == (True, 300.0)
    due, wait = entry["schedule"].is_due(entry["schedule"].now())
    assert not due
    assert wait == pytest.approx(300, abs=1)


def test_a_crontab_is_not_due_before_its_minute() -> None:
    assert "last_run_at" not in beat_entry(Schedule.parse("0 * * * *"))


def test_a_changed_clock_does_not_move_a_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = steady_clock()
    before = clock()
    monkeypatch.setattr("producer.beat.utc_now", lambda: datetime(1999, 1, 1, tzinfo=UTC))
    assert timedelta() <= clock() - before < timedelta(seconds=5)
