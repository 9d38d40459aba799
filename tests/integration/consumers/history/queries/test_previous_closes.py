"""The previous close of each symbol, on real SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, insert

from consumers.history.queries.previous_closes import previous_closes
from consumers.history.queries.symbols import latest_prices
from consumers.history.store import PriceStore
from consumers.history.tables import split
from consumers.history.timeframes import Buckets, Timeframe
from shared.database.engine import writing
from shared.database.reader import Reader
from shared.events import StockData
from tests.event_factories import stock_data

DAYS = Buckets(Timeframe(1, "d"))
NOON = datetime(2024, 11, 20, 12, tzinfo=UTC)
YESTERDAY = datetime(2024, 11, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)


def quote(price: str, as_of: datetime = NOON, provider: str = "yahoo", **fields: object) -> StockData:
    return stock_data("AAPL", price, as_of, provider, **fields)


NOW = quote("200")

CASES = {
    "the last quote of the day before": ([quote("190", NOON - 20 * HOUR), quote("191", NOON - 13 * HOUR)], "191"),
    "a quote at midnight is of the day": ([quote("190", NOON - 20 * HOUR), quote("191", NOON - 12 * HOUR)], "190"),
    "a daily bar wins over quotes of its date": (
        [quote("190", YESTERDAY, interval="1d"), quote("9", NOON - 13 * HOUR)],
        "190",
    ),
    "a quote of a later date wins": (
        [quote("8", YESTERDAY - 24 * HOUR, interval="1d"), quote("190", NOON - 13 * HOUR)],
        "190",
    ),
    "an hourly bar that ends at midnight": ([quote("190", NOON - 12 * HOUR, interval="1h")], "190"),
    "the daily bar of the same day does not count": ([quote("190", NOON - 12 * HOUR, interval="1d")], None),
    "simulated prices never count beside real ones": ([quote("190", NOON - 20 * HOUR, "simulated")], None),
    "another real provider counts": ([quote("190", NOON - 20 * HOUR, "finnhub")], "190"),
    "days without prices are skipped": ([quote("190", YESTERDAY - 96 * HOUR, interval="1d")], "190"),
}


@pytest.mark.parametrize(("before", "expected"), CASES.values(), ids=CASES)
def test_the_previous_close(store: PriceStore, reader: Reader, before: list[StockData], expected: str | None) -> None:
    store.save([*before, NOW])
    found = previous_closes(reader, latest_prices(reader), DAYS)
    assert found == ({} if expected is None else {"AAPL": expected})


def test_days_follow_the_clock_of_the_market(store: PriceStore, reader: Reader) -> None:
    # 03:00 UTC is 22:00 of the day before in New York.
    store.save([quote("190", NOON - 9 * HOUR), NOW])
    assert previous_closes(reader, latest_prices(reader), DAYS) == {}
    new_york = Buckets(Timeframe(1, "d"), ZoneInfo("America/New_York"))
    assert previous_closes(reader, latest_prices(reader), new_york) == {"AAPL": "190"}


def test_a_split_between_the_two_days_divides_the_close(store: PriceStore, reader: Reader, engine: Engine) -> None:
    store.save([quote("800", YESTERDAY, interval="1d"), NOW])
    with writing(engine) as connection:
        rows = [
            {"symbol": "AAPL", "day": "2024-11-20", "new_shares": 4, "old_shares": 1},
            {"symbol": "AAPL", "day": "2025-01-02", "new_shares": 2, "old_shares": 1},
        ]
        connection.execute(insert(split), rows)
    assert previous_closes(reader, latest_prices(reader), DAYS) == {"AAPL": "200"}
