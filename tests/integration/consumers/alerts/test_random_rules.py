"""Random rules and prices through the handler and its database raise the alerts of the oracle, also after splits."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from consumers.alerts.handler import AlertHandler
from consumers.alerts.store import read_alerts
from consumers.alerts.tables import SCHEMA
from shared.database.engine import open_engine
from shared.database.schema import create_schema
from tests.alert_oracle import Expected, Oracle, OracleRule, Price
from tests.alert_strategies import SYMBOLS, UNSHRUNK, arrivals, rules
from tests.event_factories import AS_OF, NOW
from tests.oracle_comparison import engine_alerts, engine_event, held_symbols, release, store_rules

RATIOS = [None, Fraction(2), Fraction(4), Fraction(1, 2), Fraction(1, 4), Fraction(1, 3)]
SOME_RULES = st.lists(rules(st.sampled_from([*SYMBOLS, "*"])), min_size=3, max_size=8)


@contextmanager
def empty_database() -> Iterator[Engine]:
    with TemporaryDirectory() as folder:
        engine = open_engine(make_url(f"sqlite:///{Path(folder) / 'alerts.db'}"))
        create_schema(engine, SCHEMA)
        yield engine
        engine.dispose()


# A price that is ahead of the clock would make no later price late.
AFTER_ALL_PRICES = NOW + timedelta(days=1000)


def handler(engine: Engine) -> AlertHandler:
    return AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: AFTER_ALL_PRICES)


def compare(engine: Engine, some_rules: list[OracleRule], prices: list[Price], data: st.DataObject) -> None:
    """Give the prices to both in batches; a restart repeats the end of what came before, and a hold may go on."""
    oracle = Oracle([OracleRule(f"rule {number}", each.text, each.options) for number, each in enumerate(some_rules)])
    store_rules(engine, oracle.rules)
    expected: list[Expected] = []
    handle = handler(engine)
    taken = 0
    while taken < len(prices):
        count = data.draw(st.integers(1, 8), "batch")
        batch = prices[taken : taken + count]
        again = data.draw(st.sampled_from([0, 0, 0, 1, 4]), "repeated after a restart")
        if again:
            handle = handler(engine)
            # A redelivery of another world is no repetition: it changes the world again.
            batch = [*prices[max(0, taken - again) : taken], *batch]
        handle([engine_event(price) for price in batch])
        expected += [alert for price in batch for alert in oracle.take(price)]
        taken += count
        assert held_symbols(engine) == oracle.held
        for symbol in sorted(oracle.held):
            if data.draw(st.booleans(), "release"):
                release(oracle, engine, symbol, data.draw(st.sampled_from(RATIOS), "ratio"))
    assert list(engine_alerts(read_alerts(engine))) == once_each(expected)


def once_each(alerts: list[Expected]) -> list[Expected]:
    """Leave out what a price that came again after a change of world raises once more: an alert is stored once."""
    first: dict[tuple[object, ...], Expected] = {}
    for each in alerts:
        first.setdefault(each[:4], each)
    return list(first.values())


@settings(deadline=None, max_examples=15, phases=UNSHRUNK)
@given(SOME_RULES, arrivals(), st.data())
def test_random_rules_raise_the_alerts_of_the_oracle(
    some_rules: list[OracleRule], prices: list[Price], data: st.DataObject
) -> None:
    with empty_database() as engine:
        compare(engine, some_rules, prices, data)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(deadline=None, max_examples=500, phases=UNSHRUNK)
@given(SOME_RULES, arrivals(30, 60), st.data())
def test_many_random_rules_raise_the_alerts_of_the_oracle(
    some_rules: list[OracleRule], prices: list[Price], data: st.DataObject
) -> None:
    with empty_database() as engine:
        compare(engine, some_rules, prices, data)


def test_a_rescale_changes_no_state_of_a_rule_on_every_symbol() -> None:
    """A `*` rule keeps its threshold, and its state: what it has told, it does not tell again after a rescale."""
    prices = [Price("AAPL", AS_OF + timedelta(days=day), Decimal(price)) for day, price in enumerate([100, 50, 70])]
    oracle = Oracle([OracleRule("low", "* below 102")])
    with empty_database() as engine:
        store_rules(engine, oracle.rules)
        handler(engine)([engine_event(price) for price in prices[:2]])
        expected = [alert for price in prices[:2] for alert in oracle.take(price)]
        release(oracle, engine, "AAPL", Fraction(1, 2))
        handler(engine)([engine_event(prices[2])])
        expected += oracle.take(prices[2])
        assert list(engine_alerts(read_alerts(engine))) == expected


def test_a_change_of_world_after_a_rescale_lets_a_rule_on_every_symbol_begin_afresh() -> None:
    prices = [
        Price("AAPL", AS_OF + timedelta(days=day), Decimal(price), currency)
        for day, (price, currency) in enumerate([(110, "USD"), (100, "USD"), (50, "USD"), (150, "EUR"), (101, "EUR")])
    ]
    oracle = Oracle([OracleRule("low", "* below 102", {"on_arm": "wait"})])
    expected = []
    with empty_database() as engine:
        store_rules(engine, oracle.rules)
        for price in prices:
            handler(engine)([engine_event(price)])
            expected += oracle.take(price)
            if oracle.held:
                release(oracle, engine, "AAPL", Fraction(1, 2))
        assert list(engine_alerts(read_alerts(engine))) == expected
    assert [each.price for each in expected] == [100, 101]
