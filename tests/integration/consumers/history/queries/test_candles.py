"""Candles of stored prices on real SQLite and PostgreSQL, compared with what pandas makes of the same prices."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from consumers.history.queries.buckets import make_buckets
from consumers.history.queries.candles import read_candles
from consumers.history.store import PriceStore
from consumers.history.timeframes import Buckets, Timeframe
from shared.database.reader import Reader
from shared.errors import InvalidQuery
from shared.events import StockData
from tests.event_factories import changed, stock_data
from tests.pandas_candles import candles_of_daily_bars, candles_of_quotes

NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2024, 11, 20, 12, tzinfo=UTC)
MIDNIGHT = NOON - timedelta(hours=12)
HOUR = timedelta(hours=1)


def candles(reader: Reader, every: str, zone: Any = UTC, symbol: str = "AAPL", **options: Any) -> list[dict[str, Any]]:
    rows = read_candles(reader, symbol, Buckets(Timeframe.parse(every), zone), **options)
    return [row.fields() for row in rows]


def quotes(moments: Sequence[datetime], seed: int = 0) -> list[StockData]:
    walk = random.Random(seed)
    return [stock_data("AAPL", Decimal(walk.randrange(9_000, 11_000)) / 100, each, "yahoo") for each in moments]


def daily_bars(days: int, seed: int = 0) -> list[StockData]:
    """Return bars of working days, of which 2024-01-01 is the first."""
    walk = random.Random(seed)
    found = []
    for number in range(days):
        day = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)
        low, opened, close, high = sorted(Decimal(walk.randrange(9_000, 11_000)) / 100 for _ in range(4))
        if walk.random() < 0.5:
            opened, close = close, opened
        if day.weekday() < 5:
            event = stock_data("AAPL", close, day, "yahoo", open=opened, high=high, low=low, interval="1d")
            found.append(changed(event, volume=walk.randrange(10**6)))
    return found


@pytest.mark.parametrize("zone", [UTC, NEW_YORK], ids=str)
@pytest.mark.parametrize(("every", "rule"), [("1h", "1h"), ("1d", "D"), ("1w", "W-MON"), ("1mo", "MS")])
@pytest.mark.parametrize("change", ["2024-03-09", "2024-11-02"])
def test_quotes_across_a_change_of_the_clock_make_the_candles_of_pandas(
    store: PriceStore, reader: Reader, zone: Any, every: str, rule: str, change: str
) -> None:
    begin = datetime.fromisoformat(change).replace(tzinfo=UTC)
    events = quotes([begin + timedelta(minutes=5 * number) for number in range(3 * 288)])
    store.save(events)
    assert candles(reader, every, zone) == candles_of_quotes(events, rule, zone)


@pytest.mark.parametrize("zone", [UTC, NEW_YORK], ids=str)
@pytest.mark.parametrize(("every", "rule"), [("1w", "W-MON"), ("1mo", "MS")])
def test_daily_bars_make_the_weeks_and_months_of_pandas_in_every_zone(
    store: PriceStore, reader: Reader, zone: Any, every: str, rule: str
) -> None:
    events = daily_bars(400)
    store.save(events)
    assert candles(reader, every, zone) == candles_of_daily_bars(events, rule, zone)


def test_a_daily_bar_covers_the_quotes_of_its_date_in_every_zone(store: PriceStore, reader: Reader) -> None:
    day = changed(stock_data("AAPL", "100", MIDNIGHT, "yahoo", interval="1d"), observed_at=NOON + timedelta(days=5))
    store.save([day, *quotes([NOON, NOON + 16 * HOUR, NOON + 17 * HOUR])])
    assert [(row["start"], row["close"], row["samples"]) for row in candles(reader, "1d", NEW_YORK)] == [
        ("2024-11-20T05:00:00Z", "100", 1),
        ("2024-11-21T05:00:00Z", candles(reader, "1h")[-1]["close"], 1),
    ]
    # A day does not fit into an hour, so there the quotes count.
    assert [row["samples"] for row in candles(reader, "1h")] == [1, 1, 1]


def test_bars_of_all_lengths_and_quotes_are_combined(store: PriceStore, reader: Reader) -> None:
    bar = stock_data("AAPL", "3", NOON + HOUR, "yahoo", open=Decimal(2), high=Decimal(4), low=Decimal(1), volume=10)
    five = stock_data("AAPL", "5", NOON + timedelta(minutes=65), "yahoo", interval="5m", volume=1)
    store.save([changed(bar, interval="1h"), five, *quotes([NOON, NOON + timedelta(minutes=62)])])
    [hours] = candles(reader, "2h")
    assert (hours["open"], hours["high"], hours["low"], hours["close"]) == ("2", "5", "1", "5")
    assert (hours["volume"], hours["samples"]) == (11, 2)
    assert [row["start"] for row in candles(reader, "1h")] == ["2024-11-20T12:00:00Z", "2024-11-20T13:00:00Z"]


def test_simulated_and_replayed_prices_are_never_mixed_with_real_ones(store: PriceStore, reader: Reader) -> None:
    simulated = [changed(event, provider=each) for event in quotes([NOON]) for each in ("simulated", "replay")]
    store.save(simulated)
    assert [row["samples"] for row in candles(reader, "1h")] == [2]
    store.save([stock_data("AAPL", "7", NOON + HOUR, "yahoo"), stock_data("AAPL", "8", NOON + HOUR, "finnhub")])
    assert [(row["start"], row["samples"]) for row in candles(reader, "1h")] == [("2024-11-20T13:00:00Z", 2)]
    assert [row["samples"] for row in candles(reader, "1h", provider="simulated")] == [1]
    assert [row["close"] for row in candles(reader, "1h", provider="yahoo")] == ["7"]


def test_only_whole_candles_from_since_to_before_until_are_returned(store: PriceStore, reader: Reader) -> None:
    store.save(quotes([NOON + HOUR * number / 2 for number in range(10)]))
    half = timedelta(minutes=30)

    def starts(**options: Any) -> list[str]:
        return [row["start"][11:16] for row in candles(reader, "1h", **options)]

    assert starts() == ["12:00", "13:00", "14:00", "15:00", "16:00"]
    assert starts(since=NOON + half, until=NOON + 3 * HOUR) == ["13:00", "14:00"]
    assert starts(since=NOON + HOUR, until=NOON + 3 * HOUR + half) == ["13:00", "14:00", "15:00"]
    assert starts(limit=2) == ["15:00", "16:00"]
    assert starts(since=NOON + 30 * HOUR) == []
    [first, *_] = candles(reader, "1h", since=NOON + HOUR)
    assert first["samples"] == 2


def test_a_daily_bar_at_the_edge_of_a_range_counts_by_its_date(store: PriceStore, reader: Reader) -> None:
    store.save(daily_bars(10))
    since, until = datetime(2024, 1, 2, tzinfo=NEW_YORK), datetime(2024, 1, 5, tzinfo=NEW_YORK)
    found = candles(reader, "1d", NEW_YORK, since=since, until=until)
    assert [row["start"] for row in found] == [f"2024-01-0{day}T05:00:00Z" for day in (2, 3, 4)]


def test_a_bar_that_was_fetched_before_its_end_covers_only_the_time_before(store: PriceStore, reader: Reader) -> None:
    bar = changed(stock_data("AAPL", "10", MIDNIGHT, "yahoo", interval="1d"), observed_at=NOON)
    before, after = (
        stock_data("AAPL", price, NOON + hours * HOUR, "yahoo") for hours, price in [(-1, "99"), (1, "20")]
    )
    store.save([bar, before, after])
    [day] = candles(reader, "1d")
    assert (day["open"], day["high"], day["close"], day["samples"]) == ("10", "20", "20", 2)


def test_of_bars_of_one_span_the_one_observed_last_counts(store: PriceStore, reader: Reader) -> None:
    for provider, hours, close in [("a", 30, "10"), ("b", 28, "12"), ("simulated", 40, "99")]:
        bar = stock_data("AAPL", close, MIDNIGHT, provider, interval="1d")
        store.save([changed(bar, observed_at=MIDNIGHT + hours * HOUR)])
    assert [(row["close"], row["samples"]) for row in candles(reader, "1d")] == [("10", 1)]


def test_quotes_of_several_providers_at_one_time_count_in_the_order_of_observation(
    store: PriceStore, reader: Reader
) -> None:
    for provider, minutes, price in [("a", 3, "10"), ("z", 1, "11"), ("b", 2, "12")]:
        store.save([changed(stock_data("AAPL", price, NOON, provider), observed_at=NOON + timedelta(minutes=minutes))])
    [hour] = candles(reader, "1h")
    assert (hour["open"], hour["high"], hour["close"], hour["samples"]) == ("11", "12", "10", 3)


def test_a_day_of_the_market_begins_with_its_session(store: PriceStore, reader: Reader) -> None:
    """Futures trade from the evening before: in New York, 18:00 of 19 November belongs to 20 November."""
    pytest.importorskip("exchange_calendars", reason="exchange_calendars comes with requirements-market.txt")
    buckets = make_buckets(Timeframe(1, "d"), "market", "CMES")
    evening = datetime(2024, 11, 19, 17, 30, tzinfo=NEW_YORK).astimezone(UTC)
    store.save(quotes([evening - HOUR, evening + HOUR, NOON]))
    found = [(row.start, row.samples) for row in read_candles(reader, "AAPL", buckets)]
    assert [samples for _, samples in found] == [1, 2]
    assert found[1][0] == evening + HOUR / 2


def test_empty_candles_are_filled_on_request(store: PriceStore, reader: Reader) -> None:
    store.save(quotes([NOON, NOON + 3 * HOUR]))
    first, *empty, last = candles(reader, "1h", fill=True)
    assert [row["start"][11:16] for row in (first, *empty, last)] == ["12:00", "13:00", "14:00", "15:00"]
    assert [(row["open"], row["close"], row["volume"], row["samples"]) for row in empty] == [
        (first["close"], first["close"], None, 0)
    ] * 2


@pytest.mark.parametrize("interval", ["999999999mo", "999999999w", "999999999d", "999999999h", "40000d"])
def test_bars_longer_than_any_candle_are_left_out(store: PriceStore, reader: Reader, interval: str) -> None:
    store.save([changed(stock_data("AAPL", Decimal(5), NOON, "yahoo"), interval=interval), *quotes([NOON])])
    [candle] = candles(reader, "1mo")
    assert candle["samples"] == 1


@pytest.mark.parametrize("every", ["1h", "1d", "1mo"])
@pytest.mark.parametrize("zone", [NEW_YORK, ZoneInfo("Asia/Tokyo")])
def test_prices_in_the_first_year_of_the_calendar_are_asked_for_without_a_failure(
    store: PriceStore, reader: Reader, every: str, zone: ZoneInfo
) -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    store.save([changed(stock_data("AAPL", Decimal(5), first, "yahoo"), interval="1s"), *quotes([first, NOON])])
    with pytest.raises(InvalidQuery, match=r"AAPL has prices at an end of the calendar.* use --since 1900-01-01"):
        candles(reader, every, zone)
    assert len(candles(reader, every, zone, since=datetime(1900, 1, 1, tzinfo=UTC))) == 1


@pytest.mark.parametrize("every", ["1h", "1d", "1w", "1mo"])
@pytest.mark.parametrize("zone", [UTC, NEW_YORK, ZoneInfo("Asia/Tokyo")], ids=str)
def test_a_query_may_begin_or_end_with_the_calendar(
    store: PriceStore, reader: Reader, every: str, zone: ZoneInfo
) -> None:
    store.save([*quotes([NOON, NOON + HOUR]), *daily_bars(3)])
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    everything = candles(reader, every, zone)
    assert candles(reader, every, zone, since=first, until=last) == everything != []
    assert candles(reader, every, zone, until=datetime(9999, 12, 31, tzinfo=UTC)) == everything
    assert candles(reader, every, zone, until=first) == candles(reader, every, zone, since=last) == []
