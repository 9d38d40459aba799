"""Which rules an event fires, at a cost that goes by how many those are.

When a price moves, only rules whose threshold lies between the old price and the new can change, so they are kept
sorted and that range is cut out by bisection. Beside it only `fresh` rules matter: those made since the symbol was last
evaluated, of which nothing is known yet.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from consumers.alerts.rules.parser import EVERY_SYMBOL, Condition, Rule
from shared.events import PriceAlert, StockData, price_alert_id

# Lower than the revision of any rule.
_NEVER = -1
_STATES = frozenset({Condition.ABOVE, Condition.BELOW})
_RISES = frozenset({Condition.CROSSING, Condition.CROSSING_UP})
_FALLS = frozenset({Condition.CROSSING, Condition.CROSSING_DOWN})


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest price of a symbol, and the revision of the rule book it was evaluated with."""

    as_of: datetime
    price: Decimal
    revision: int


class RuleIndex:
    """All rules as of one revision, made for finding those that an event fires."""

    def __init__(self, rules: Iterable[Rule], revision: int) -> None:
        self.revision = revision
        by_symbol: defaultdict[str, list[Rule]] = defaultdict(list)
        for rule in rules:
            by_symbol[rule.symbol].append(rule)
        self._shelves = {symbol: _SymbolIndex(members) for symbol, members in by_symbol.items()}

    def evaluate(self, event: StockData, before: Watermark | None) -> tuple[Watermark, list[Rule]]:
        """The symbol's watermark after an event, and the rules that the event fires, by id.

        `before` is None for a symbol never seen. An event that is not newer changes and fires nothing.
        """
        if before is not None and event.as_of <= before.as_of:
            return before, []
        after = Watermark(event.as_of, event.price, self.revision)
        shelves = (self._shelves.get(event.symbol), self._shelves.get(EVERY_SYMBOL))
        fired = [rule for shelf in shelves if shelf for rule in shelf.fired(event.price, before)]
        return after, sorted(fired, key=attrgetter("id"))


def raise_alert(rule: Rule, event: StockData, before: Watermark | None, triggered_at: datetime) -> PriceAlert:
    """The alert of a rule that an event fired, under the id that the two always give."""
    return PriceAlert(
        id=price_alert_id(rule.id, rule.name, event.id),
        rule_id=rule.id,
        rule_name=rule.name,
        condition=rule.condition.value,
        symbol=event.symbol,
        price=event.price,
        previous_price=None if before is None else before.price,
        threshold=rule.threshold,
        as_of=event.as_of,
        triggered_at=triggered_at,
        event_id=event.id,
    )


class _SymbolIndex:
    """The rules on one symbol, or those on every symbol."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._above = ThresholdIndex(rule for rule in rules if rule.condition is Condition.ABOVE)
        self._below = ThresholdIndex(rule for rule in rules if rule.condition is Condition.BELOW)
        self._rises = ThresholdIndex(rule for rule in rules if rule.condition in _RISES)
        self._falls = ThresholdIndex(rule for rule in rules if rule.condition in _FALLS)
        self._states = sorted((rule for rule in rules if rule.condition in _STATES), key=attrgetter("revision"))
        self._revisions = [rule.revision for rule in self._states]

    def fired(self, price: Decimal, before: Watermark | None) -> Iterator[Rule]:
        seen = _NEVER if before is None else before.revision
        for rule in self._states[bisect_right(self._revisions, seen) :]:
            if _holds(rule, price):
                yield rule
        if before is None:
            return
        yield from (rule for rule in self._states_begun(before.price, price) if rule.revision <= seen)
        yield from self._crossed(before.price, price)

    def _states_begun(self, previous: Decimal, price: Decimal) -> Sequence[Rule]:
        if price > previous:
            return self._above.including_low(previous, price)
        return self._below.including_high(price, previous)

    def _crossed(self, previous: Decimal, price: Decimal) -> Sequence[Rule]:
        if price > previous:
            return self._rises.including_high(previous, price)
        return self._falls.including_low(price, previous)


class ThresholdIndex:
    """Rules by threshold."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = sorted(rules, key=attrgetter("threshold"))
        self._thresholds = [rule.threshold for rule in self._rules]

    def including_low(self, low: Decimal, high: Decimal) -> Sequence[Rule]:
        """Those with low <= threshold < high."""
        return self._rules[bisect_left(self._thresholds, low) : bisect_left(self._thresholds, high)]

    def including_high(self, low: Decimal, high: Decimal) -> Sequence[Rule]:
        """Those with low < threshold <= high."""
        return self._rules[bisect_right(self._thresholds, low) : bisect_right(self._thresholds, high)]


def _holds(rule: Rule, price: Decimal) -> bool:
    return price > rule.threshold if rule.condition is Condition.ABOVE else price < rule.threshold
