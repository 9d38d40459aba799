"""Evaluation of batches of events, with what stays in memory between them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from consumers.alerts.batch import Batch, Results
from consumers.alerts.conditions.metrics import Metric
from consumers.alerts.feeds import SymbolFeed
from consumers.alerts.gaps import Gaps
from consumers.alerts.needs import Needs, needs_of, open_window
from consumers.alerts.rule_index import load_usage
from consumers.alerts.store import load_feeds, load_pending_splits
from shared.events import StockData


class Evaluator:
    """Evaluates batches. Feeds stay in memory between batches until `forget` is called."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._feeds: dict[str, SymbolFeed] = {}
        self._usage: dict[str, frozenset[Metric]] = {}
        self._needs: dict[str, Needs] = {}
        self._gaps = Gaps()
        self._revision = -1

    def forget(self) -> None:
        """Read everything again from the database with the next batch."""
        self._feeds.clear()
        self._gaps.clear()

    def evaluate(self, connection: Connection, events: Sequence[StockData], revision: int) -> Results:
        """Evaluate events in order, and store the results in the transaction of `connection`.

        Stops before an event at which a known split is due. `revision` is that of the newest rule. After an error
        `forget` must be called.
        """
        now = self._clock()
        first = {event.symbol: event for event in reversed(events)}
        symbols = set(first)
        self._load(connection, first, revision)
        batch = Batch(connection, self._feeds, self._usage, self._needs, self._gaps, revision, now)
        count, due = batch.observe(events)
        batch.decide()
        self._gaps.load(connection)
        return batch.save(symbols)._replace(evaluated=count, due=due)

    def _load(self, connection: Connection, first: Mapping[str, StockData], revision: int) -> None:
        symbols = set(first)
        if revision != self._revision:
            self._usage.clear()
            self._needs.clear()
            self._gaps.clear()
            self._revision = revision
        # The difference of a set and a dict's keys would look at every key of the dict.
        missing = {symbol for symbol in symbols if symbol not in self._needs}
        if missing:
            self._usage |= load_usage(connection, missing)
            self._needs |= {symbol: needs_of(symbol, self._usage) for symbol in missing}
        unknown = {symbol for symbol in symbols if symbol not in self._feeds}
        self._feeds |= load_feeds(connection, unknown)
        for symbol, splits in load_pending_splits(connection, unknown).items():
            self._feeds[symbol].splits = splits
        for symbol in symbols:
            feed, needs = self._feeds[symbol], self._needs[symbol]
            if needs.longest is None:
                feed.window = None
            elif feed.window is None:
                open_window(connection, symbol, feed, first[symbol])
