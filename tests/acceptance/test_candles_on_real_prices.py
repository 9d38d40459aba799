"""Candles of real prices equal those of pandas, to the digit, from the command line, over HTTP and in Python."""

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from consumers.history import open_history
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.events import StockData
from tests.event_factories import changed, stock_data
from tests.forked_processes import stockwire
from tests.pandas_candles import candles_of_daily_bars, candles_of_quotes
from tests.web_server import serving, settings_in

NEW_YORK = ZoneInfo("America/New_York")
SYMBOL = "AAPL"
# In the night before each of the middle days the clocks of New York are changed.
CHANGES = (date(2019, 3, 8), date(2019, 11, 1))
DAYS = 5
QUOTES_PER_DAY = 288

Row = dict[str, Any]
Ask = Callable[..., list[Row]]


@pytest.fixture(scope="module")
def bars(real_prices: Path) -> list[StockData]:
    """The daily bars of 20 symbols through a year."""
    with gzip.open(real_prices, "rt") as file:
        return [_bar(row) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def quotes(bars: Sequence[StockData]) -> list[StockData]:
    """Quotes every five minutes around both changes of the clock, from the open to the close of each day's bar."""
    of_day = {bar.as_of.date(): bar for bar in bars if bar.symbol == SYMBOL}
    found = []
    for first in CHANGES:
        bar = of_day[first]
        for number in range(DAYS):
            day = first + timedelta(days=number)
            bar = of_day.get(day, bar)
            found += _quotes_of(bar, datetime.combine(day, time(), UTC))
    return found


@pytest.fixture(scope="module", params=["command line", "HTTP", "Python"])
def ask(
    request: pytest.FixtureRequest, bars: list[StockData], quotes: list[StockData], tmp_path_factory: Any
) -> Iterator[Ask]:
    """Ask for candles: of the bars under their symbols, and of the quotes under `QUOTES`."""
    folder = tmp_path_factory.mktemp("history")
    settings = settings_in(folder)
    with opened(settings.history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        PriceStore(engine).save([*bars, *quotes])
    if request.param == "HTTP":
        with serving(settings) as client:
            yield lambda symbol, every, **zone: client.json(
                f"/v1/candles/{symbol}", timeframe=every, limit=10_000, **zone
            )["candles"]
    elif request.param == "Python":
        with open_history(folder / "history.db") as history:
            yield lambda symbol, every, **zone: [row.fields() for row in history.candles(symbol, every, **zone)]
    else:
        environment = {"STOCKWIRE_HISTORY_URL": f"sqlite:///{folder / 'history.db'}"}

        def print_candles(symbol: str, every: str, **zone: str) -> list[Row]:
            options = [f"--{name}={value}" for name, value in zone.items()]
            done = stockwire("history", symbol, "--every", every, *options, "--format", "json", environment=environment)
            assert done.returncode == 0, done.stderr
            found: list[Row] = json.loads(done.stdout)
            return found

        yield print_candles


def _bar(row: dict[str, str]) -> StockData:
    as_of = datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)
    prices = {name: Decimal(row[name]) for name in ("open", "high", "low")}
    bar = stock_data(row["symbol"], Decimal(row["close"]), as_of, "yahoo", **prices, interval="1d")
    return changed(bar, volume=int(float(row["volume"])))


def _quotes_of(bar: StockData, midnight: datetime) -> Iterator[StockData]:
    assert bar.open
    step = (bar.price - bar.open) / QUOTES_PER_DAY
    for number in range(QUOTES_PER_DAY):
        price = round(bar.open + step * number, 2)
        yield stock_data("QUOTES", price, midnight + timedelta(minutes=5 * number), "yahoo")


@pytest.mark.parametrize(("every", "rule"), [("1w", "W-MON"), ("1mo", "MS")])
def test_weeks_and_months_of_daily_bars(ask: Ask, bars: list[StockData], every: str, rule: str) -> None:
    for symbol in ("AAPL", "BRK.B", "TSLA"):
        expected = candles_of_daily_bars([bar for bar in bars if bar.symbol == symbol], rule)
        assert len(expected) > 11
        assert ask(symbol, every) == expected


@pytest.mark.parametrize(("every", "rule"), [("1h", "1h"), ("1d", "D")])
def test_days_and_hours_in_new_york_across_both_changes_of_the_clock(
    ask: Ask, quotes: list[StockData], every: str, rule: str
) -> None:
    expected = candles_of_quotes(quotes, rule, NEW_YORK)
    assert len(expected) == (2 * 24 * DAYS if every == "1h" else 2 * (DAYS + 1))
    assert ask("QUOTES", every, tz="America/New_York") == expected
