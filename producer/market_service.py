"""From quotes to events on the exchange: what one sync does, as plain functions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from producer.providers.base import Provider, Quote
from producer.providers.registry import make_providers
from shared.errors import (
    AuthenticationFailed,
    InvalidEvent,
    InvalidResponse,
    ProviderError,
    PublishError,
    RateLimited,
    SettingsError,
)
from shared.events import StockData, stock_data_id
from shared.locks import file_lock
from shared.messaging.messages import Message, price_message
from shared.messaging.publisher import Publisher
from shared.settings import Settings
from shared.times import utc_now


@dataclass(frozen=True)
class SyncReport:
    """What became of every symbol: its event as RabbitMQ confirmed it, or why there is none.

    Among the failed are `unconfirmed`, which have a price that only was not published; `limited`, with the instant
    (UTC) from which a provider's limit has room for them; and `permanent`, for which no other try will fare better.
    `refused` has the words of each provider that refuses its key while others deliver in its place.
    """

    published: Mapping[str, StockData]
    failed: Mapping[str, str]
    unconfirmed: Sequence[str] = ()
    limited: Mapping[str, datetime] = field(default_factory=dict)
    permanent: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def sync_lock(folder: Path, *, wait: float = 0) -> Iterator[bool]:
    """Whoever syncs holds it, so that two syncs never overlap; yields whether it was had within `wait` seconds.

    Raises SettingsError where there can be no lock in `folder`.
    """
    path = folder / "sync.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    with file_lock(path, wait=wait) as held:
        yield held


def run_sync(settings: Settings, symbols: Sequence[str], at: datetime, folder: Path) -> SyncReport:
    """One sync by these settings; providers keep what they have to remember in `folder`. Raises as `sync` does."""
    providers = make_providers(settings, folder)
    with Publisher(settings.amqp_url, "producer") as publisher:
        return sync(providers, publisher, symbols, at)


def sync(
    providers: Sequence[Provider],
    publisher: Publisher,
    symbols: Sequence[str],
    at: datetime,
    clock: Callable[[], datetime] = utc_now,
) -> SyncReport:
    """Fetch a quote for every symbol and publish one STOCK_DATA event for each.

    The providers are asked in turn, the later ones for what the earlier could not deliver. `at` is the sync's own
    instant: with the same one, a retry gets the same events. Raises BrokerError where RabbitMQ cannot be reached at
    all; every other failure is in the report.
    """
    # Connects, before any provider is asked, and paid, for what could not be published.
    publisher.publish(())
    events, errors, refused_keys = collect_events(providers, symbols, at, clock)
    refused = publish_events(publisher, events)
    return SyncReport(
        published={symbol: event for symbol, event in events.items() if symbol not in refused},
        failed={**{symbol: describe_errors(found) for symbol, found in errors.items()}, **refused},
        unconfirmed=tuple(refused),
        limited={symbol: until for symbol, found in errors.items() if (until := _limited_until(found))},
        permanent=tuple(symbol for symbol, found in errors.items() if not any(e.transient for e in found.values())),
        refused=refused_keys if events else {},
    )


# Why each provider failed a symbol, by the provider's name.
Errors = Mapping[str, ProviderError]


def collect_events(
    providers: Sequence[Provider], symbols: Sequence[str], at: datetime, clock: Callable[[], datetime]
) -> tuple[dict[str, StockData], dict[str, Errors], dict[str, str]]:
    """An event by symbol, for every other symbol why each provider failed it, and what was said of refused keys."""
    events: dict[str, StockData] = {}
    refused: dict[str, str] = {}
    errors: dict[str, dict[str, ProviderError]] = {symbol: {} for symbol in symbols}
    for provider in providers:
        missing = [symbol for symbol in errors if symbol not in events]
        answers = ask(provider, missing, at) if missing else {}
        for symbol, answer in answers.items():
            try:
                events[symbol] = make_event(provider.name, symbol, answer, clock())
            except ProviderError as error:
                errors[symbol][provider.name] = error
                if isinstance(error, AuthenticationFailed):
                    refused[provider.name] = str(error)
    in_order = {symbol: events[symbol] for symbol in errors if symbol in events}
    return in_order, {symbol: errors[symbol] for symbol in errors if symbol not in events}, refused


def ask(provider: Provider, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
    """An answer for every symbol, whatever the provider does."""
    try:
        answers = provider.quotes(symbols, at)
    except ProviderError as error:
        return dict.fromkeys(symbols, error)
    return {symbol: answers.get(symbol) or ProviderError("gave no answer") for symbol in symbols}


def make_event(provider: str, symbol: str, answer: Quote | ProviderError, observed_at: datetime) -> StockData:
    """The event of a quote. Raises ProviderError where there is none, or none that consumers would take."""
    if isinstance(answer, ProviderError):
        raise answer
    event = StockData(
        id=stock_data_id(provider, symbol, answer.as_of),
        symbol=symbol,
        provider=provider,
        observed_at=observed_at,
        **asdict(answer),
    )
    try:
        return StockData.decode(event.encode(), observed_at)
    except InvalidEvent as error:
        raise InvalidResponse(f"its quote is no event: {error}") from error


def publish_events(publisher: Publisher, events: Mapping[str, StockData]) -> dict[str, str]:
    """Publish all, and say by symbol why any was not confirmed. Raises BrokerError where there is no connection."""
    taken: set[str] = set()

    def messages() -> Iterator[Message]:
        for symbol, event in events.items():
            taken.add(symbol)
            yield price_message(event)

    if not events:
        return {}
    try:
        publisher.publish(messages())
    except PublishError as error:
        refused = {symbol: error.failures[event.id] for symbol, event in events.items() if event.id in error.failures}
        left = dict.fromkeys(events.keys() - taken, "not sent, since what went before it was not confirmed")
        return {**refused, **left}
    return {}


def describe_errors(errors: Errors) -> str:
    """What each provider said of a symbol, on one line."""
    return "; ".join(f"{provider}: {error}" for provider, error in errors.items())


def _limited_until(errors: Errors) -> datetime | None:
    """When the first provider that has only been held back by a limit has room; None where no such is among them."""
    return min((each.retry_at for each in errors.values() if isinstance(each, RateLimited)), default=None)
