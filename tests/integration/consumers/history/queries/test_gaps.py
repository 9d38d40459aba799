"""Queries for gaps on real SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from consumers.history.gap_detection import DAY, Gap
from consumers.history.queries.gaps import daily_only_symbols, gaps_by_symbol, is_stored, symbols_without_prices
from consumers.history.store import PriceStore
from shared.market_calendar import Session
from shared.times import EPOCH
from tests.event_factories import stock_data

FIVE = timedelta(minutes=5)
NOON = datetime(2024, 11, 20, 12, tzinfo=UTC)
MIDNIGHT = NOON - timedelta(hours=12)


def store(
    engine: Engine, symbol: str, times: Sequence[datetime], provider: str = "yahoo", interval: str | None = None
) -> None:
    events = [stock_data(symbol, as_of=moment, provider=provider, interval=interval) for moment in times]
    PriceStore(engine).save(events)


def ticks(*numbers: int) -> list[datetime]:
    return [NOON + FIVE * number for number in numbers]


def test_a_price_of_any_provider_fills_a_gap(engine: Engine) -> None:
    store(engine, "AAPL", ticks(0, 1, 2, 7))
    store(engine, "AAPL", ticks(2, 3, 4), "massive")
    store(engine, "MSFT", ticks(0, 1))
    now = NOON + FIVE * 8
    assert list(gaps_by_symbol(engine, FIVE, now)) == [
        ("AAPL", Gap(*ticks(5, 7), 2)),
        ("MSFT", Gap(*ticks(2, 8), 6)),
    ]
    assert list(gaps_by_symbol(engine, FIVE, now, ["AAPL"], NOON + FIVE * 6)) == []
    since = NOON + FIVE * 4
    assert list(gaps_by_symbol(engine, FIVE, now, ["XYZ", "AAPL"], since)) == [
        ("XYZ", Gap(*ticks(5, 8), 3)),
        ("AAPL", Gap(*ticks(5, 7), 2)),
    ]


def test_sessions_are_loaded_for_the_time_range_of_the_prices(engine: Engine) -> None:
    requested = []

    def sessions(since: datetime, until: datetime) -> Sequence[Session]:
        requested.append((since, until))
        return [Session(NOON.date(), NOON, NOON + FIVE * 3)]

    store(engine, "AAPL", ticks(0, 1))
    store(engine, "MSFT", ticks(2, 3))
    now = NOON + DAY
    assert list(gaps_by_symbol(engine, FIVE, now, sessions=sessions)) == [("AAPL", Gap(*ticks(2, 4), 2))]
    long_ago = datetime(1, 1, 1, tzinfo=UTC)
    assert next(gaps_by_symbol(engine, FIVE, now, ["AAPL"], long_ago, sessions))[0] == "AAPL"
    assert requested == [(NOON - DAY, now + DAY), (EPOCH - DAY, now + DAY)]


def test_daily_bars_fill_gaps_of_days_only(engine: Engine) -> None:
    store(engine, "AAPL", [MIDNIGHT - DAY, MIDNIGHT], interval="1d")
    store(engine, "AAPL", ticks(0, 1))
    store(engine, "AAPL", ticks(2), interval="5m")
    now = NOON + FIVE * 8
    assert list(gaps_by_symbol(engine, FIVE, now)) == [("AAPL", Gap(*ticks(3, 8), 5))]
    assert list(gaps_by_symbol(engine, DAY, NOON + DAY)) == []
    hours = [Session(MIDNIGHT.date(), NOON - FIVE, NOON + FIVE * 3)]
    assert list(gaps_by_symbol(engine, FIVE * 3, NOON + DAY, sessions=lambda *_: hours)) == []


def test_symbols_with_only_daily_prices_or_no_prices_are_found(engine: Engine) -> None:
    days = [MIDNIGHT - DAY * 20_000, MIDNIGHT]
    store(engine, "DAYS", days, interval="1d")
    store(engine, "BOTH", days, interval="1d")
    store(engine, "BOTH", ticks(0), "massive")
    store(engine, "LIVE", ticks(0))
    assert daily_only_symbols(engine) == ["DAYS"]
    assert daily_only_symbols(engine, ["LIVE", "BOTH"]) == []
    assert symbols_without_prices(engine, ["LIVE", "XYZ"]) == ["XYZ"]


def test_a_price_is_looked_up_by_symbol_provider_time_and_interval(engine: Engine) -> None:
    store(engine, "AAPL", ticks(0))
    store(engine, "AAPL", [MIDNIGHT], interval="1d")
    assert is_stored(engine, "AAPL", "yahoo", NOON)
    assert is_stored(engine, "AAPL", "yahoo", MIDNIGHT, "1d")
    assert not is_stored(engine, "AAPL", "yahoo", NOON, "1d")
    assert not is_stored(engine, "AAPL", "yahoo", MIDNIGHT)
    assert not is_stored(engine, "AAPL", "massive", NOON)
    assert not is_stored(engine, "MSFT", "yahoo", NOON)
    assert not is_stored(engine, "AAPL", "yahoo", NOON + FIVE)
