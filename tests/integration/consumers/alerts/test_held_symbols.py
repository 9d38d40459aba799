"""The list of symbols whose rules wait, on real SQLite and PostgreSQL."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Engine

from consumers.alerts.handler import AlertHandler
from consumers.alerts.held_symbols import read_held_symbols
from consumers.alerts.rules.changes import disable_rule, rescale
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from shared.database.engine import reading
from tests.event_factories import AS_OF, NOW, stock_data

HOUR = timedelta(hours=1)


def test_a_held_symbol_has_its_jump_and_its_rules_until_it_is_released(engine: Engine) -> None:
    for name, terms in {"a": "AAPL above 500", "b": "* below 1", "c": "MSFT above 1", "d": "AAPL below 1"}.items():
        add_rule(engine, name, parse_terms(terms), NOW)
    disable_rule(engine, "d")
    handler = AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW)
    prices = [("AAPL", "400", 0), ("MSFT", "10", 0), ("AAPL", "101", 20), ("AAPL", "102", 21), ("MSFT", "100", 22)]
    handler([stock_data(symbol, price, AS_OF - 30 * HOUR + hours * HOUR) for symbol, price, hours in prices])
    with reading(engine) as connection:
        found = read_held_symbols(connection)
    assert [(each["symbol"], each["ratio"], each["rules"]) for each in found] == [
        ("MSFT", "1:10", ["b", "c"]),
        ("AAPL", "4:1", ["a", "b"]),
    ]
    assert found[1] | {"symbol": "", "ratio": "", "rules": []} == {
        "symbol": "",
        "as_of": "2024-11-19T23:59:58.000000Z",
        "price": "101",
        "previous_price": "400",
        "ratio": "",
        "last_as_of": "2024-11-20T00:59:58.000000Z",
        "last_price": "102",
        "rules": [],
    }
    rescale(engine, "AAPL", Decimal(4))
    rescale(engine, "MSFT", None)
    with reading(engine) as connection:
        assert read_held_symbols(connection) == []
