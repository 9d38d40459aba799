"""The syncs that beat sends around the hours of a market: real calendars, a fake clock."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import time_machine
from celery import Celery
from celery.beat import SchedulingError

from producer.beat import SingleScheduler, beat_entry
from shared.errors import StorageUnavailable
from shared.market_calendar import MarketCalendar, load_market_calendar
from shared.schedule import Schedule
from shared.settings import Settings
from shared.times import format_instant, utc_now

SECOND, MINUTE, HALF_HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=30)


@cache
def market(name: str) -> MarketCalendar:
    return load_market_calendar(name)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class FakeLastSync:
    """Keeps the last sync across the beats of one test, like the database; fails while its disk is full."""

    moment: ClassVar[datetime | None] = None
    full: ClassVar[bool] = False

    def __init__(self, _folder: Path, _market: str) -> None:
        pass

    def read(self) -> datetime | None:
        return FakeLastSync.moment

    def write(self, at: datetime) -> None:
        if FakeLastSync.full:
            raise StorageUnavailable("database producer.db cannot be written for now: disk is full")
        FakeLastSync.moment = at


@dataclass(frozen=True)
class SentSync:
    moment: datetime
    until: str | None
    expires: float


class FakeBeat(SingleScheduler):
    """The real beat without RabbitMQ; `sent` has the syncs that RabbitMQ would have received."""

    producer = None

    def __init__(self, folder: Path, name: str, schedule: str) -> None:
        self.folder = folder
        self.sent: list[SentSync] = []
        self.refusing = False
        app = Celery("test", set_as_current=False)
        app.conf.update(
            stockwire=replace(Settings(), market=name),
            beat_schedule={"sync": beat_entry(Schedule.parse(schedule))},
            result_expires=None,
        )
        super().__init__(app, max_interval=1)

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **_: Any) -> None:
        if self.refusing:
            raise SchedulingError("RabbitMQ does not accept it")
        self.sent.append(SentSync(utc_now(), entry.kwargs.get("until"), entry.options["expires"]))


class BeatDriver:
    """A fake clock, and beats that run on it one after the other, from `now`."""

    def __init__(self, folder: Path, clock: time_machine.Traveller) -> None:
        self._folder = folder
        self._clock = clock
        self.now = utc_now()

    def set(self, text: str) -> None:
        self.now = at(text)
        self._clock.move_to(self.now)

    def beat(self, name: str, schedule: str) -> FakeBeat:
        return FakeBeat(self._folder, name, schedule)

    def run(self, beat: FakeBeat, until: str, step: timedelta = HALF_HOUR) -> list[datetime]:
        """Let the beat tick until then, and return the instants of the syncs that it sent."""
        before = len(beat.sent)
        while self.now < at(until):
            while beat.tick() == 0:
                pass
            self.now += step
            self._clock.move_to(self.now)
        return [each.moment for each in beat.sent[before:]]

    def once(self, name: str, schedule: str, since: str, until: str, step: timedelta = HALF_HOUR) -> list[datetime]:
        """Run one beat from `since` to `until`, and return the instants of its syncs."""
        self.set(since)
        beat = self.beat(name, schedule)
        try:
            return self.run(beat, until, step)
        finally:
            beat.close()


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BeatDriver]:
    monkeypatch.setattr("producer.beat.load_market_calendar", market)
    monkeypatch.setattr("producer.beat.LastSync", FakeLastSync)
    # The real clock is faked below; the steady clock follows the fake.
    monkeypatch.setattr("producer.beat.time", SimpleNamespace(monotonic=time.time))
    monkeypatch.setattr(FakeLastSync, "moment", None)
    monkeypatch.setattr(FakeLastSync, "full", False)
    with time_machine.travel(at("2024-11-27"), tick=False) as clock:
        yield BeatDriver(tmp_path, clock)


@pytest.mark.parametrize(
    ("name", "schedule", "since", "until", "sent"),
    [
        # Thanksgiving is on the 28th; the day after it is a half day.
        ("XNYS", "1h", "11-27 19:00", "12-02 16:00", "27 19:00, 20:00, 21:00, 29 15:00, 16:00, 17:00, 18:00, 2 15:00"),
        ("XNYS", "0 22 * * *", "11-27 00:00", "12-03 12:00", "27 21:00, 29 18:00, 2 21:00"),
        ("XNYS", "0 15,22 * * *", "11-27 00:00", "12-02 12:00", "27 15:00, 21:00, 29 15:00, 18:00"),
        ("XNYS", "0 20 * * *", "03-08 00:00", "03-12 12:00", "8 20:00, 21:00, 11 20:00"),  # daylight saving
        ("XNYS", "0 20 * * *", "11-01 00:00", "11-05 12:00", "1 20:00, 4 20:00, 21:00"),
        ("XLON", "0 15,16 * * *", "10-25 00:00", "10-29 12:00", "25 15:00, 15:30, 28 15:00, 16:00, 16:30"),
        ("XLON", "0 9 * * *", "12-24 00:00", "12-27 12:00", "24 09:00, 12:30, 27 09:00"),
        # Lunch, from 4:00 and from 2:30.
        ("XHKG", "30m", "12-23 03:00", "12-23 10:00", "23 3:00, 3:30, 5:00, 5:30, 6:00, 6:30, 7:00, 7:30, 8:00"),
        ("XTKS", "30m", "11-05 01:30", "11-05 08:00", "5 1:30, 2:00, 3:30, 4:00, 4:30, 5:00, 5:30, 6:00, 6:30"),
        ("24/5", "0 12 * * *", "11-28 00:00", "12-03 00:00", "28 12:00, 29 12:00, 30 00:00, 2 12:00"),
        ("24/7", "0 12 * * *", "11-29 00:00", "12-02 00:00", "29 12:00, 30 12:00, 1 12:00"),
    ],
)
def test_it_sends_on_schedule_in_open_hours_and_once_after_each_close(
    driver: BeatDriver, name: str, schedule: str, since: str, until: str, sent: str
) -> None:
    expected, day = [], ""
    for word in sent.split(", "):
        day, moment = word.split() if " " in word else (day, word)
        expected.append((int(day), moment.zfill(5)))
    moments = driver.once(name, schedule, f"2024-{since}", f"2024-{until}")
    assert [(moment.day, f"{moment:%H:%M}") for moment in moments] == expected


def test_the_closing_sync_is_sent_at_the_first_tick_after_the_close(driver: BeatDriver) -> None:
    moments = driver.once("XNYS", "5m", "2024-11-29 17:47:12", "2024-11-29 18:30", SECOND)
    assert [f"{moment:%H:%M:%S}" for moment in moments] == ["17:47:12", "17:52:12", "17:57:12", "18:00:00"]


def test_no_sync_is_sent_twice_if_one_is_due_at_the_close_or_at_every_tick(driver: BeatDriver) -> None:
    moments = driver.once("XNYS", "1s", "2024-11-29 17:59:50", "2024-11-29 18:01", SECOND)
    assert moments == [at("2024-11-29 17:59:50") + number * SECOND for number in range(11)]


def test_the_closing_sync_expires_when_the_market_opens(driver: BeatDriver) -> None:
    driver.set("2024-11-29 17:30")
    beat = driver.beat("XNYS", "30m")
    driver.run(beat, "2024-11-29 19:00")
    opens = at("2024-12-02 14:30")
    assert beat.sent == [
        SentSync(at("2024-11-29 17:30"), None, 1800),
        SentSync(at("2024-11-29 18:00"), format_instant(opens), (opens - at("2024-11-29 18:00")).total_seconds()),
    ]
    beat.close()


class TestAfterDowntime:
    def test_a_missed_close_gets_its_sync_as_soon_as_beat_is_back(self, driver: BeatDriver) -> None:
        driver.once("XNYS", "1h", "2024-11-27 19:00", "2024-11-27 20:30")
        assert driver.once("XNYS", "1h", "2024-11-28 01:10", "2024-11-29 12:00") == [at("2024-11-28 01:10")]
        assert driver.once("XNYS", "1h", "2024-11-29 13:00", "2024-11-29 14:00") == []

    def test_several_missed_closes_get_one_sync(self, driver: BeatDriver) -> None:
        driver.once("XNYS", "0 15 * * *", "2024-11-18 14:00", "2024-11-18 16:00")
        assert driver.once("XNYS", "0 15 * * *", "2024-11-23 12:00", "2024-11-24 12:00") == [at("2024-11-23 12:00")]

    def test_a_missed_close_gets_no_sync_while_the_market_is_open_again(self, driver: BeatDriver) -> None:
        driver.once("XNYS", "0 19 * * *", "2024-11-26 18:00", "2024-11-26 20:00")
        moments = driver.once("XNYS", "0 19 * * *", "2024-11-27 15:00", "2024-11-27 22:00")
        assert moments == [at("2024-11-27 19:00"), at("2024-11-27 21:00")]

    def test_a_close_before_the_first_start_gets_no_sync(self, driver: BeatDriver) -> None:
        assert driver.once("XNYS", "1h", "2024-11-30 12:00", "2024-12-02 14:00") == []

    def test_a_close_after_the_first_start_gets_its_sync(self, driver: BeatDriver) -> None:
        driver.once("XNYS", "0 22 * * *", "2024-12-01 12:00", "2024-12-01 13:00")
        assert driver.once("XNYS", "0 22 * * *", "2024-12-02 23:00", "2024-12-03 12:00") == [at("2024-12-02 23:00")]


def test_a_clock_that_was_years_ahead_does_not_count_as_synced(driver: BeatDriver) -> None:
    driver.once("XNYS", "1h", "2031-11-28 15:00", "2031-11-28 16:00")
    assert driver.once("XNYS", "0 22 * * *", "2024-11-27 15:00", "2024-11-27 23:00") == [at("2024-11-27 21:00")]


def test_a_rejected_closing_sync_is_sent_again(driver: BeatDriver, caplog: pytest.LogCaptureFixture) -> None:
    driver.set("2024-11-27 20:30")
    beat = driver.beat("XNYS", "0 15 * * *")
    driver.run(beat, "2024-11-27 21:00")
    beat.refusing = True
    assert driver.run(beat, "2024-11-27 21:05", MINUTE) == []
    assert [record.getMessage() for record in caplog.records] == [
        "beat cannot send: RabbitMQ does not accept it; retrying in 5 s"
    ] * 5
    beat.refusing = False
    assert driver.run(beat, "2024-11-27 23:00", MINUTE) == [at("2024-11-27 21:05")]
    beat.close()


def test_a_full_disk_does_not_stop_the_syncs(driver: BeatDriver, caplog: pytest.LogCaptureFixture) -> None:
    driver.set("2024-11-27 20:00")
    beat = driver.beat("XNYS", "1h")
    driver.run(beat, "2024-11-27 20:30")
    FakeLastSync.full = True
    assert driver.run(beat, "2024-11-28 12:00") == [at("2024-11-27 21:00")]
    [record] = caplog.records
    assert "disk is full; if beat restarts while XNYS is closed, it may send one more sync" in record.getMessage()
    beat.close()


def test_a_beat_that_cannot_read_the_last_sync_waits_until_it_can(
    driver: BeatDriver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked(_: FakeLastSync) -> None:
        raise StorageUnavailable("database producer.db cannot be written for now: locked")

    driver.set("2024-11-27 22:00")
    FakeLastSync.moment = at("2024-11-27 20:00")
    beat = driver.beat("XNYS", "1h")
    with monkeypatch.context() as patch:
        patch.setattr(FakeLastSync, "read", locked)
        assert driver.run(beat, "2024-11-27 22:01", MINUTE) == []
        assert "locked; retrying in 5 s" in caplog.text
    assert driver.run(beat, "2024-11-28 12:00", MINUTE) == [at("2024-11-27 22:01")]
    beat.close()


def test_the_log_has_one_line_per_close_and_one_per_open(driver: BeatDriver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "producer")
    driver.once("XNYS", "30m", "2024-11-29 16:30", "2024-12-02 15:30", timedelta(minutes=10))
    assert [record.getMessage() for record in caplog.records] == [
        *["sending producer.sync"] * 4,
        "XNYS is closed until 2024-12-02 14:30 UTC: no sync is sent before",
        "XNYS is open again: syncs go on",
        *["sending producer.sync"] * 2,
    ]


def test_after_the_end_of_the_calendar_syncs_go_on_around_the_clock(
    driver: BeatDriver, caplog: pytest.LogCaptureFixture
) -> None:
    last = market("XSHG").sessions(at("2020-01-01"), at("2099-01-01"))[-1]
    since = f"{last.close - timedelta(hours=1):%Y-%m-%d %H:%M}"
    until = f"{last.close + timedelta(days=3):%Y-%m-%d %H:%M}"
    moments = driver.once("XSHG", "1h", since, until)
    assert len(moments) == 73
    assert {after - before for before, after in pairwise(moments)} == {timedelta(hours=1)}
    [record] = caplog.records
    assert "the installed calendar of XSHG covers" in record.getMessage()
    assert "until then syncs go on around the clock" in record.getMessage()


@pytest.mark.parametrize(("name", "schedule"), [("XNYS", "4h"), ("XTKS", "0 22 * * *"), ("XLON", "0,30 11-13 * * *")])
def test_every_close_of_a_year_gets_exactly_one_sync(driver: BeatDriver, name: str, schedule: str) -> None:
    driver.set("2024-01-01")
    beat = driver.beat(name, schedule)
    driver.run(beat, "2025-01-01")
    sessions = market(name).sessions(at("2024-01-01"), at("2025-01-01"))
    assert len(sessions) > 240
    assert [each.moment for each in beat.sent if each.until] == [session.close for session in sessions]
    assert all(market(name).is_open(each.moment) for each in beat.sent if not each.until)
    beat.close()
