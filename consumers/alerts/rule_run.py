"""One rule over events of any symbols, without a database: for dry runs and tests.

It takes the same steps as the consumer, but keeps every state instead of an index.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from consumers.alerts.conditions.metrics import Kind
from consumers.alerts.feeds import Hold, SymbolFeed
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.states import NEW, Outcome, RuleState, after_change_of_world, evaluate
from consumers.alerts.watermarks import Watermark, watermark_of
from shared.events import StockData
from shared.times import to_micros


class Firing(NamedTuple):
    """An event that fired or resolved a rule; `previous` is the price before, if the two may be compared."""

    event: StockData
    outcome: Outcome
    previous: Watermark | None


class RuleRun:
    """A rule, and its state on each symbol."""

    def __init__(self, rule: Rule, *, guarded: bool = True) -> None:
        """Take a rule with a condition on prices; with `guarded`, a jump that may be a split holds the rule."""
        self.rule = rule
        self.feeds: dict[str, SymbolFeed] = {}
        self.states: dict[str, RuleState] = {}
        self._guarded = guarded
        self._metrics = frozenset([rule.condition.metric])

    def seed(self, symbol: str, past: Sequence[StockData]) -> None:
        """Take prices from before the rule was added, oldest first: they fill its window, and the last is known."""
        feed = self._feed(symbol)
        if feed.window is not None:
            prices = {to_micros(event.as_of): float(event.price) for event in past}
            feed.open_window(prices.items())
        if past:
            feed.mark = watermark_of(past[-1], self.rule.revision)

    def take(self, event: StockData) -> Firing | Hold | None:
        """Return what the event does: fire or resolve the rule, hold it, or nothing."""
        symbol, metric = event.symbol, self.rule.condition.metric
        if self.rule.terms.symbol not in (EVERY_SYMBOL, symbol) or metric.kind == Kind.SILENCE:
            return None
        found = self._feed(symbol).observe(event, self.rule.revision, self._metrics, guarded=self._guarded)
        if found is None or isinstance(found, Hold):
            return found
        state = self.states.get(symbol, NEW)
        if found.is_new_world:
            state = after_change_of_world(state)
        state, outcome = evaluate(self.rule, state, found.before.get(metric), found.now.get(metric), event.as_of)
        self.states[symbol] = state
        return None if outcome is None else Firing(event, outcome, found.previous)

    def firings(self, events: Iterable[StockData]) -> Iterator[Firing]:
        """Yield the firings of events in their order."""
        for event in events:
            if isinstance(found := self.take(event), Firing):
                yield found

    def _feed(self, symbol: str) -> SymbolFeed:
        feed = self.feeds.get(symbol)
        if feed is None:
            feed = self.feeds[symbol] = SymbolFeed()
            if self.rule.condition.metric.window is not None:
                feed.open_window(())
        return feed
