"""Tests of rules: prices through the live engine, and the times at which the rule fired."""

from collections.abc import Iterator
from datetime import datetime

from consumers.alerts.conditions.metrics import Kind
from consumers.alerts.feeds import Hold
from consumers.alerts.rule_run import Firing, RuleRun
from consumers.alerts.rules.files import RuleTest
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.split_guard import describe_ratio
from consumers.alerts.states import Outcome
from shared.events import StockData
from shared.prices import format_price
from shared.times import format_instant

# Any symbol will do for a rule on `*`.
_SYMBOL = "TEST"
_PROVIDER = "test"


def failures(rule: Rule, test: RuleTest) -> Iterator[str]:
    """Yield each difference between what a test expects and what the rule does."""
    missing = _missing_number(rule)
    if missing is not None:
        yield f"rule {rule.name!r} cannot be tested with prices: `{rule.condition}` needs {missing}"
        return
    run = RuleRun(rule)
    found = [(event, run.take(event)) for event in _events(rule, test)]
    fired = {each.event.as_of for _, each in found if isinstance(each, Firing) and each.outcome is Outcome.FIRING}
    prices = dict(test.prices)
    for as_of in sorted(fired ^ set(test.fires)):
        price = format_price(prices[as_of])
        verb = "fires" if as_of in fired else "does not fire"
        yield f"rule {rule.name!r} {verb} at {format_instant(as_of)}, where the price is {price}{_why(found, as_of)}"


def _missing_number(rule: Rule) -> str | None:
    metric = rule.condition.metric
    if metric.kind == Kind.VOLUME:
        return "volumes"
    if metric.kind == Kind.SILENCE:
        return "a clock"
    if metric.kind in (Kind.PERCENT, Kind.AMOUNT) and metric.window is None:
        return "the previous close"
    return None


def _events(rule: Rule, test: RuleTest) -> Iterator[StockData]:
    symbol = _SYMBOL if rule.terms.symbol == EVERY_SYMBOL else rule.terms.symbol
    for as_of, price in test.prices:
        yield StockData.create(
            symbol=symbol, price=price, currency=None, as_of=as_of, provider=_PROVIDER, observed_at=as_of
        )


def _why(found: list[tuple[StockData, Firing | Hold | None]], as_of: datetime) -> str:
    """Return that the rule is held by a jump before this time, if it is."""
    hold = next((each for _, each in found if isinstance(each, Hold)), None)
    if hold is None or hold.as_of > as_of:
        return ""
    jump = f"{format_price(hold.previous_price)} to {format_price(hold.price)}"
    return f": it is held, because the jump from {jump} may be a split of {describe_ratio(hold.ratio)}"
