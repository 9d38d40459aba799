"""Real prices through handler and store, compared with a few lines of Python over the same file."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from consumers.alerts.handler import AlertHandler
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from consumers.alerts.store import read_alerts
from shared.database.engine import open_engine
from shared.events import StockData
from shared.prices import read_price
from tests.event_factories import NOW, stock_data

BATCH = 500


def rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def event(row: dict[str, str]) -> StockData:
    return stock_data(row["symbol"], read_price(row["close"]), datetime.fromisoformat(row["date"]).replace(tzinfo=UTC))


def naive_alerts(path: Path) -> list[tuple[str, str, Decimal]]:
    """Return (rule, date, close) for each time AAPL crosses up 200 or falls below 150."""
    closes = [(row["date"], Decimal(row["close"])) for row in rows(path) if row["symbol"] == "AAPL"]
    found, previous = [], None
    for date, close in closes:
        if previous is not None and previous < 200 <= close:
            found.append(("breakout", date, close))
        if close < 150 and (previous is None or previous >= 150):
            found.append(("cheap", date, close))
        previous = close
    return found


@pytest.mark.parametrize("prices", ["real_prices", pytest.param("all_real_prices", marks=pytest.mark.slow)])
def test_two_rules_raise_the_same_alerts_as_a_naive_loop_over_real_prices(
    request: pytest.FixtureRequest, prices: str, alerts_url: URL
) -> None:
    path = request.getfixturevalue(prices)
    engine = open_engine(alerts_url)
    add_rule(engine, "breakout", parse_terms("AAPL crossing up 200"), NOW)
    add_rule(engine, "cheap", parse_terms("AAPL below 150"), NOW)
    published: list[str] = []
    handle = AlertHandler(engine, lambda messages: published.extend(each.id for each in messages) or 0)
    # Only symbols with A, to keep the test short.
    events = [event(row) for row in rows(path) if row["symbol"].startswith("A")]
    for start in range(0, len(events), BATCH):
        handle(events[start : start + BATCH])
    alerts = list(read_alerts(engine))
    engine.dispose()
    expected = naive_alerts(path)
    assert [(alert.rule_name, f"{alert.as_of:%Y-%m-%d}", alert.price) for alert in alerts] == expected
    assert len(expected) > 5
    assert published == [alert.id for alert in alerts]
