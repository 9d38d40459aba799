"""A fixture that runs a rule over prices."""

from collections.abc import Callable

import pytest

from consumers.alerts.engine import RuleIndex
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.parser import parse_condition
from tests.event_factories import price_series

FiredAt = Callable[[str, str], str]


@pytest.fixture
def fired_at() -> FiredAt:
    """Return a function of a condition and of prices: `!` for each price that fires, `.` for each other price."""

    def run(condition: str, prices: str) -> str:
        index = RuleIndex([Rule(1, "rule", parse_condition(condition), revision=1)], revision=1)
        marks = []
        watermark = None
        for event in price_series(prices.split()):
            watermark, fired = index.evaluate(event, watermark)
            marks.append("!" if fired else ".")
        return " ".join(marks)

    return run
