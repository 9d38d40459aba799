"""Real prices through the whole pipeline by the README's commands: each price stored and each alert raised once."""

import csv
import gzip
import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.forked_processes import forked, stockwire
from tests.processes import Process, until

Rows = dict[tuple[str, str], Decimal]


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


def read_file(path: Path) -> Rows:
    """Return close by symbol and `as_of`, read with the csv module alone."""
    with gzip.open(path, "rt", newline="") as file:
        return {
            (row["symbol"], f"{row['date']}T00:00:00.000000Z"): Decimal(row["close"]) for row in csv.DictReader(file)
        }


def read_history(environment: dict[str, str]) -> Rows:
    database = sqlite3.connect(environment["STOCKWIRE_HISTORY_URL"].removeprefix("sqlite:///"))
    rows = database.execute("select symbol, as_of, price from price_history").fetchall()
    database.close()
    found = {(symbol, as_of): Decimal(repr(price)) for symbol, as_of, price in rows}
    assert len(found) == len(rows), "a price is stored twice"
    return found


def count_stored(environment: dict[str, str]) -> int:
    database = sqlite3.connect(environment["STOCKWIRE_HISTORY_URL"].removeprefix("sqlite:///"))
    (count,) = database.execute("select count(*) from price_history").fetchone()
    database.close()
    return int(count)


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


@pytest.mark.usefixtures("consumers")
def test_a_year_of_20_symbols_replayed_twice_is_stored_and_alerted_once(
    real_prices: Path, environment: dict[str, str]
) -> None:
    replay_twice_and_check(real_prices, environment, 60)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("consumers")
def test_the_whole_file_replayed_twice_is_stored_and_alerted_once(
    all_real_prices: Path, environment: dict[str, str]
) -> None:
    assert len(read_file(all_real_prices)) == 415_080
    replay_twice_and_check(all_real_prices, environment, 300)
