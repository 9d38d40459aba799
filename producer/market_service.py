"""From quotes to events on the exchange: what one sync does, as plain functions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from producer.providers import Provider, Quote, make_providers
from shared.errors import InvalidEvent, ProviderError, PublishError, SettingsError
from shared.events import StockData, stock_data_id
from shared.locks import file_lock
from shared.messaging.message import Message, price_message
from shared.messaging.publisher import Publisher
from shared.settings import Settings
from shared.times import utc_now


@dataclass(frozen=True)
class SyncReport:
    """What became of every symbol: its event as RabbitMQ confirmed it, or why there is none.

    `unconfirmed` are those among the failed that have a price which only was not published.
    """

    published: Mapping[str, StockData]
    failed: Mapping[str, str]
    unconfirmed: Sequence[str] = ()


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
    events, failed = collect_events(providers, symbols, at, clock)
    refused = publish_events(publisher, events)
    published = {symbol: event for symbol, event in events.items() if symbol not in refused}
    return SyncReport(published, {**failed, **refused}, tuple(refused))


def collect_events(
    providers: Sequence[Provider], symbols: Sequence[str], at: datetime, clock: Callable[[], datetime]
) -> tuple[dict[str, StockData], dict[str, str]]:
    """An event by symbol, and for every other symbol why each provider failed it."""
    events: dict[str, StockData] = {}
    reasons: dict[str, list[str]] = {symbol: [] for symbol in symbols}
    for provider in providers:
        missing = [symbol for symbol in reasons if symbol not in events]
        answers = ask(provider, missing, at) if missing else {}
        for symbol, answer in answers.items():
            try:
                events[symbol] = make_event(provider.name, symbol, answer, clock())
            except (ProviderError, InvalidEvent) as error:
                reasons[symbol].append(f"{provider.name}: {error}")
    return events, {symbol: "; ".join(reasons[symbol]) for symbol in reasons if symbol not in events}


def ask(provider: Provider, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
    """An answer for every symbol, whatever the provider does."""
    try:
        answers = provider.quotes(symbols, at)
    except ProviderError as error:
        return dict.fromkeys(symbols, error)
    return {symbol: answers.get(symbol) or ProviderError("gave no answer") for symbol in symbols}


def make_event(provider: str, symbol: str, answer: Quote | ProviderError, observed_at: datetime) -> StockData:
    """The event of a quote. Raises ProviderError where there is none, InvalidEvent where consumers would refuse it."""
    if isinstance(answer, ProviderError):
        raise answer
    event = StockData(
        id=stock_data_id(provider, symbol, answer.as_of),
        symbol=symbol,
        provider=provider,
        observed_at=observed_at,
        **asdict(answer),
    )
    return StockData.decode(event.encode(), observed_at)


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
