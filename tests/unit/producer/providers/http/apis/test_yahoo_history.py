"""Yahoo Finance: the requests for past prices, and the meaning of bars."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from producer.providers.base import Interval, InvalidBar
from shared.errors import InvalidResponse
from tests.fake_apis.yahoo_answers import YAHOO, read_history, recorded_json, with_meta

OPENED = datetime(2024, 11, 20, 14, 30, tzinfo=UTC)


def test_daily_bars_have_midnight_utc_of_the_exchange_s_date_without_today() -> None:
    quotes = read_history(Interval.DAY, recorded_json("past_days.json"))
    assert [(quote.as_of.isoformat()[:19], str(quote.price)) for quote in quotes] == [
        ("2024-11-15T00:00:00", "225"),
        ("2024-11-18T00:00:00", "228.02"),
        ("2024-11-19T00:00:00", "228.28"),
    ]
    assert (quotes[1].currency, quotes[1].volume, quotes[1].high) == ("USD", 44686000, Decimal("229.74"))


def test_today_s_bar_is_included_after_the_session() -> None:
    closed = int(datetime(2024, 11, 20, 21, 0, 1, tzinfo=UTC).timestamp())
    assert len(read_history(Interval.DAY, with_meta("past_days.json", regularMarketTime=closed))) == 4
    untold = with_meta("past_days.json", regularMarketTime=closed, currentTradingPeriod=None)
    assert len(read_history(Interval.DAY, untold)) == 3


@pytest.mark.parametrize(
    ("start", "offset", "date"),
    [
        # A summer day in New York requested in winter, and the reverse.
        ("2024-07-03T13:30", -18_000, "2024-07-03"),
        ("2024-11-18T14:30", -14_400, "2024-11-18"),
        ("2024-11-19T00:00", 32_400, "2024-11-19"),  # Tokyo
        ("2024-11-18T23:00", 39_600, "2024-11-19"),  # Sydney
        # Currencies begin at midnight in London, also in summer.
        ("2024-07-02T23:00", 0, "2024-07-03"),
        ("2024-11-19T00:00", 0, "2024-11-19"),
        ("2024-11-19T00:00", 3_600, "2024-11-19"),
    ],
)
def test_a_day_is_a_date_at_the_exchange(start: str, offset: int, date: str) -> None:
    answer = with_meta("past_days.json", gmtoffset=offset)
    moment = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp())
    answer["chart"]["result"][0]["timestamp"][0] = moment
    assert f"{read_history(Interval.DAY, answer)[0].as_of:%Y-%m-%d}" == date


def test_five_minute_bars_have_the_time_of_their_end_and_unfinished_bars_are_left_out() -> None:
    quotes = read_history(Interval.FIVE_MINUTES, recorded_json("past_minutes.json"))
    minutes = [(quote.as_of - OPENED) / timedelta(minutes=1) for quote in quotes]
    assert minutes == [5, 10, 20]
    assert [str(quote.price) for quote in quotes] == ["228.02", "228.45", "228.77"]


def test_a_time_range_without_trading_is_empty() -> None:
    assert read_history(Interval.FIVE_MINUTES, recorded_json("past_nothing.json")) == []


@pytest.mark.parametrize("interval", Interval)
def test_past_prices_of_another_symbol_are_an_invalid_response(interval: Interval) -> None:
    with pytest.raises(InvalidResponse, match="instead of 'MSFT'"):
        read_history(interval, recorded_json("past_days.json"), "MSFT")


def with_columns(**columns: Any) -> Any:
    """Return a chart of three finished days with these columns, and without those that are None."""
    days = [datetime(2024, 11, day, 14, 30, tzinfo=UTC) for day in (13, 14, 15)]
    answer = recorded_json("past_days.json")
    chart = answer["chart"]["result"][0]
    table = {
        "open": [20, 21, 22],
        "high": [25, 26, 27],
        "low": [19, 20, 21],
        "close": [23, 24, 25],
        "volume": [1, 2, 3],
    }
    chart["timestamp"] = columns.pop("timestamp", [int(day.timestamp()) for day in days])
    table.update(columns)
    chart["indicators"]["quote"] = [{name: column for name, column in table.items() if column is not None}]
    return answer


@pytest.mark.parametrize("column", ["open", "high", "low", "volume"])
@pytest.mark.parametrize("ragged", [[], None, "abc", {"0": 1}, [None, None, None], [[1], {}, "x"]], ids=str)
def test_a_column_without_its_values_costs_only_its_field(column: str, ragged: Any) -> None:
    bars = read_history(Interval.DAY, with_columns(**{column: ragged}))
    assert [bar.price for bar in bars] == [23, 24, 25]
    assert [getattr(bar, column) for bar in bars] == [None] * 3
    for other in {"open", "high", "low", "volume"} - {column}:
        assert all(getattr(bar, other) is not None for bar in bars)


def test_a_short_column_costs_only_the_fields_that_it_lacks() -> None:
    bars = read_history(Interval.DAY, with_columns(high=[25, 26], volume=[1, 2, 3, 4]))
    assert [(bar.price, bar.high, bar.volume) for bar in bars] == [(23, 25, 1), (24, 26, 2), (25, None, 3)]


def test_a_price_column_of_another_length_is_read_if_all_its_prices_are_within_their_bars() -> None:
    short = read_history(Interval.DAY, with_columns(close=[23, 24]))
    assert [(bar.price, bar.as_of.day) for bar in short] == [(23, 13), (24, 14)]
    # The first price is missing. Some of the others are within the bars before theirs.
    shifted = with_columns(close=[24, 28], high=[25, 27, 28])
    with pytest.raises(InvalidResponse, match="the columns have different lengths"):
        read_history(Interval.DAY, shifted)
    first, *others = read_history(Interval.DAY, with_columns(close=[23, 24, 25, 26]))
    assert first.price == 23
    assert others[-1] == InvalidBar(None, "the time is missing")


@pytest.mark.parametrize("time", [None, 0, -1, "20241115", 20241115, "x", [], 10**11 - 1, 10**20])
def test_a_bar_without_a_time_costs_no_other_bar(time: Any) -> None:
    answer = with_columns()
    answer["chart"]["result"][0]["timestamp"][1] = time
    first, invalid, last = read_history(Interval.DAY, answer)
    assert (first.price, last.price) == (23, 25)
    assert isinstance(invalid, InvalidBar)
    assert invalid.reason.startswith("the time is ")


@pytest.mark.parametrize("fields", [{"regularMarketTime": None}, {"regularMarketTime": "x"}, {"priceHint": "2"}])
def test_an_odd_field_of_the_meta_costs_no_bar(fields: dict[str, Any]) -> None:
    answer = with_columns()
    answer["chart"]["result"][0]["meta"].update(fields)
    assert [bar.price for bar in read_history(Interval.DAY, answer)] == [23, 24, 25]


def test_a_bar_in_the_far_future_is_not_taken_for_an_unfinished_one() -> None:
    answer = with_columns()
    answer["chart"]["result"][0]["timestamp"][2] = 4_102_444_800
    assert [bar.as_of.year for bar in read_history(Interval.DAY, answer)] == [2024, 2024, 2099]


def test_bars_before_1973_are_read_if_they_were_asked_for() -> None:
    since = datetime(1970, 1, 1, tzinfo=UTC)
    answer = with_columns(timestamp=[52_200, 138_600, 225_000])
    bars = YAHOO.history_request("AAPL", Interval.DAY, since, since + timedelta(days=4)).read(answer)
    assert [bar.as_of for bar in bars] == [since + timedelta(days=days) for days in range(3)]
    with pytest.raises(InvalidResponse, match="the time is '52200'"):
        read_history(Interval.DAY, answer)


def test_an_ambiguous_float_is_invalid() -> None:
    answer = recorded_json("past_days.json")
    answer["chart"]["result"][0]["indicators"]["quote"][0]["close"][1] = Decimal("228.0212345678901")
    first, invalid, last = read_history(Interval.DAY, answer)
    assert [str(first.price), str(last.price)] == ["225", "228.28"]
    assert isinstance(invalid, InvalidBar)
    assert (invalid.as_of, invalid.reason[:10]) == (datetime(2024, 11, 18, tzinfo=UTC), "the price ")


def test_the_requested_times_select_bars_by_their_beginning() -> None:
    since, until = datetime(2024, 11, 18, tzinfo=UTC), datetime(2024, 11, 19, tzinfo=UTC)
    days = YAHOO.history_request("BRK.B", Interval.DAY, since, until)
    assert (days.path, days.query["interval"]) == ("/v8/finance/chart/BRK-B", "1d")
    assert int(days.query["period1"]) == since.timestamp() - 86_400
    assert int(days.query["period2"]) == until.timestamp() + 86_400
    minutes = YAHOO.history_request("BRK.B", Interval.FIVE_MINUTES, since, until)
    assert (int(minutes.query["period1"]), int(minutes.query["period2"])) == (
        since.timestamp() - 300,
        until.timestamp(),
    )
    assert YAHOO.max_range(Interval.FIVE_MINUTES) < timedelta(days=60)
