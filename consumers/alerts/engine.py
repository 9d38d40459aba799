"""Evaluation of rules on prices: the cost of an event depends on how many rules fire, not on how many exist.

When a price moves, a rule can change only if its threshold lies between the old price and the new. The rules of a
symbol are sorted by threshold, and bisection finds that range. Rules with a state condition that were added since the
symbol was last evaluated are checked one after the other, because nothing is known about them yet.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from consumers.alerts.conditions.base import Interval
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.watermarks import Watermark
from shared.events import PriceAlert, StockData, stock_data_id

# Lower than the revision of any rule.
_NEVER_EVALUATED = -1

_threshold = attrgetter("condition.threshold")


class RuleIndex:
    """All rules of one revision, by symbol."""

    def __init__(self, rules: Iterable[Rule], revision: int) -> None:
        self.revision = revision
        by_symbol: defaultdict[str, list[Rule]] = defaultdict(list)
        for rule in rules:
            by_symbol[rule.condition.symbol].append(rule)
        self._by_symbol = {symbol: _SymbolIndex(members) for symbol, members in by_symbol.items()}

    def evaluate(self, event: StockData, previous: Watermark | None) -> tuple[Watermark, list[Rule]]:
        """Return the symbol's watermark after an event, and the rules that the event fires, by id.

        `previous` is None for the first event of a symbol, and if the prices are not comparable. An event that is not
        newer than `previous` fires nothing, and `previous` itself is returned.
        """
        if previous is not None and event.as_of <= previous.as_of:
            return previous, []
        watermark = Watermark(event.as_of, event.price, self.revision, event.currency, event.provider)
        indexes = (self._by_symbol.get(event.symbol), self._by_symbol.get(EVERY_SYMBOL))
        fired = [rule for index in indexes if index for rule in index.fired(event.price, previous)]
        return watermark, sorted(fired, key=attrgetter("id"))


def make_alert(rule: Rule, event: StockData, previous: Watermark | None, triggered_at: datetime) -> PriceAlert:
    """Return the alert of a rule that an event fired.

    The same rule, provider, symbol, `as_of` and interval always give the same id, whatever the id of the event.
    """
    return PriceAlert.create(
        rule_id=rule.id,
        rule_name=rule.name,
        condition=rule.condition.operator.name,
        symbol=event.symbol,
        price=event.price,
        previous_price=None if previous is None else previous.price,
        threshold=rule.condition.threshold,
        as_of=event.as_of,
        triggered_at=triggered_at,
        event_id=event.id,
        event_key=stock_data_id(event.provider, event.symbol, event.as_of, event.interval),
    )


class _SymbolIndex:
    """The rules of one symbol, or of `*`."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rising = [
            ThresholdIndex((rule for rule in rules if rule.condition.operator.rising is interval), interval)
            for interval in Interval
        ]
        self._falling = [
            ThresholdIndex((rule for rule in rules if rule.condition.operator.falling is interval), interval)
            for interval in Interval
        ]
        self._states = sorted((rule for rule in rules if rule.condition.operator.is_true), key=attrgetter("revision"))
        self._state_revisions = [rule.revision for rule in self._states]

    def fired(self, price: Decimal, previous: Watermark | None) -> Iterator[Rule]:
        evaluated = _NEVER_EVALUATED if previous is None else previous.revision
        for rule in self._states[bisect_right(self._state_revisions, evaluated) :]:
            if _is_true(rule, price):
                yield rule
        if previous is not None:
            for rule in self._between(previous.price, price):
                # Newer state rules are dealt with above.
                if rule.revision <= evaluated or not rule.condition.operator.is_true:
                    yield rule

    def _between(self, previous: Decimal, price: Decimal) -> Iterator[Rule]:
        """Yield the rules that fire because their threshold lies between two prices."""
        if price > previous:
            indexes, low, high = self._rising, previous, price
        else:
            indexes, low, high = self._falling, price, previous
        for index in indexes:
            yield from index.between(low, high)


class ThresholdIndex:
    """Rules sorted by threshold, for queries by one kind of interval."""

    def __init__(self, rules: Iterable[Rule], interval: Interval) -> None:
        self._rules = sorted(rules, key=_threshold)
        self._thresholds = [*map(_threshold, self._rules)]
        # Left-closed: low <= threshold < high. Right-closed: low < threshold <= high.
        self._bisect = bisect_left if interval is Interval.LEFT_CLOSED else bisect_right

    def between(self, low: Decimal, high: Decimal) -> Sequence[Rule]:
        """Return the rules with a threshold in the interval from `low` to `high`."""
        return self._rules[self._bisect(self._thresholds, low) : self._bisect(self._thresholds, high)]


def _is_true(rule: Rule, price: Decimal) -> bool:
    is_true = rule.condition.operator.is_true
    return is_true is not None and is_true(price, rule.condition.threshold)
