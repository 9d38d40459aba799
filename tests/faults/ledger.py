"""Ledgers of attempted and confirmed events, and checks of the stored rows and alerts against them."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from shared.events import PriceAlert, StockData, stock_data_id
from shared.prices import from_float
from shared.times import parse_instant


class PromiseBroken(AssertionError):
    """Something was lost, doubled or made up. Each control must end with this error."""


@dataclass
class Ledger:
    """Events by id: attempted ones were given to RabbitMQ, confirmed ones were confirmed by RabbitMQ."""

    attempted: dict[str, StockData] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)


class Stored(NamedTuple):
    """A row of `price_history`."""

    id: str
    price: Decimal


class Alerted(NamedTuple):
    """An alert, identified by its rule and its event."""

    rule: str
    event_id: str


def read_history(path: Path) -> list[Stored]:
    """Return every row, read with sqlite3 alone; no rows if the table does not exist yet."""
    rows = _read(path, "select symbol, as_of, price, provider from price_history")
    return [
        Stored(stock_data_id(provider, symbol, parse_instant(as_of)), from_float(price))
        for symbol, as_of, price, provider in rows
    ]


def read_alerts(path: Path) -> list[Alerted]:
    return [Alerted(*row) for row in _read(path, "select rule_name, event_id from price_alerts")]


def count_history(path: Path) -> int:
    return next(iter(_read(path, "select count(*) from price_history")), (0,))[0]  # type: ignore[return-value]


def check_history(ledger: Ledger, rows: Iterable[Stored], dead: Collection[str] = ()) -> None:
    """Check that confirmed events are stored or dead, and that each row is an attempted event, once and unchanged."""
    found = list(rows)
    times = Counter(row.id for row in found)
    assert_none("confirmed events lost", ledger.confirmed - times.keys() - set(dead))
    assert_none("events stored that nobody published", times.keys() - ledger.attempted.keys())
    assert_none("events stored twice", [each for each, count in times.items() if count > 1])
    assert_none("prices changed", [row for row in found if row.price != ledger.attempted[row.id].price])


def check_deliveries(deliveries: Collection[str], rows: Collection[Stored]) -> int:
    """Check that each delivered event is one row, and return the number of redeliveries."""
    assert_none("rows that were never delivered", {row.id for row in rows} - set(deliveries))
    absorbed = len(deliveries) - len(rows)
    again = sum(count - 1 for count in Counter(deliveries).values())
    if absorbed != again:
        raise PromiseBroken(f"{len(deliveries)} deliveries, {again} of them again, made {len(rows)} rows")
    return absorbed


def check_alerts(ledger: Ledger, raised: Collection[Alerted], thresholds: Mapping[str, Decimal]) -> None:
    """Check that each expected alert was raised once, and no other alert."""
    assert_none("alerts raised twice", [each for each, count in Counter(raised).items() if count > 1])
    expected = expected_alerts(ledger.attempted.values(), thresholds)
    assert_none("alerts not raised", expected - set(raised))
    assert_none("alerts raised for nothing", set(raised) - expected)


def check_wire(heard: Collection[PriceAlert], raised: Collection[Alerted]) -> None:
    """Check that each alert was published at least once, under one id and in order, and nothing else."""
    first = {alert.id: alert for alert in reversed(heard)}
    found = Counter(Alerted(alert.rule_name, alert.event_id) for alert in first.values())
    assert_none("alerts published that are not in the table", found.keys() - set(raised))
    assert_none("alerts never published", set(raised) - found.keys())
    assert_none("alerts published under several ids", [each for each, count in found.items() if count > 1])
    order = [first[each].as_of for each in dict.fromkeys(alert.id for alert in heard)]
    assert_none("alerts published out of order", [after for before, after in pairwise(order) if after < before])


def expected_alerts(events: Iterable[StockData], thresholds: Mapping[str, Decimal]) -> set[Alerted]:
    """Return the alerts of rules `* crossing <threshold>`: previous < threshold <= price, or the reverse."""
    found = set()
    previous: dict[str, Decimal] = {}
    for event in sorted(events, key=lambda each: each.as_of):
        before = previous.get(event.symbol)
        for rule, threshold in thresholds.items():
            if before is not None and (before < threshold <= event.price or before > threshold >= event.price):
                found.add(Alerted(rule, event.id))
        previous[event.symbol] = event.price
    return found


def assert_none(what: str, found: Collection[object]) -> None:
    """Raise PromiseBroken, which names one of them, if anything was found."""
    if found:
        raise PromiseBroken(f"{len(found)} {what}, such as {next(iter(found))}")


def _read(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, timeout=30)) as database:
        try:
            return database.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return []
