"""Rules tried on past prices, in memory."""

from datetime import timedelta
from typing import Any

import pytest

from consumers.alerts.dry_run import Trial, missing_data, try_rules, warm_up
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.options import Frequency, Options
from consumers.alerts.rules.parser import parse_terms
from tests.event_factories import AS_OF, price_series, stock_data

DAY = timedelta(days=1)


def rule(terms: str, **options: Any) -> Rule:
    return Rule(1, "rule", parse_terms(terms), 1, Options(**options))


def tried(each: Rule, prices: str, since: int = 0, provider: str = "yahoo") -> list[str]:
    """Return the prices at which a rule fires that is added before the price of this number. Prices are daily."""
    events = [stock_data("AAPL", price, AS_OF + number * DAY, provider) for number, price in enumerate(prices.split())]
    trial = Trial("AAPL", [provider])
    try_rules(trial, [each], events, AS_OF + since * DAY, points=False)
    assert trial.count == len(events) - since
    return [str(found.event.price) for found in trial.occurrences if found.state == "firing"]


@pytest.mark.parametrize(
    ("terms", "prices", "since", "fired"),
    [
        ("AAPL above 200", "199 201 202 199 203", 0, ["201", "203"]),
        # A new rule fires if its condition is true already.
        ("AAPL above 200", "199 201 202 199 203", 2, ["202", "203"]),
        # The price before the rule was added is a previous price.
        ("AAPL crossing up 200", "199 201", 1, ["201"]),
        ("AAPL crossing up 200", "201 202", 1, []),
        # Windows begin with older prices.
        ("AAPL new high in 4d", "10 11 12 13 12", 3, ["13"]),
        ("AAPL moving up 20% in 3d", "10 11 12 13", 3, ["13"]),
        ("MSFT above 1", "10 11", 0, []),
        ("* above 10", "10 11", 0, ["11"]),
    ],
)
def test_a_rule_fires_as_if_it_had_been_added_then(terms: str, prices: str, since: int, fired: list[str]) -> None:
    assert tried(rule(terms), prices, since) == fired


def test_options_count() -> None:
    assert tried(rule("AAPL above 200", frequency=Frequency(once=True)), "201 199 201") == ["201"]


def test_past_prices_in_another_currency_or_kind_are_not_compared() -> None:
    past = price_series(["199"], provider="simulated")
    pence = price_series(["19900"], start=AS_OF + DAY, provider="yahoo", currency="GBP")
    events = price_series(["201"], start=AS_OF + 2 * DAY, provider="yahoo")
    trial = Trial("AAPL", ["yahoo"])
    try_rules(trial, [rule("AAPL crossing up 200")], [*past, *pence, *events], AS_OF + 2 * DAY, points=False)
    assert (trial.occurrences, trial.count) == ([], 1)


def test_a_jump_that_may_be_a_split_holds_the_rule_from_then_on() -> None:
    each = rule("AAPL below 200")
    trial = Trial("AAPL", ["yahoo"])
    events = [stock_data("AAPL", price, AS_OF + day * DAY) for day, price in enumerate(["400", "100", "99"])]
    try_rules(trial, [each], events, AS_OF, points=True)
    assert [(found.state, str(found.event.price)) for found in trial.occurrences] == [("held", "100")]
    assert (trial.firings(each), len(trial.points)) == (0, 3)


@pytest.mark.parametrize(
    ("terms", "missing"),
    [
        ("AAPL no data for 5m", True),
        ("AAPL moving up 5% since close", True),
        ("AAPL moving up 5% in 1h", False),
        ("AAPL volume above 5", False),
        ("AAPL above 5", False),
    ],
)
def test_a_rule_that_the_history_cannot_try_is_known(terms: str, missing: bool) -> None:
    assert (missing_data(rule(terms)) is not None) is missing


def test_the_longest_window_is_warmed_up() -> None:
    rules = [rule("AAPL above 5"), rule("AAPL new high in 52w"), rule("AAPL moving up 5% in 1h")]
    assert warm_up(rules) == timedelta(weeks=52)
    assert warm_up(rules[:1]) == timedelta(days=10)
