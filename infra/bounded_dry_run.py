"""Dry runs for the HTTP API: bounded in prices and in time, and one at a time, so that no reader has to wait long."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from consumers.alerts.dry_run import Occurrence, Trial, missing_data
from consumers.alerts.feeds import Hold
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule
from consumers.alerts.split_guard import describe_ratio
from consumers.history.queries.comparable import symbols_with_prices
from consumers.history.queries.prices import history_exists, history_reader
from consumers.history.queries.rows import PriceRow
from consumers.web.dry_run import DryRun, DryRunFiring, SuspectedSplit, TriedSymbol
from infra.rule_trials import summarize, try_symbol
from shared.errors import SettingsError, StorageUnavailable
from shared.prices import format_price
from shared.settings import Settings
from shared.times import format_instant

MOST_PRICES = 100_000
MOST_FIRINGS = 1_000
# Seconds.
TIME_LIMIT = 5.0
_WAIT = 2.0
# Rows between two looks at the clock.
_ROWS_PER_LOOK = 500


class BoundedDryRuns:
    """Tries rules on the stored history. Nothing is stored or sent."""

    def __init__(self, settings: Settings, most_prices: int = MOST_PRICES, time_limit: float = TIME_LIMIT) -> None:
        self._settings = settings
        self._most_prices = most_prices
        self._time_limit = time_limit
        self._running = threading.Lock()

    def run(self, rule: Rule, since: datetime) -> DryRun:
        """Return what a rule would have done since a time.

        Raises SettingsError if the history lacks what the rule needs, and StorageUnavailable while another dry run
        takes long.
        """
        if missing := missing_data(rule):
            raise SettingsError(
                f"`{rule.condition}` cannot be tried: it needs {missing}, which the history does not keep"
            )
        if not self._running.acquire(timeout=_WAIT):
            raise StorageUnavailable("another dry run is under way: try again in some seconds")
        try:
            bounds = _Bounds(self._time_limit)
            return _describe(rule, since, self._trials(rule, since, bounds), bounds)
        finally:
            self._running.release()

    def _trials(self, rule: Rule, since: datetime, bounds: "_Bounds") -> list[Trial]:
        if not history_exists(self._settings):
            return []
        with history_reader(self._settings) as reader:
            symbols = symbols_with_prices(reader) if rule.terms.symbol == EVERY_SYMBOL else [rule.terms.symbol]
            bounds.per_symbol = max(1, self._most_prices // max(1, len(symbols)))
            trials = (
                try_symbol(
                    reader, symbol, [rule], since, points=False, most=bounds.per_symbol, bounded=bounds.of_symbol
                )
                for symbol in bounds.in_time(symbols)
            )
            return [trial for trial in trials if trial is not None]


class _Bounds:
    """The time of a dry run, and the number of prices per symbol; it remembers what was left out."""

    def __init__(self, seconds: float) -> None:
        self.per_symbol = 0
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._is_late = False
        self._is_full = False

    def in_time(self, symbols: Iterable[str]) -> Iterator[str]:
        for symbol in symbols:
            if self._look():
                return
            yield symbol

    def of_symbol(self, rows: Iterable[PriceRow]) -> Iterator[PriceRow]:
        """Yield the rows of a symbol until the time is over."""
        source, count = iter(rows), 0
        while part := list(islice(source, _ROWS_PER_LOOK)):
            if self._look():
                return
            yield from part
            count += len(part)
        self._is_full = self._is_full or count >= self.per_symbol

    def describe(self) -> str | None:
        """Return what was left out, or None."""
        parts = []
        if self._is_full:
            parts.append(f"of each symbol only the newest {self.per_symbol:,} prices were tried")
        if self._is_late:
            parts.append(f"after {self._seconds:g} s the rest was left out")
        return ", and ".join(parts) or None

    def _look(self) -> bool:
        self._is_late = self._is_late or time.monotonic() >= self._deadline
        return self._is_late


def _describe(rule: Rule, since: datetime, trials: Sequence[Trial], bounds: _Bounds) -> DryRun:
    found = sorted(
        (each for trial in trials for each in trial.occurrences), key=lambda each: (each.event.as_of, each.event.symbol)
    )
    firings = [_firing(each) for each in found if each.hold is None]
    cut = bounds.describe()
    if len(firings) > MOST_FIRINGS:
        newest = f"only the newest {MOST_FIRINGS:,} of {len(firings):,} firings are listed"
        cut = f"{cut}, and {newest}" if cut else newest
    return DryRun(
        str(rule.terms),
        format_instant(since),
        summarize(rule, trials),
        cut,
        [_symbol(rule, trial) for trial in trials],
        firings[-MOST_FIRINGS:],
        [_suspected_split(each.event.symbol, each.hold) for each in found if each.hold is not None],
    )


def _firing(found: Occurrence) -> DryRunFiring:
    event = found.event
    at, price = format_instant(event.as_of), format_price(event.price)
    return DryRunFiring(at, event.symbol, price, "firing" if found.state == "firing" else "resolved", event.provider)


def _symbol(rule: Rule, trial: Trial) -> TriedSymbol:
    # A trial has at least one price.
    first, last = (format_instant(each) for each in (trial.first, trial.last) if each is not None)
    return TriedSymbol(trial.symbol, trial.providers, trial.count, first, last, trial.firings(rule))


def _suspected_split(symbol: str, hold: Hold) -> SuspectedSplit:
    return SuspectedSplit(
        symbol,
        format_instant(hold.as_of),
        format_price(hold.previous_price),
        format_price(hold.price),
        describe_ratio(hold.ratio),
    )
