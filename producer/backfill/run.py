"""A backfill: past prices window by window, each window published before the next is fetched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from producer.backfill.progress import load_progress, save_progress
from producer.backfill.publishing import HistoryPublisher
from producer.backfill.time_ranges import TimeRange, split_into_windows, subtract, total_duration
from producer.market_service import describe_errors
from producer.providers.base import HistoricalProvider, Interval, InvalidBar, Quote
from shared.database.engine import reading, writing
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderError,
    RateLimited,
    StorageReopened,
    UnknownSymbol,
)
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.splits import Split
from shared.symbols import join_names
from shared.times import EPOCH, format_instant, utc_now

# A backfill waits for a rate limit that ends within MAX_RATE_LIMIT_WAIT, at most MAX_RATE_LIMIT_WAITS times per window.
MAX_RATE_LIMIT_WAIT = timedelta(minutes=2, seconds=5)
MAX_RATE_LIMIT_WAITS = 10
# Providers may add a bar until it is this old, so newer bars are fetched again by the next backfill.
LATE_BARS = timedelta(days=2)


@dataclass
class Backfill:
    """A backfill; `remaining` has the time ranges of each symbol that are not published yet.

    Each provider is asked for what the providers before it could not deliver. `print_line` gets lines for people, and
    `on_progress` the time that was covered. `on_splits` gets the splits that a provider tells, and its name, before the
    prices are published. With `state`, the progress is saved, so that an interrupted backfill can resume. Afterwards
    `symbol_errors` has the errors of each failed symbol by provider, `provider_errors` the rate limit or rejected key
    that ended a provider's part, and `resumed` the symbols of which some was published before.
    """

    providers: Sequence[HistoricalProvider]
    publisher: Publisher
    interval: Interval
    remaining: dict[str, list[TimeRange]]
    print_line: Callable[[str], None]
    on_progress: Callable[[timedelta], None]
    state: Engine | None = None
    clock: Callable[[], datetime] = utc_now
    on_splits: Callable[[Sequence[Split], str], None] = lambda _splits, _provider: None
    symbol_errors: dict[str, dict[str, ProviderError]] = field(default_factory=dict, init=False)
    provider_errors: dict[str, ProviderError] = field(default_factory=dict, init=False)
    resumed: set[str] = field(default_factory=set, init=False)
    history: HistoryPublisher = field(init=False)

    def __post_init__(self) -> None:
        self.history = HistoryPublisher(self.publisher, self.interval, self.print_line, self.clock)

    def run(self, stop: Stop) -> None:
        """Publish until nothing remains, every provider was asked, or a stop is requested.

        Connect the publisher before: a price that cannot be published must not cost a credit. Raises BrokerError if
        RabbitMQ does not confirm an event, and StorageError if the progress cannot be saved.
        """
        for provider in self.providers:
            if self.remaining and not stop.requested:
                self._run_provider(provider, stop)

    @property
    def is_finished(self) -> bool:
        """Return True if running again cannot add anything: all is published, or unknown to every provider."""
        if not self.remaining:
            return True
        errors = [error for symbol in self.remaining for error in self.symbol_errors.get(symbol, {}).values()]
        all_failed = self.remaining.keys() <= self.symbol_errors.keys() and not self.provider_errors
        return all_failed and all(isinstance(error, UnknownSymbol) for error in errors)

    def failures(self) -> dict[str, str]:
        """Return the errors of each failed symbol, on one line."""
        return {symbol: describe_errors(errors) for symbol, errors in self.symbol_errors.items()}

    def _run_provider(self, provider: HistoricalProvider, stop: Stop) -> None:
        self._resume(provider)
        for symbol in list(self.remaining):
            try:
                self._run_symbol(provider, symbol, stop)
            except (RateLimited, AuthenticationFailed) as error:
                self.provider_errors[provider.name] = error
                return
            except ProviderError as error:
                self._record_error(provider, symbol, error)
            if stop.requested:
                return

    def _record_error(self, provider: HistoricalProvider, symbol: str, error: ProviderError) -> None:
        self.symbol_errors.setdefault(symbol, {})[provider.name] = error

    def _resume(self, provider: HistoricalProvider) -> None:
        """Leave out what an interrupted backfill has published."""
        if self.state is None:
            return
        with reading(self.state) as connection:
            progress = load_progress(connection, provider.name, self.interval)
        resumed = []
        for symbol in list(self.remaining):
            since, until = progress.get(symbol, (EPOCH, EPOCH))
            if since <= self.remaining[symbol][0].since < until:
                self._remove(symbol, TimeRange(since, until))
                self.resumed.add(symbol)
                resumed.append(f"{symbol} at {format_instant(until)}")
        if resumed:
            self.print_line(f"resuming an interrupted backfill from {provider.name}: {join_names(resumed, most=3)}")

    def _run_symbol(self, provider: HistoricalProvider, symbol: str, stop: Stop) -> None:
        """Fetch and publish what remains of one symbol. Raises ProviderError."""
        for window in split_into_windows(self.remaining.get(symbol, []), provider.max_range(self.interval)):
            try:
                quotes = self._fetch_window(provider, symbol, window, stop)
            except (InvalidResponse, UnknownSymbol) as error:
                if self.state is not None:
                    raise
                # Without saved progress, one bad window must not stop the later ones.
                self._record_error(provider, symbol, error)
                continue
            if quotes is None:
                return
            if splits := [each for each in quotes if isinstance(each, Split)]:
                self.on_splits(splits, provider.name)
            bars = [each for each in quotes if not isinstance(each, Split)]
            wanted = [each for each in bars if self._is_wanted(symbol, each.as_of)]
            if not self.history.publish(provider.name, symbol, wanted, stop):
                return
            self._complete_window(provider, symbol, window)

    def _is_wanted(self, symbol: str, as_of: datetime | None) -> bool:
        return as_of is None or any(as_of in time_range for time_range in self.remaining[symbol])

    def _fetch_window(
        self, provider: HistoricalProvider, symbol: str, window: TimeRange, stop: Stop
    ) -> Sequence[Quote | InvalidBar | Split] | None:
        """Return the prices of a window, or None if a stop is requested. Raises ProviderError."""
        for _ in range(MAX_RATE_LIMIT_WAITS):
            if stop.requested:
                return None
            try:
                return provider.history(symbol, self.interval, window.since, window.until)
            except RateLimited as error:
                wait = error.retry_at - self.clock()
                if wait > MAX_RATE_LIMIT_WAIT:
                    raise
                seconds = max(1.0, wait.total_seconds())
                self.print_line(f"waiting for {seconds:.0f} s: {error}")
                stop.wait(seconds)
        return provider.history(symbol, self.interval, window.since, window.until)

    def _complete_window(self, provider: HistoricalProvider, symbol: str, window: TimeRange) -> None:
        self._remove(symbol, window)
        until = min(window.until, self.clock() - LATE_BARS)
        if self.state is not None and window.since < until:
            done = (provider.name, symbol, self.interval, window.since, until)
            try:
                _save_progress(self.state, *done)
            except StorageReopened as error:
                # The window is the first one in the new file.
                self.print_line(str(error))
                _save_progress(self.state, *done)

    def _remove(self, symbol: str, window: TimeRange) -> None:
        """Remove the window from what remains of the symbol."""
        before = self.remaining[symbol]
        self.remaining[symbol] = subtract(before, window)
        self.on_progress(total_duration(before) - total_duration(self.remaining[symbol]))
        if not self.remaining[symbol]:
            del self.remaining[symbol]
            self.symbol_errors.pop(symbol, None)


def _save_progress(
    state: Engine, provider: str, symbol: str, interval: Interval, since: datetime, until: datetime
) -> None:
    with writing(state) as connection:
        save_progress(connection, provider, symbol, interval, since, until)
