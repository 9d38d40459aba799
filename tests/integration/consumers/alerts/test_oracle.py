"""The alerts of the handler and its database, compared with the oracle alert by alert."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from consumers.alerts.handler import AlertHandler
from consumers.alerts.store import read_alerts
from consumers.alerts.tables import SCHEMA
from shared.database.engine import open_engine
from shared.database.schema import create_schema
from tests.alert_oracle import Expected, Oracle, Price
from tests.event_factories import NOW
from tests.oracle_comparison import engine_alerts, engine_event, held_symbols, release_all, store_rules, until_held
from tests.real_price_rules import RealPrices, read_real_prices, rules_on

# Most prices are late by at most LATE days, by a window in which they are shuffled.
LATE = 4
MOST_IN_BATCH = 500
RESTARTS = 0.1
REAL_PRICES = pytest.mark.parametrize(
    "prices",
    ["real_prices_of_splits", pytest.param("all_real_prices", marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(make_url(f"sqlite:///{tmp_path / 'alerts.db'}"))
    create_schema(engine, SCHEMA)
    yield engine
    engine.dispose()


def compare(engine: Engine, real: RealPrices, arrivals: Iterable[Price], chance: random.Random) -> None:
    """Give the arrivals to both in batches, and compare all alerts. Some batches come again after a restart."""
    oracle = Oracle(rules_on(real.prices))
    store_rules(engine, oracle.rules)
    expected: list[Expected] = []
    published: list[str] = []

    def started() -> AlertHandler:
        return AlertHandler(engine, lambda messages: published.extend(each.id for each in messages) or 0, lambda: NOW)

    handle = started()
    left = iter(arrivals)
    while batch := [*islice(until_held(oracle, left, expected), chance.randint(1, MOST_IN_BATCH))]:
        events = [engine_event(price) for price in batch]
        handle(events)
        if chance.random() < RESTARTS:
            handle = started()
            handle(events)
        assert held_symbols(engine) == oracle.held
        release_all(oracle, engine, real)
    raised = list(read_alerts(engine))
    assert_equal(list(engine_alerts(raised)), expected)
    assert {alert.id for alert in raised} <= set(published)
    assert len(published) == len(set(published))


def assert_equal(raised: Sequence[Expected], expected: Sequence[Expected]) -> None:
    """Show the first differences, of which there may be thousands."""
    assert sorted(set(raised) - set(expected), key=str)[:5] == [], "raised for nothing"
    assert sorted(set(expected) - set(raised), key=str)[:5] == [], "not raised"
    assert list(raised) == list(expected)
    counts = Counter(alert.rule.partition(" ")[2] or alert.rule for alert in expected)
    print(sorted(counts.items()))
    assert len(counts) == 10, "a rule that never fires shows nothing"


def shuffled_twice(prices: Sequence[Price], chance: random.Random) -> list[Price]:
    """Return each price twice, shuffled within a window of days."""
    window = LATE * len({price.symbol for price in prices})
    arrivals = [(place + chance.uniform(0, window), price) for place, price in enumerate(prices) for _ in range(2)]
    return [price for _, price in sorted(arrivals, key=lambda arrival: arrival[0])]


@REAL_PRICES
def test_real_prices_raise_the_alerts_of_the_oracle(
    request: pytest.FixtureRequest, prices: str, engine: Engine
) -> None:
    real = read_real_prices(request.getfixturevalue(prices))
    compare(engine, real, real.prices, random.Random(0))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_real_prices_raise_the_alerts_of_the_oracle_on_postgresql(real_prices_of_splits: Path, postgresql: str) -> None:
    """Each comes twice, and some late. The rules are found by another query there."""
    real = read_real_prices(real_prices_of_splits)
    engine = open_engine(make_url(postgresql))
    create_schema(engine, SCHEMA)
    chance = random.Random(2)
    compare(engine, real, shuffled_twice(real.prices, chance), chance)
    engine.dispose()


@REAL_PRICES
def test_real_prices_that_come_twice_and_late_raise_the_alerts_of_the_oracle(
    request: pytest.FixtureRequest, prices: str, engine: Engine
) -> None:
    real = read_real_prices(request.getfixturevalue(prices))
    chance = random.Random(1)
    compare(engine, real, shuffled_twice(real.prices, chance), chance)
    newest: dict[tuple[str, str], datetime] = {}
    for alert in read_alerts(engine):
        key = alert.rule_name, alert.symbol
        assert newest.get(key, alert.as_of) <= alert.as_of, "a late price fired"
        newest[key] = alert.as_of
