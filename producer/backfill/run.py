"""Past prices from providers onto the exchange: window by window, each published before the next is fetched."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from producer.backfill.progress import load_progress, save_progress
from producer.backfill.time_ranges import TimeRange, subtract, total, windows
from producer.market_service import make_event
from producer.providers.base import HistoricalProvider, Interval, Provider, Quote
from producer.providers.http.apis.base import HistoricalApi
from producer.providers.registry import APIS
from producer.providers.simulated import SimulatedProvider
from shared.accounts import ACCOUNTS
from shared.database import reading, writing
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, PublishError, RateLimited, UnknownSymbol
from shared.events import StockData
from shared.messaging.messages import Message, price_message
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.symbols import join_names
from shared.times import EPOCH, format_instant, utc_now

# A limit that ends within this is waited for, so many times in a row.
PATIENCE = timedelta(minutes=2, seconds=5)
WAITS = 10
# Until a bar is this old, a provider may not have it yet: bars of a day come last, after the close.
SETTLED = timedelta(days=2)


def with_history(providers: Sequence[Provider], interval: Interval) -> list[HistoricalProvider]:
    """Those of the providers that have past prices so far apart, in their order."""
    return [each for each in providers if isinstance(each, HistoricalProvider) and _has(each, interval)]


def names_with_history(interval: Interval) -> list[str]:
    """The providers there are that have past prices so far apart."""
    apis = {name: APIS[name](account) for name, account in ACCOUNTS.items()}
    with_history = [name for name, api in apis.items() if isinstance(api, HistoricalApi) and _has(api, interval)]
    return [SimulatedProvider.name, *with_history]


def _has(source: HistoricalApi | HistoricalProvider, interval: Interval) -> bool:
    try:
        source.max_range(interval)
    except ProviderError:
        return False
    return True


@dataclass
class Backfill:
    """One backfill: `left` is what of each symbol is still to be had, and empties as it is published.

    Each provider is asked for what those before it have left. `say` gets lines for people, `advance` the time that has
    been covered. Where `state` is given, it is kept there how far each symbol is, from its oldest time on. Of the rest,
    `failed` has why each provider failed a symbol, `halts` why one was not asked any more, `last` the newest event
    of each symbol, and `resumed` the symbols of which some was published before.
    """

    providers: Sequence[HistoricalProvider]
    publisher: Publisher
    interval: Interval
    left: dict[str, list[TimeRange]]
    say: Callable[[str], None]
    advance: Callable[[timedelta], None]
    state: Engine | None = None
    clock: Callable[[], datetime] = utc_now
    published: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)
    failed: dict[str, dict[str, ProviderError]] = field(default_factory=dict, init=False)
    halts: dict[str, ProviderError] = field(default_factory=dict, init=False)
    last: dict[str, StockData] = field(default_factory=dict, init=False)
    resumed: set[str] = field(default_factory=set, init=False)

    def run(self, stop: Stop) -> None:
        """Publish until nothing is left, no provider is, or a stop is requested.

        Raises BrokerError for what RabbitMQ does not take, and StorageError where the state cannot be kept.
        """
        # Before any provider is asked for what could not be published.
        self.publisher.publish(())
        for provider in self.providers:
            if self.left and not stop.requested:
                self._ask(provider, stop)

    @property
    def is_over(self) -> bool:
        """Whether it was done with every symbol, for good: published, or unknown to every provider."""
        errors = [error for symbol in self.left for error in self.failed.get(symbol, {}).values()]
        permanent = self.left.keys() <= self.failed.keys() and not self.halts
        return not self.left or (permanent and all(isinstance(error, UnknownSymbol) for error in errors))

    def reasons(self) -> dict[str, str]:
        """Why each symbol failed that did, by provider."""
        return {symbol: "; ".join(map(str, errors.values())) for symbol, errors in self.failed.items()}

    def _ask(self, provider: HistoricalProvider, stop: Stop) -> None:
        self._resume(provider)
        for symbol in list(self.left):
            try:
                self._fill(provider, symbol, stop)
            except (RateLimited, AuthenticationFailed) as error:
                self.halts[provider.name] = error
                return
            except ProviderError as error:
                self._fail(provider, symbol, error)
            if stop.requested:
                return

    def _fail(self, provider: HistoricalProvider, symbol: str, error: ProviderError) -> None:
        self.failed.setdefault(symbol, {})[provider.name] = error

    def _resume(self, provider: HistoricalProvider) -> None:
        """Leave out what was published before."""
        if self.state is None:
            return
        with reading(self.state) as connection:
            known = load_progress(connection, provider.name, self.interval)
        places = []
        for symbol in list(self.left):
            since, until = known.get(symbol, (EPOCH, EPOCH))
            if since <= self.left[symbol][0].since < until:
                self._cover(symbol, TimeRange(since, until))
                self.resumed.add(symbol)
                places.append(f"{symbol} at {format_instant(until)}")
        if places:
            self.say(f"{provider.name}: going on where it was cut off: {join_names(places, most=3)}")

    def _fill(self, provider: HistoricalProvider, symbol: str, stop: Stop) -> None:
        """All that is left of one symbol. Raises ProviderError."""
        for window in windows(self.left.get(symbol, []), provider.max_range(self.interval)):
            try:
                quotes = self._fetch(provider, symbol, window, stop)
            except (InvalidResponse, UnknownSymbol) as error:
                if self.state is not None:
                    raise
                # Where it is not kept how far all is, what is wrong with one time keeps nobody from the next.
                self._fail(provider, symbol, error)
                continue
            if quotes is None or not self._publish(provider, symbol, quotes, stop):
                return
            self._note(provider, symbol, window)

    def _fetch(
        self, provider: HistoricalProvider, symbol: str, window: TimeRange, stop: Stop
    ) -> Sequence[Quote] | None:
        """The prices of a window, or None where a stop was requested. Raises ProviderError."""
        for _ in range(WAITS):
            if stop.requested:
                return None
            try:
                return provider.history(symbol, self.interval, window.since, window.until)
            except RateLimited as error:
                wait = error.retry_at - self.clock()
                if wait > PATIENCE:
                    raise
                seconds = max(1.0, wait.total_seconds())
                self.say(f"waiting for {seconds:.0f} s: {error}")
                stop.wait(seconds)
        return provider.history(symbol, self.interval, window.since, window.until)

    def _publish(self, provider: HistoricalProvider, symbol: str, quotes: Sequence[Quote], stop: Stop) -> bool:
        """Whether all was confirmed, which a stop may keep from being so. Raises BrokerError."""
        events = list(self._make_events(provider, symbol, quotes))
        if not events:
            return True
        taken = 0

        def messages() -> Iterator[Message]:
            nonlocal taken
            for event in events:
                taken += 1
                yield price_message(event, backfill=True)

        try:
            self.published += self.publisher.publish(messages())
        except PublishError as error:
            self.published += taken - len(error.failures)
            if stop.requested:
                return False
            raise
        self.last[symbol] = events[-1]
        return True

    def _make_events(self, provider: HistoricalProvider, symbol: str, quotes: Sequence[Quote]) -> Iterator[StockData]:
        for quote in quotes:
            if not any(quote.as_of in span for span in self.left[symbol]):
                continue
            try:
                yield make_event(provider.name, symbol, quote, self.clock())
            except ProviderError as error:
                self.skipped += 1
                self.say(f"{symbol} of {format_instant(quote.as_of)} skipped: {error}")

    def _note(self, provider: HistoricalProvider, symbol: str, window: TimeRange) -> None:
        self._cover(symbol, window)
        until = min(window.until, self.clock() - SETTLED)
        if self.state is not None and window.since < until:
            with writing(self.state) as connection:
                save_progress(connection, provider.name, symbol, self.interval, window.since, until)

    def _cover(self, symbol: str, window: TimeRange) -> None:
        """What is in the window is not left any more."""
        before = self.left[symbol]
        self.left[symbol] = subtract(before, window)
        self.advance(total(before) - total(self.left[symbol]))
        if not self.left[symbol]:
            del self.left[symbol]
            self.failed.pop(symbol, None)
