"""A fixture that runs a rule over prices."""

from collections.abc import Callable

import pytest

from consumers.alerts.rule_run import Firing, RuleRun
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.states import Outcome
from tests.event_factories import price_series

FiredAt = Callable[[str, str], str]
_MARKS = {Outcome.FIRING: "!", Outcome.RESOLVED: "-"}


@pytest.fixture
def fired_at() -> FiredAt:
    """Return a function of a condition and of prices: `!` for each price that fires, `.` for each other price."""

    def run(terms: str, prices: str) -> str:
        rule_run = RuleRun(Rule(1, "rule", parse_terms(terms), revision=1))
        found = [rule_run.take(event) for event in price_series(prices.split())]
        return " ".join(_MARKS[each.outcome] if isinstance(each, Firing) else "." for each in found)

    return run
