from collections.abc import Callable
from decimal import Decimal

import pytest

from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.rule_run import RuleRun
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.parser import parse_terms
from tests.event_factories import price_series

FiredAt = Callable[[str, str], str]


@pytest.mark.parametrize(
    ("terms", "prices", "expected"),
    [
        # The prices come every second, so the window has four of them: both ends are included.
        ("AAPL moving up 5% in 3s", "100 104.99 105 106 109 110.25 120", ". . ! . . ! ."),
        ("AAPL moving up 5% in 3s", "100 105 105 105 105 105 110.25", ". ! . . . . !"),
        ("AAPL moving up 3.5 in 3s", "100 103.49 103.5 104 103.4 107", ". . ! . . !"),
        ("AAPL moving up 0.1% in 1s", "3 3.003 3.006003 3.009", ". ! . ."),
    ],
)
def test_moving_up_in_a_window_compares_with_its_oldest_price(
    fired_at: FiredAt, terms: str, prices: str, expected: str
) -> None:
    assert fired_at(terms, prices) == expected


def test_a_price_alone_in_its_window_has_moved_by_0(fired_at: FiredAt) -> None:
    rule = Rule(1, "rule", parse_terms("AAPL moving up 1% in 1s"), revision=1)
    first, _, later = price_series(["100", "100", "500"])
    run = RuleRun(rule, guarded=False)
    assert [*run.firings([first, later])] == []


def test_moving_up_since_close_compares_with_the_close_before() -> None:
    run = RuleRun(Rule(1, "rule", parse_terms("AAPL moving up 3% since close"), revision=1))
    closes = [None, "100", "100", None, "100", "104"]
    events = [
        event
        for price, close in zip(["200", "102.99", "103", "90", "105", "107"], closes, strict=True)
        for event in [(price, close)]
    ]
    series = [
        price_series([price] * (index + 1), previous_close=None if close is None else Decimal(close))[index]
        for index, (price, close) in enumerate(events)
    ]
    # The event without a close changes nothing: the rule is firing before and after.
    assert [firing.event.price for firing in run.firings(series)] == [Decimal(103)]


@pytest.mark.parametrize(
    ("base", "change", "price", "expected"),
    [
        ("123456789012.345", "0.0000001", "123456789012.345", False),
        ("100", "5.00000000000001", "105.000000000000", False),
        ("100", "5.00000000000001", "105.00000000000001", True),
        ("0.3", "10", "0.33", True),
        ("0.3", "10", "0.329999999999999", False),
    ],
)
def test_the_change_in_percent_is_compared_exactly(base: str, change: str, price: str, expected: bool) -> None:
    condition = parse_terms(f"AAPL moving up {change}% in 1h").condition
    assert condition.is_true(Sample(Decimal(price), Decimal(base))) is expected
