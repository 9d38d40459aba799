"""Real prices through the whole pipeline by the README's commands: each price stored and each alert raised once."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from shared.times import to_micros
from tests.forked_processes import forked, stockwire
from tests.processes import Process, until

Rows = dict[tuple[str, str], Decimal]
# Columns of the file, and of the view `bars` but for the date.
_BAR = ("symbol", "date", "open", "high", "low", "close", "volume")


@pytest.fixture
def consumers(environment: dict[str, str]) -> Iterator[tuple[Process, Process]]:
    for name, rule in {"up": "AAPL crossing up 200", "over": "AAPL above 150"}.items():
        assert stockwire("rules", "add", name, rule, environment=environment).returncode == 0
    with (
        forked("./stockwire", "consume", "history", environment=environment) as history,
        forked("./stockwire", "consume", "alerts", environment=environment) as alerts,
    ):
        history.wait_for("consuming")
        alerts.wait_for("consuming")
        yield history, alerts


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(environment: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings with SQLite in one run of the test, and with PostgreSQL for history and alerts in the other."""
    if request.param == "sqlite":
        return environment
    url = request.getfixturevalue("postgresql")
    return {**environment, "STOCKWIRE_HISTORY_URL": url, "STOCKWIRE_ALERTS_URL": url}


def read_file(path: Path) -> Rows:
    """Return close by symbol and `as_of`, read with the csv module alone."""
    with gzip.open(path, "rt", newline="") as file:
        return {
            (row["symbol"], f"{row['date']}T00:00:00.000000Z"): Decimal(row["close"]) for row in csv.DictReader(file)
        }


def read_bars(path: Path) -> list[tuple[str, ...]]:
    """Return symbol, date, open, high, low, close and volume of each row as text, read with the csv module alone."""
    with gzip.open(path, "rt", newline="") as file:
        rows = [tuple(row[name] for name in _BAR) for row in csv.DictReader(file)]
    return sorted((symbol, date, *map(plain, prices), volume) for symbol, date, *prices, volume in rows)


def plain(price: str) -> str:
    """Return the price without zeros at its end, as it is published."""
    return format(Decimal(price).normalize(), "f")


def query(environment: dict[str, str], sql: str) -> list[tuple[Any, ...]]:
    engine = create_engine(environment["STOCKWIRE_HISTORY_URL"])
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(sql))]
    engine.dispose()
    return rows


def read_history(environment: dict[str, str]) -> Rows:
    rows = query(environment, "select symbol, as_of, price from price_history")
    found = {(symbol, as_of): Decimal(repr(price)) for symbol, as_of, price in rows}
    assert len(found) == len(rows), "a price is stored twice"
    return found


def check_output(path: Path, environment: dict[str, str], timeout: float) -> None:
    """Compare the whole bars in the view, and the closes that `history` prints, with the file, digit for digit."""
    bars = read_bars(path)
    stored = query(environment, f"select {', '.join(['symbol', 'start', *_BAR[2:]])} from bars")
    assert (
        sorted((row[0], row[1][:10], *(plain(repr(each)) for each in row[2:6]), str(row[6])) for row in stored) == bars
    )
    symbols = sorted({symbol for symbol, *_ in bars})
    done = stockwire("history", *symbols, "--format", "csv", environment=environment, timeout=timeout)
    assert done.returncode == 0, done.stderr
    printed = [(row["symbol"], row["as_of"][:10], row["price"]) for row in csv.DictReader(io.StringIO(done.stdout))]
    assert printed == [(symbol, date, close) for symbol, date, _, _, _, close, _ in bars]


def count_stored(environment: dict[str, str]) -> int:
    return int(query(environment, "select count(*) from price_history")[0][0])


def expected_alerts(rows: Rows) -> set[tuple[str, str, str]]:
    """Return (rule, as_of, price) of each alert that the two rules on AAPL must raise, by a naive loop over it."""
    found = set()
    previous: Decimal | None = None
    for (_, as_of), price in sorted(item for item in rows.items() if item[0][0] == "AAPL"):
        if price > 150 and (previous is None or previous <= 150):
            found.add(("over", as_of, str(price)))
        if previous is not None and previous < 200 <= price:
            found.add(("up", as_of, str(price)))
        previous = price
    return found


def raised_alerts(environment: dict[str, str]) -> set[tuple[str, str, str]]:
    found = json.loads(stockwire("alerts", "--format", "json", environment=environment).stdout)
    alerts = {(each["rule_name"], each["as_of"].replace("Z", ".000000Z"), each["price"]) for each in found}
    assert len(alerts) == len(found), "an alert was raised twice"
    return alerts


def replay_twice_and_check(path: Path, environment: dict[str, str], timeout: float) -> None:
    expected = read_file(path)
    for _ in range(2):
        done = stockwire("replay", str(path), environment=environment, timeout=timeout)
        assert done.returncode == 0, done.stderr
        assert f"published {len(expected)} events" in done.stdout.replace(",", "")
        until(lambda: count_stored(environment) == len(expected), "every row", timeout)
        until(lambda: raised_alerts(environment) == expected_alerts(expected), "every alert", timeout)
        assert read_history(environment) == expected
    check_output(path, environment, timeout)


@pytest.mark.usefixtures("consumers")
def test_a_year_of_20_symbols_replayed_twice_is_stored_and_alerted_once(
    real_prices: Path, environment: dict[str, str]
) -> None:
    replay_twice_and_check(real_prices, environment, 60)


@pytest.mark.usefixtures("consumers")
def test_splits_in_a_file_adjust_its_prices_and_rescale_rules(
    real_prices_of_splits: Path, environment: dict[str, str]
) -> None:
    """TSLA rose by an eighth on the day of its split, which looks like a crash: no rule may fire or wait for that."""
    run = partial(stockwire, environment=environment)
    assert run("rules", "add", "low", "TSLA below 1000").returncode == 0
    done = run("replay", str(real_prices_of_splits), timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    listed = run("splits", "list", "--format", "csv").stdout.splitlines()
    assert {"AAPL,2020-08-31,4:1,file", "TSLA,2020-08-31,5:1,file"} <= {*listed}
    expected = read_file(real_prices_of_splits)
    until(lambda: count_stored(environment) == len(expected), "every row")
    for symbol, ratio in (("AAPL", 4), ("TSLA", 5)):
        rows = json.loads(run("history", symbol, "--adjusted", "--format", "json").stdout)
        by_hand = adjusted_by_hand(expected, symbol, Decimal(ratio))
        assert {row["as_of"]: Decimal(row["price"]) for row in rows} == by_hand
    prices = [price for _, price in sorted(adjusted_by_hand(expected, "TSLA", Decimal(5)).items())]
    firings = sum(price < 200 <= before for before, price in pairwise([Decimal(200), *prices]))
    assert firings > 1
    until(lambda: "TSLA below 200" in run("rules", "export").stdout, "the rescaled rule")
    alerts = {**environment, "STOCKWIRE_HISTORY_URL": environment["STOCKWIRE_ALERTS_URL"]}
    last = to_micros(datetime(2020, 12, 31, tzinfo=UTC))
    until(lambda: query(alerts, "select as_of from watermarks where symbol = 'TSLA'") == [(last,)], "the last price")
    assert [name for name, *_ in raised_alerts(environment)].count("low") == firings


def adjusted_by_hand(rows: Rows, symbol: str, ratio: Decimal) -> dict[str, Decimal]:
    """Return the closes of a symbol by `as_of`, divided by the ratio of its split on 2020-08-31."""
    return {
        as_of: price if as_of >= "2020-08-31" else price / ratio
        for (name, as_of), price in rows.items()
        if name == symbol
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("consumers")
def test_the_whole_file_replayed_twice_is_stored_and_alerted_once(
    all_real_prices: Path, environment: dict[str, str]
) -> None:
    assert len(read_file(all_real_prices)) == 415_080
    replay_twice_and_check(all_real_prices, environment, 300)
