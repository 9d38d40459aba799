"""Statistics of stored prices on real SQLite and PostgreSQL; pandas computes the same of the real prices."""

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.engine import URL
from typer.testing import CliRunner

from consumers.history.queries.stats import ONE_DAY, read_stats
from consumers.history.store import PriceStore
from consumers.history.timeframes import Buckets
from infra.cli import cli
from shared.database.reader import Reader
from shared.errors import StorageError
from shared.events import StockData
from tests.event_factories import changed, stock_data

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def store(store: PriceStore, history_url: URL, monkeypatch: pytest.MonkeyPatch) -> PriceStore:
    """The store of the history that the setting names."""
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", history_url.render_as_string(hide_password=False))
    return store


def stats(reader: Reader, symbol: str = "AAPL", zone: Any = UTC, **options: Any) -> dict[str, Any]:
    row = read_stats(reader, symbol, Buckets(ONE_DAY, zone), **options)
    assert row is not None
    return row.fields()


def run(*words: str) -> Any:
    return CliRunner().invoke(cli, ["stats", *words], prog_name="stockwire")


def daily(day: int, close: str, provider: str = "yahoo", **prices: str) -> StockData:
    fields = {name: Decimal(price) for name, price in prices.items()}
    event = stock_data("AAPL", close, START + day * DAY, provider, interval="1d", **fields)
    return changed(event, observed_at=START + 9 * DAY)


def quote(hours: float, price: str, provider: str = "yahoo") -> StockData:
    return changed(stock_data("AAPL", price, START + hours * HOUR, provider), observed_at=START + (hours + 1) * HOUR)


def real_events(path: Path, since: datetime, until: datetime) -> Iterator[StockData]:
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            as_of = datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)
            if since <= as_of < until:
                prices = {name: Decimal(row[name]) for name in ("open", "high", "low")}
                yield stock_data(row["symbol"], Decimal(row["close"]), as_of, "yahoo", interval="1d", **prices)


def pandas_stats(events: list[StockData]) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    index = [event.as_of.isoformat().replace("+00:00", "Z") for event in events]
    close, high, low = (
        pd.Series([float(getattr(event, name)) for event in events], index=index) for name in ("price", "high", "low")
    )
    falls = close / close.cummax() - 1
    trough = falls.idxmin()
    return {
        "first_at": index[0],
        "first": close.iloc[0],
        "last_at": index[-1],
        "last": close.iloc[-1],
        "return": close.iloc[-1] / close.iloc[0] - 1,
        "volatility": np.log(close).diff().std() * np.sqrt(252),
        "max_drawdown": falls.min(),
        "drawdown_from": close[:trough].idxmax(),
        "drawdown_to": trough,
        "highest_at": high.idxmax(),
        "highest": high.max(),
        "lowest_at": low.idxmin(),
        "lowest": low.min(),
        "samples": close.count(),
    }


@pytest.mark.parametrize("zone", [UTC, NEW_YORK], ids=str)
def test_daily_bars_have_the_statistics_of_pandas(
    store: PriceStore, reader: Reader, real_prices_of_splits: Path, zone: Any
) -> None:
    pytest.importorskip("pandas", reason="pandas comes with requirements-market.txt")
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 8, 29, tzinfo=UTC)
    events = list(real_events(real_prices_of_splits, datetime(2019, 1, 1, tzinfo=UTC), until + 9 * DAY))
    store.save(events)
    symbols = sorted({event.symbol for event in events})
    assert len(symbols) == 20
    for symbol in symbols:
        wanted = [event for event in events if event.symbol == symbol and since <= event.as_of < until]
        found = stats(reader, symbol, zone, since=since, until=until)
        for name, expected in pandas_stats(wanted).items():
            value = float(found[name]) if name in ("first", "last", "highest", "lowest") else found[name]
            assert value == (pytest.approx(expected, rel=1e-9) if isinstance(value, float) else expected), name


def test_a_daily_bar_stands_for_the_quotes_of_its_day(store: PriceStore, reader: Reader) -> None:
    store.save([quote(15, "1"), daily(0, "10", high="12", low="9"), quote(39, "11"), quote(40, "99")])
    found = stats(reader)
    assert (found["first"], found["last"], found["samples"]) == ("10", "99", 3)
    assert (found["highest"], found["highest_at"]) == ("99", "2024-01-02T16:00:00Z")
    assert (found["lowest"], found["lowest_at"]) == ("9", "2024-01-01T00:00:00Z")


def test_a_drawdown_within_a_day_is_seen(store: PriceStore, reader: Reader) -> None:
    store.save([quote(10, "100"), quote(11, "80"), quote(12, "100")])
    found = stats(reader)
    assert (found["max_drawdown"], found["drawdown_to"]) == (pytest.approx(-0.2), "2024-01-01T11:00:00Z")


def test_days_are_those_of_the_zone(store: PriceStore, reader: Reader) -> None:
    """At 03:00 UTC it is the evening before in New York."""
    store.save([quote(hours, price) for hours, price in [(20, "100"), (27, "110"), (44, "120"), (68, "150")]])
    assert stats(reader)["volatility"] != stats(reader, zone=NEW_YORK)["volatility"]


def test_bars_longer_than_a_day_do_not_count(store: PriceStore, reader: Reader) -> None:
    store.save([daily(0, "10"), changed(daily(0, "99"), interval="1w"), daily(1, "11")])
    assert (stats(reader)["samples"], stats(reader)["highest"]) == (2, "11")


def test_simulated_prices_count_only_without_real_ones(store: PriceStore, reader: Reader) -> None:
    store.save([daily(0, "1", "simulated"), daily(1, "2", "replay")])
    assert stats(reader)["samples"] == 2
    store.save([daily(0, "10"), daily(1, "11", "finnhub")])
    assert (stats(reader)["first"], stats(reader)["last"], stats(reader)["samples"]) == ("10", "11", 2)
    assert stats(reader, provider="simulated")["first"] == "1"


def test_the_command_prints_statistics(store: PriceStore) -> None:
    store.save([daily(0, "100"), daily(1, "110"), daily(2, "99"), quote(60, "5", "simulated")])
    done = run("AAPL", "--format", "json", "--since", "2024-01-01", "--until", "2024-01-03T12:00")
    [row] = json.loads(done.stdout)
    assert row == {
        "symbol": "AAPL",
        "first_at": "2024-01-01T00:00:00Z",
        "first": "100",
        "last_at": "2024-01-03T00:00:00Z",
        "last": "99",
        "return": pytest.approx(-0.01),
        "volatility": pytest.approx(2.2525, abs=1e-4),
        "max_drawdown": pytest.approx(-0.1),
        "drawdown_from": "2024-01-02T00:00:00Z",
        "drawdown_to": "2024-01-03T00:00:00Z",
        "highest_at": "2024-01-02T00:00:00Z",
        "highest": "110",
        "lowest_at": "2024-01-03T00:00:00Z",
        "lowest": "99",
        "samples": 3,
    }
    lines = dict(line.split() for line in run("AAPL").stdout.splitlines())
    assert (lines["statistic"], lines["return"], lines["max_drawdown"]) == ("AAPL", "-1.00%", "-10.00%")
    assert run("AAPL", "--format", "csv").stdout.splitlines()[0] == ",".join(row)


def test_prices_before_a_split_are_divided_on_request(store: PriceStore, reader: Reader, tmp_path: Path) -> None:
    store.save([daily(0, "400"), daily(1, "101")])
    environment = {"STOCKWIRE_ALERTS_URL": f"sqlite:///{tmp_path / 'alerts.db'}"}
    CliRunner().invoke(cli, ["splits", "add", "AAPL", "2024-01-02", "4:1"], env=environment)
    [row] = json.loads(run("AAPL", "--adjusted", "--format", "json").stdout)
    assert (row["first"], row["return"]) == ("100", pytest.approx(0.01))
    done = run("AAPL", "--format", "json")
    assert json.loads(done.stdout)[0]["return"] < -0.7
    assert done.stderr == (
        "AAPL was split 4:1 on 2024-01-02, which looks like a move of its price: --adjusted takes it into account\n"
    )
    assert run("AAPL", "--since", "2024-01-02").stderr == ""


def test_a_symbol_without_prices_is_named(store: PriceStore) -> None:
    store.save([daily(0, "100")])
    line = "no stored prices for MSFT in this time range\n"
    assert (run("MSFT").stdout, run("MSFT").stderr) == ("", line)
    done = run("AAPL", "MSFT", "--format", "json")
    assert ([row["symbol"] for row in json.loads(done.stdout)], done.stderr) == (["AAPL"], line)
    assert run("AAPL", "--tz", "Mars/Olympus").exit_code == 2


def test_without_a_history_the_command_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", f"sqlite:///{tmp_path / 'none.db'}")
    assert isinstance(run("AAPL").exception, StorageError)
