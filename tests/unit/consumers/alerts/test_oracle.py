"""Rules of every kind on random prices do what the oracle expects, and the oracle knows cases worked out by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.alerts.feeds import Hold
from consumers.alerts.rule_run import Firing, RuleRun
from tests.alert_oracle import Expected, Oracle, OracleRule, Price
from tests.alert_strategies import SYMBOLS, UNSHRUNK, arrivals, rules
from tests.event_factories import AS_OF, property_test
from tests.oracle_comparison import engine_event, engine_rule

DAY = timedelta(days=1)


def take(run: RuleRun, price: Price) -> list[Expected]:
    """Return what the engine tells of a price."""
    found = run.take(engine_event(price))
    if found is None or isinstance(found, Hold):
        return []
    return [told(run, found)]


def told(run: RuleRun, firing: Firing) -> Expected:
    event, outcome, previous = firing
    before = None if previous is None else previous.price
    threshold = run.rule.condition.threshold
    return Expected(run.rule.name, event.symbol, outcome.value, event.as_of, event.price, before, threshold)


def held(run: RuleRun) -> set[str]:
    return {symbol for symbol, feed in run.feeds.items() if feed.hold is not None and not feed.hold.released}


@settings(property_test, phases=UNSHRUNK)
@given(st.lists(rules(st.sampled_from([*SYMBOLS, "*"])), min_size=6, max_size=12), arrivals(), st.data())
def test_rules_do_what_the_oracle_expects(
    some_rules: list[OracleRule], prices: list[Price], data: st.DataObject
) -> None:
    pairs = [(RuleRun(engine_rule(rule)), Oracle([rule])) for rule in some_rules]
    for price in prices:
        for run, oracle in pairs:
            assert take(run, price) == oracle.take(price), (price, run.rule)
            assert held(run) == oracle.held
        waiting = sorted(set().union(*(oracle.held for _, oracle in pairs)))
        for symbol in waiting:
            if data.draw(st.booleans(), "release"):
                release_as_it_is(pairs, symbol)


def release_as_it_is(pairs: Sequence[tuple[RuleRun, Oracle]], symbol: str) -> None:
    for run, oracle in pairs:
        if symbol in oracle.held:
            oracle.release(symbol, None)
            feed = run.feeds[symbol]
            assert feed.hold is not None
            feed.hold = replace(feed.hold, released=True)


def daily(prices: Sequence[str]) -> list[Price]:
    return [Price("AAPL", AS_OF + number * DAY, Decimal(price)) for number, price in enumerate(prices)]


@pytest.mark.parametrize(
    ("text", "options", "prices", "expected"),
    [
        ("AAPL above 200", {}, ["201", "202", "200", "201"], [0, 3]),
        ("AAPL above 200", {"on_arm": "wait"}, ["201", "202", "200", "201"], [3]),
        ("AAPL above 200", {"rearm": "195"}, ["201", "199", "201", "195", "201"], [0, 4]),
        ("AAPL above 200", {"for": "2d"}, ["201", "201", "201", "201", "200", "201"], [2]),
        ("AAPL above 200", {"frequency": "once-per:4d"}, ["201", "200", "201", "200", "201"], [0, 4]),
        ("AAPL above 200", {"frequency": "once"}, ["201", "200", "201"], [0]),
        ("AAPL crossing up 200", {}, ["201", "199", "200", "201", "199", "201"], [2, 5]),
        ("AAPL crossing 200", {}, ["201", "200", "199", "200"], [1, 3]),
        ("AAPL outside channel 180 200", {}, ["180", "201", "202", "200", "179"], [1, 4]),
        ("AAPL entering channel 180 200", {}, ["190", "201", "200"], [2]),
        ("AAPL moving down 10% in 2d", {}, ["200", "190", "180", "175", "170"], [2]),
        ("AAPL moving up 5 in 1d", {}, ["100", "104", "109", "110", "115"], [2, 4]),
        ("AAPL new high in 4d", {}, ["10", "11", "12", "13", "13", "12", "14"], [2, 6]),
        ("AAPL crossing down 200", {"rearm": "205"}, ["201", "200", "201", "200", "205", "200"], [1, 5]),
        ("AAPL below 200", {"for": "2d", "rearm": "205"}, ["199", "201", "199", "199", "199", "201", "199"], [4]),
        ("AAPL new low in 4d", {}, ["14", "13", "12", "12", "11"], [2, 4]),
        ("AAPL above 120", {}, ["130", "64", "130"], [0]),
    ],
)
def test_oracle_and_engine_fire_on_the_daily_prices_worked_out_by_hand(
    text: str, options: dict[str, str], prices: list[str], expected: list[int]
) -> None:
    rule = OracleRule("rule", text, options)
    run, oracle = RuleRun(engine_rule(rule)), Oracle([rule])
    assert [number for number, price in enumerate(daily(prices)) if oracle.take(price)] == expected
    assert [number for number, price in enumerate(daily(prices)) if take(run, price)] == expected


def test_the_oracle_ends_a_hold_with_the_ratio_of_the_split() -> None:
    rule = OracleRule("rule", "AAPL above 480")
    oracle = Oracle([rule, OracleRule("high", "* new high in 4d")])
    for number, price in enumerate(["460", "470", "118"]):
        assert oracle.take(Price("AAPL", AS_OF + number * DAY, Decimal(price))) == []
    assert oracle.held == {"AAPL"}
    assert oracle.take(Price("MSFT", AS_OF, Decimal(500))) == []
    oracle.release("AAPL", Fraction(4))
    [above, high] = oracle.take(Price("AAPL", AS_OF + 3 * DAY, Decimal(121)))
    assert above == Expected("rule", "AAPL", "firing", AS_OF + 3 * DAY, Decimal(121), Decimal("117.5"), Decimal(120))
    assert high.rule == "high"
