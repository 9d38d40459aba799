"""Splits that the history knows, applied to rules without asking, on real SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from consumers.alerts.handler import AlertHandler
from consumers.alerts.known_splits import replace_known_splits
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule, list_rules
from consumers.alerts.store import load_feeds, load_pending_splits, read_alerts
from shared.database.engine import reading
from shared.events import StockData
from shared.splits import Split
from tests.event_factories import changed, stock_data

SPLIT = Split("TSLA", date(2020, 8, 31), 5, 1)
# TSLA's closes of 2020, from 26 August on: on the day of the split it rose by an eighth, which the split guard cannot
# tell from a crash.
CLOSES = [(26, "2153.17"), (27, "2238.75"), (28, "2213.4"), (31, "498.32"), (32, "475.05")]
NOW = datetime(2020, 9, 9, tzinfo=UTC)


def closes(first: int = 0, last: int = len(CLOSES), symbol: str = "TSLA") -> list[StockData]:
    start = datetime(2020, 7, 31, 20, tzinfo=UTC)
    events = [stock_data(symbol, price, start + timedelta(days=day), "yahoo") for day, price in CLOSES[first:last]]
    return [changed(event, observed_at=event.as_of) for event in events]


def handler(engine: Engine) -> AlertHandler:
    return AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW)


def add(engine: Engine, *texts: str) -> None:
    for text in texts:
        add_rule(engine, text, parse_terms(text), NOW)


def fired(engine: Engine) -> list[tuple[str, str]]:
    return [(alert.rule_name, f"{alert.as_of:%d}") for alert in read_alerts(engine)]


def rules(engine: Engine) -> list[str]:
    return [str(rule.terms) for rule in list_rules(engine)]


def pending(engine: Engine) -> Sequence[Split]:
    with reading(engine) as connection:
        return load_pending_splits(connection, ["TSLA"]).get("TSLA", ())


def is_held(engine: Engine, symbol: str) -> bool:
    with reading(engine) as connection:
        hold = load_feeds(connection, [symbol])[symbol].hold
        return hold is not None and not hold.released


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_rules_are_rescaled_between_the_prices_around_a_known_split(engine: Engine, size: int) -> None:
    """One batch may hold prices from before and after the split."""
    add(engine, "TSLA below 2000", "TSLA crossing down 480", "TSLA moving down 50% in 3d", "TSLA new high in 6d")
    replace_known_splits(engine, ["TSLA"], [SPLIT])
    handle = handler(engine)
    events = closes()
    for first in range(0, len(events), size):
        handle(events[first : first + size])
    # Nothing has halved, and 498.32 is more than a fifth of each close before.
    assert fired(engine) == [("TSLA new high in 6d", "31")]
    assert rules(engine)[:2] == ["TSLA below 400", "TSLA crossing down 96"]
    assert pending(engine) == ()
    assert not is_held(engine, "TSLA")


def test_without_the_split_the_same_prices_are_a_crash(engine: Engine) -> None:
    add(engine, "TSLA below 2000", "TSLA moving down 50% in 3d")
    handler(engine)(closes())
    assert fired(engine) == [("TSLA below 2000", "31"), ("TSLA moving down 50% in 3d", "31")]


def test_a_split_is_applied_once(engine: Engine) -> None:
    add(engine, "TSLA below 2000")
    replace_known_splits(engine, ["TSLA"], [SPLIT])
    handler(engine)(closes())
    replace_known_splits(engine, ["TSLA"], [SPLIT])
    handler(engine)(closes())
    assert rules(engine) == ["TSLA below 400"]


def test_other_symbols_in_the_same_batch_keep_their_rules(engine: Engine) -> None:
    add(engine, "TSLA below 2000", "MSFT below 2000", "* below 1000")
    replace_known_splits(engine, ["TSLA"], [SPLIT])
    handler(engine)([event for pair in zip(closes(), closes(symbol="MSFT"), strict=True) for event in pair])
    assert rules(engine) == ["TSLA below 400", "MSFT below 2000", "* below 1000"]
    # A rule on every symbol keeps its threshold, and its state on TSLA.
    assert ("MSFT below 2000", "31") in fired(engine)
    assert not [name for name, _ in fired(engine) if name.startswith("TSLA")]


def test_a_split_that_becomes_known_while_its_jump_holds_the_rules_releases_them(engine: Engine) -> None:
    add(engine, "AAPL below 400", "AAPL below 126")
    prices = [("2020-08-28T20:00", "499.23"), ("2020-08-31T20:00", "129.04"), ("2020-09-01T20:00", "134.18")]
    events = [
        stock_data("AAPL", price, datetime.fromisoformat(time).replace(tzinfo=UTC), "yahoo") for time, price in prices
    ]
    events = [changed(event, observed_at=event.as_of) for event in events]
    handle = handler(engine)
    handle(events[:2])
    assert is_held(engine, "AAPL")
    replace_known_splits(engine, ["AAPL"], [Split("AAPL", date(2020, 8, 31), 4, 1)])
    assert not is_held(engine, "AAPL")
    assert rules(engine) == ["AAPL below 100", "AAPL below 31.5"]
    handle(events[2:])
    assert fired(engine) == []


def test_a_split_from_before_the_last_price_changes_nothing(engine: Engine) -> None:
    add(engine, "TSLA below 2000")
    handle = handler(engine)
    handle(closes(3, 4))
    replace_known_splits(engine, ["TSLA"], [SPLIT])
    handle(closes(4))
    assert rules(engine) == ["TSLA below 2000"]
    assert pending(engine) == [SPLIT]


def test_a_removed_split_is_not_applied_and_a_corrected_one_is(engine: Engine) -> None:
    add(engine, "TSLA below 2000")
    replace_known_splits(engine, ["TSLA"], [SPLIT])
    replace_known_splits(engine, ["TSLA"], [Split("TSLA", SPLIT.day, 4, 1)])
    assert [split.ratio for split in pending(engine)] == ["4:1"]
    replace_known_splits(engine, ["TSLA"], [])
    assert pending(engine) == ()
    handle = handler(engine)
    handle(closes(0, 3))
    # A running consumer takes it into account.
    replace_known_splits(engine, ["TSLA"], [SPLIT])
    handle(closes(3))
    assert rules(engine) == ["TSLA below 400"]


def test_a_price_of_another_world_is_not_taken_for_a_split(engine: Engine) -> None:
    add(engine, "TSLA below 2000")
    replace_known_splits(engine, ["TSLA"], [SPLIT])
    handle = handler(engine)
    handle(closes(0, 3))
    handle([changed(each, provider="simulated") for each in closes(3, 4)])
    assert rules(engine) == ["TSLA below 2000"]
