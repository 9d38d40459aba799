"""A sync: quotes from the providers become events on the exchange."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from producer.providers.base import Provider, Quote, QuoteResults
from producer.providers.registry import make_providers
from producer.remarks import Remarks, stale_remark
from shared.errors import (
    AuthenticationFailed,
    InvalidEvent,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    PublishError,
    PublishRefused,
    RateLimited,
    SettingsError,
    StorageUnavailable,
)
from shared.events import StockData
from shared.file_errors import explain_file_error
from shared.locks import file_lock
from shared.messaging.messages import Message, price_message
from shared.messaging.permissions import Permissions, publisher_permissions
from shared.messaging.publisher import Publisher
from shared.messaging.topology import LIVE_PRICES
from shared.settings import Settings
from shared.times import utc_now

SYNC_PERMISSIONS = publisher_permissions(LIVE_PRICES)

# Errors by the name of the provider that could not deliver a symbol.
Errors = Mapping[str, ProviderError]


@dataclass(frozen=True)
class SyncReport:
    """The result of a sync by symbol: the event that RabbitMQ confirmed, or the reason of the failure.

    Some symbols in `failed` are also in `unconfirmed` (they have a price, but RabbitMQ did not confirm it), in
    `rate_limited` (with the error of the provider that has room for them first) or in `permanent` (a retry cannot
    help). `rejected_keys` has the error of each provider that rejects its key while others deliver instead. `remarks`
    tell people what is odd about published prices.
    """

    published: Mapping[str, StockData]
    failed: Mapping[str, str]
    unconfirmed: Sequence[str] = ()
    rate_limited: Mapping[str, RateLimited] = field(default_factory=dict)
    permanent: Sequence[str] = ()
    rejected_keys: Mapping[str, str] = field(default_factory=dict)
    remarks: Remarks = field(default_factory=dict)

    @property
    def first_rate_limit(self) -> RateLimited | None:
        """Return the rate limit that ends first, or None."""
        return min(self.rate_limited.values(), key=lambda error: error.retry_at, default=None)


@contextmanager
def sync_lock(folder: Path, *, wait: float = 0) -> Iterator[bool]:
    """Hold the lock that keeps syncs from overlapping; yield False if it is not free within `wait` seconds.

    Raises SettingsError if `folder` cannot be written.
    """
    path = folder / "sync.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {explain_file_error(error)}") from error
    with file_lock(path, wait=wait) as held:
        yield held


def sync_prices(
    settings: Settings,
    symbols: Sequence[str],
    at: datetime,
    folder: Path,
    permissions: Permissions = SYNC_PERMISSIONS,
) -> SyncReport:
    """Run one sync with these settings, in a process that needs `permissions`. Raises like fetch_and_publish.

    Providers keep their state in `folder`.
    """
    providers = make_providers(settings, folder)
    with Publisher(settings.amqp_url, "producer", permissions=permissions) as publisher:
        return fetch_and_publish(providers, publisher, symbols, at)


def fetch_and_publish(
    providers: Sequence[Provider],
    publisher: Publisher,
    symbols: Sequence[str],
    at: datetime,
    clock: Callable[[], datetime] = utc_now,
) -> SyncReport:
    """Fetch a quote for every symbol and publish a STOCK_DATA event for each.

    Each provider is asked for the symbols that the providers before it could not deliver. `at` is the instant of the
    sync (UTC): a retry with the same instant publishes the same events. Raises BrokerError if RabbitMQ cannot be
    reached; every other failure is in the report.
    """
    # Connect first: a quote that cannot be published must not cost a credit.
    publisher.publish(())
    events, errors, remarks = collect_events(providers, symbols, at, clock)
    missing = {symbol: found for symbol, found in errors.items() if symbol not in events}
    unconfirmed = publish_events(publisher, events)
    return SyncReport(
        published={symbol: event for symbol, event in events.items() if symbol not in unconfirmed},
        failed={**{symbol: describe_errors(found) for symbol, found in missing.items()}, **unconfirmed},
        unconfirmed=tuple(unconfirmed),
        rate_limited={symbol: limit for symbol, found in missing.items() if (limit := _first_rate_limit(found))},
        permanent=tuple(symbol for symbol, found in missing.items() if not any(e.transient for e in found.values())),
        rejected_keys=find_rejected_keys(errors) if events else {},
        remarks={symbol: found for symbol, found in remarks.items() if symbol not in unconfirmed},
    )


def collect_events(
    providers: Sequence[Provider], symbols: Sequence[str], at: datetime, clock: Callable[[], datetime]
) -> tuple[dict[str, StockData], dict[str, Errors], Remarks]:
    """Return the events by symbol, for every symbol the errors of the providers that could not deliver it, and remarks.

    The remarks are about the events.
    """
    events: dict[str, StockData] = {}
    remarks: dict[str, Sequence[str]] = {}
    errors: dict[str, dict[str, ProviderError]] = {symbol: {} for symbol in symbols}
    for provider in providers:
        missing = [symbol for symbol in errors if symbol not in events]
        results = request_quotes(provider, missing, at) if missing else {}
        for symbol in missing:
            try:
                result = results.get(symbol) or ProviderError(f"{provider.name} gave no answer")
                events[symbol] = make_event(provider.name, symbol, result, clock())
                if found := make_remarks(result, events[symbol]):
                    remarks[symbol] = found
            except ProviderError as error:
                errors[symbol][provider.name] = error
    return {symbol: events[symbol] for symbol in errors if symbol in events}, dict(errors), remarks


def request_quotes(provider: Provider, symbols: Sequence[str], at: datetime) -> QuoteResults:
    """Return the provider's results; an error of the whole provider counts for each symbol."""
    try:
        return provider.quotes(symbols, at)
    except ProviderError as error:
        return dict.fromkeys(symbols, error)
    except StorageUnavailable as error:
        # Without its state a provider could exceed its quota. The next provider may need no state.
        return dict.fromkeys(symbols, ProviderUnavailable(f"{provider.name} cannot be asked: {error}"))


def make_event(provider: str, symbol: str, answer: Quote | ProviderError, observed_at: datetime) -> StockData:
    """Return the event of a quote. Raises ProviderError if there is no quote, or the event would be invalid."""
    if isinstance(answer, ProviderError):
        raise answer
    try:
        fields = {name: value for name, value in vars(answer).items() if name != "remarks"}
        return StockData.create(symbol=symbol, provider=provider, observed_at=observed_at, **fields)
    except InvalidEvent as error:
        raise InvalidResponse(f"{provider} sent an invalid quote: {error}") from error


def make_remarks(answer: Quote | ProviderError, event: StockData) -> list[str]:
    """Return what is odd about the event of this quote."""
    remarks = list(answer.remarks) if isinstance(answer, Quote) else []
    stale = stale_remark(event)
    return [*remarks, stale] if stale else remarks


def publish_events(publisher: Publisher, events: Mapping[str, StockData]) -> dict[str, str]:
    """Publish the events; return the reason for each symbol that RabbitMQ did not confirm.

    Raises BrokerError if there is no connection, and PublishRefused if the user may not publish.
    """
    sent: set[str] = set()

    def messages() -> Iterator[Message]:
        for symbol, event in events.items():
            sent.add(symbol)
            yield price_message(event)

    if not events:
        return {}
    try:
        publisher.publish(messages())
    except PublishRefused:
        raise
    except PublishError as error:
        nacked = {symbol: error.failures[event.id] for symbol, event in events.items() if event.id in error.failures}
        unsent = dict.fromkeys(events.keys() - sent, "not sent, because an event before it was not confirmed")
        return {**nacked, **unsent}
    return {}


def describe_errors(errors: Errors) -> str:
    """Return the error of each provider, on one line."""
    return "; ".join(map(str, errors.values()))


def find_rejected_keys(errors: Mapping[str, Errors]) -> dict[str, str]:
    """Return the error of each provider that rejects its key, by the provider's name."""
    return {
        provider: str(error)
        for found in errors.values()
        for provider, error in found.items()
        if isinstance(error, AuthenticationFailed)
    }


def _first_rate_limit(errors: Errors) -> RateLimited | None:
    limits = (error for error in errors.values() if isinstance(error, RateLimited))
    return min(limits, key=lambda error: error.retry_at, default=None)
