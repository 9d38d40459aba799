"""The hours of real markets, from the calendars of their exchanges."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
import time_machine

from shared.errors import SettingsError
from shared.market_calendar import MarketCalendar, load_market_calendar
from shared.settings import ROOT
from shared.times import parse_instant

SECOND = timedelta(seconds=1)


@cache
def market(name: str) -> MarketCalendar:
    return load_market_calendar(name)


def at(text: str) -> datetime:
    """Return the instant of a text such as `2024-11-29 18:00`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestSessions:
    def test_a_date_outside_the_calendar_begins_at_midnight(self) -> None:
        for day in (date(1850, 1, 2), date(2300, 7, 1), date.max):
            assert market("24/7").day_start(day) == datetime(day.year, day.month, day.day, tzinfo=UTC)

    def test_the_week_of_thanksgiving_has_a_holiday_and_a_half_day(self) -> None:
        sessions = market("XNYS").sessions(at("2024-11-25"), at("2024-12-01"))
        assert [(each.date.day, each.open.hour, each.close.hour) for each in sessions] == [
            (25, 14, 21),
            (26, 14, 21),
            (27, 14, 21),
            (29, 14, 18),
        ]
        assert {each.lunch for each in sessions} == {None}

    def test_open_hours_leave_out_the_lunch_break(self) -> None:
        [new_york] = market("XNYS").sessions(at("2024-11-25"), at("2024-11-26"))
        assert new_york.open_hours() == [(new_york.open, new_york.close)]
        [hong_kong] = market("XHKG").sessions(at("2024-12-23"), at("2024-12-24"))
        assert hong_kong.open_hours() == [
            (at("2024-12-23 01:30"), at("2024-12-23 04:00")),
            (at("2024-12-23 05:00"), at("2024-12-23 08:00")),
        ]

    @pytest.mark.parametrize(
        ("since", "until", "days"),
        [
            ("2024-11-26 21:00", "2024-11-27 14:30", []),
            ("2024-11-26 20:59", "2024-11-27 14:30", [26]),
            ("2024-11-26 21:00", "2024-11-27 14:31", [27]),
            ("2024-11-26 17:00", "2024-11-26 18:00", [26]),
        ],
    )
    def test_a_session_belongs_to_a_time_that_it_overlaps(self, since: str, until: str, days: list[int]) -> None:
        assert [each.date.day for each in market("XNYS").sessions(at(since), at(until))] == days

    def test_they_are_known_from_1990_to_next_year_after_a_smaller_request_too(self) -> None:
        new_york = load_market_calendar("XNYS")
        new_york.sessions(at("2024-11-25"), at("2024-12-01"))
        ahead = datetime.now(UTC) + timedelta(days=365)
        sessions = new_york.sessions(at("1990-01-01"), ahead)
        assert sessions[0].date == date(1990, 1, 2)
        assert ahead - sessions[-1].close < timedelta(days=5)
        assert len({each.date for each in sessions}) == len(sessions)

    @pytest.mark.parametrize(("name", "first"), [("XTKS", date(1997, 1, 6)), ("XSAU", date(2021, 1, 3))])
    def test_sessions_before_the_start_of_the_calendar_are_left_out(self, name: str, first: date) -> None:
        assert market(name).sessions(at("1980-01-01"), at("2024-01-01"))[0].date == first
        assert market(name).sessions(at("1980-01-01"), at("1990-01-01")) == []


class TestHours:
    @pytest.mark.parametrize(
        ("name", "opens", "closes"),
        [
            ("XNYS", "2024-11-29 14:30", "2024-11-29 18:00"),  # a half day
            ("XNYS", "2024-03-08 14:30", "2024-03-08 21:00"),  # the last before daylight saving
            ("XNYS", "2024-03-11 13:30", "2024-03-11 20:00"),
            ("XNYS", "2024-11-01 13:30", "2024-11-01 20:00"),
            ("XNYS", "2024-11-04 14:30", "2024-11-04 21:00"),
            ("XLON", "2024-10-25 07:00", "2024-10-25 15:30"),
            ("XLON", "2024-10-28 08:00", "2024-10-28 16:30"),
            ("XLON", "2024-12-24 08:00", "2024-12-24 12:30"),
            ("XHKG", "2024-12-24 01:30", "2024-12-24 04:00"),  # a half day has no lunch break
            ("XHKG", "2024-12-23 01:30", "2024-12-23 04:00"),  # the lunch break of any other
            ("XHKG", "2024-12-23 05:00", "2024-12-23 08:00"),
            ("XTKS", "2024-11-01 00:00", "2024-11-01 02:30"),
            ("XTKS", "2024-11-01 03:30", "2024-11-01 06:00"),
            ("XTKS", "2024-11-05 03:30", "2024-11-05 06:30"),  # half an hour longer from this day on
            ("24/5", "2024-11-25 00:00", "2024-11-30 00:00"),
        ],
    )
    def test_the_open_is_inclusive_and_the_close_is_exclusive(self, name: str, opens: str, closes: str) -> None:
        is_open = market(name).is_open
        assert [is_open(at(opens) - SECOND), is_open(at(opens))] == [False, True]
        assert [is_open(at(closes) - SECOND), is_open(at(closes))] == [True, False]

    @pytest.mark.parametrize("day", ["2024-11-28", "2024-11-30", "2024-12-01", "2024-12-25", "2001-09-12"])
    def test_it_is_closed_all_day_on_holidays_and_at_weekends(self, day: str) -> None:
        assert not any(market("XNYS").is_open(at(day) + timedelta(minutes=30 * half)) for half in range(48))

    def test_a_market_without_hours_is_always_open(self) -> None:
        assert all(market("24/7").is_open(at("2024-11-30") + timedelta(hours=hour)) for hour in range(48))

    @pytest.mark.parametrize(
        ("name", "now", "close", "opens"),
        [
            ("XNYS", "2024-11-28 16:00", "2024-11-27 21:00", "2024-11-29 14:30"),
            ("XNYS", "2024-11-29 14:29:59", "2024-11-27 21:00", "2024-11-29 14:30"),
            ("XNYS", "2024-11-29 14:30", "2024-11-27 21:00", "2024-12-02 14:30"),
            ("XNYS", "2024-11-29 17:59:59", "2024-11-27 21:00", "2024-12-02 14:30"),
            ("XNYS", "2024-11-29 18:00", "2024-11-29 18:00", "2024-12-02 14:30"),
            ("XTKS", "2024-11-05 01:00", "2024-11-01 06:00", "2024-11-05 03:30"),
            ("XTKS", "2024-11-05 02:45", "2024-11-01 06:00", "2024-11-05 03:30"),
            ("XTKS", "2024-11-05 03:30", "2024-11-01 06:00", "2024-11-06 00:00"),
            ("ASEX", "2015-07-15 12:00", "2015-06-26 14:20", "2015-08-03 07:00"),  # five weeks of capital controls
        ],
    )
    def test_the_last_close_and_the_next_open_are_found(self, name: str, now: str, close: str, opens: str) -> None:
        assert market(name).last_close(at(now)) == at(close)
        assert market(name).next_open(at(now)) == at(opens)

    def test_the_description_says_if_the_market_is_open(self) -> None:
        said = [market("XNYS").describe(at(f"2024-11-29 {time}")) for time in ("17:59", "18:00")]
        assert said == ["XNYS is open", "XNYS is closed until 2024-12-02 14:30 UTC"]

    def test_a_calendar_that_was_loaded_years_ago_is_still_correct(self) -> None:
        with time_machine.travel(at("2024-11-29"), tick=False):
            new_york = load_market_calendar("XNYS")
        assert [new_york.is_open(at(day)) for day in ("2027-07-02 15:00", "2027-07-05 15:00")] == [True, False]
        assert new_york.next_open(at("2030-12-31 21:00")) == at("2031-01-02 14:30")


class TestCalendarsThatEnd:
    def test_a_calendar_that_has_ended_is_rejected(self) -> None:
        with (
            time_machine.travel(at("2099-01-05"), tick=False),
            pytest.raises(SettingsError, match=r"of XSHG .* to 20\d\d-12-31: .*--upgrade exchange_calendars"),
        ):
            load_market_calendar("XSHG")

    def test_a_time_after_the_end_of_the_calendar_is_an_error(self) -> None:
        shanghai = market("XSHG")
        last = shanghai.sessions(at("2020-01-01"), at("2099-01-01"))[-1]
        assert shanghai.is_open(last.close - SECOND)
        for ask in (shanghai.is_open, shanghai.last_close, shanghai.next_open):
            with pytest.raises(SettingsError, match="STOCKWIRE_MARKET: the installed calendar of XSHG"):
                ask(last.close)
        with pytest.raises(SettingsError, match="STOCKWIRE_MARKET: the installed calendar of XSHG"):
            shanghai.next_open(last.close - SECOND)

    def test_a_time_before_the_start_of_the_calendar_is_an_error(self) -> None:
        with pytest.raises(SettingsError, match="the installed calendar of XTKS covers 1997-01-01"):
            market("XTKS").last_close(parse_instant("1990-01-01T00:00:00Z"))


class TestNames:
    @pytest.mark.parametrize("name", ["XNYS", "xnys", "NASDAQ", "NYSE"])
    def test_an_exchange_has_several_names(self, name: str) -> None:
        assert load_market_calendar(name).is_open(at("2024-11-29 17:00"))
        assert load_market_calendar(name).name == name

    def test_a_name_with_lower_case_letters_is_found_in_capitals(self) -> None:
        assert load_market_calendar("US_FUTURES").is_open(at("2024-11-26 17:00"))

    @pytest.mark.parametrize(
        ("name", "near"), [("XNYE", "XNYS"), ("NASDQ", "NASDAQ"), ("LONDON", "XLON"), ("?", "XNYS")]
    )
    def test_the_error_for_an_unknown_name_suggests_similar_names(self, name: str, near: str) -> None:
        with pytest.raises(SettingsError) as caught:
            load_market_calendar(name)
        assert f"STOCKWIRE_MARKET: {name!r} is not a known market: use one such as " in str(caught.value)
        assert near in str(caught.value)


def test_the_error_for_a_missing_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(SettingsError, match=r"\.venv/bin/python -m pip install -r requirements-market\.txt"):
        load_market_calendar("XNYS")


def test_the_library_is_not_loaded_if_no_market_is_set() -> None:
    script = (
        "import sys; import infra.cli, infra.doctor, infra.up.command; from producer.celery_app import app;"
        "app.conf.beat_schedule; app.loader.import_default_modules();"
        "print({'pandas', 'numpy', 'exchange_calendars'} & set(sys.modules))"
    )
    environment = {**os.environ, "STOCKWIRE_MARKET": ""}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"
