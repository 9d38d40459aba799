"""Past prices become events of history on the exchange."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from producer.market_service import make_event
from producer.providers.base import Interval, InvalidBar, Quote
from shared.errors import ProviderError, PublishError
from shared.events import StockData
from shared.messaging.messages import Message, price_message
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.times import format_instant


@dataclass
class HistoryPublisher:
    """Publishes past prices, which are bars of `interval`, with the routing key of a backfill, and counts them.

    `published` counts confirmed events and `skipped` invalid prices, each of which is reported by `print_line`.
    `newest` has the newest event of each symbol.
    """

    publisher: Publisher
    interval: Interval
    print_line: Callable[[str], None]
    clock: Callable[[], datetime]
    published: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)
    newest: dict[str, StockData] = field(default_factory=dict, init=False)
    _printed: set[tuple[str, str]] = field(default_factory=set, init=False)

    def publish(self, provider: str, symbol: str, bars: Iterable[Quote | InvalidBar], stop: Stop) -> bool:
        """Publish the bars, oldest first; return False if a stop interrupted this. Raises BrokerError."""
        events = list(self._make_events(provider, symbol, bars))
        if not events:
            return True
        sent = 0

        def messages() -> Iterator[Message]:
            nonlocal sent
            for event in events:
                sent += 1
                yield price_message(event, backfill=True)

        try:
            self.published += self.publisher.publish(messages())
        except PublishError as error:
            self.published += sent - len(error.failures)
            if stop.requested:
                return False
            raise
        self.newest[symbol] = events[-1]
        return True

    def _make_events(self, provider: str, symbol: str, bars: Iterable[Quote | InvalidBar]) -> Iterator[StockData]:
        for bar in bars:
            if isinstance(bar, InvalidBar):
                self._skip(symbol, bar.as_of, f"{provider} sent an invalid price: {bar.reason}")
                continue
            self._print_remarks(symbol, bar.remarks)
            try:
                yield make_event(provider, symbol, replace(bar, interval=self.interval.value), self.clock())
            except ProviderError as error:
                self._skip(symbol, bar.as_of, str(error))

    def _skip(self, symbol: str, as_of: datetime | None, reason: str) -> None:
        self.skipped += 1
        time = f" of {format_instant(as_of)}" if as_of else ""
        self.print_line(f"{symbol}{time} skipped: {reason}")

    def _print_remarks(self, symbol: str, remarks: Iterable[str]) -> None:
        """Print each remark on a symbol once, not for every bar."""
        for remark in remarks:
            if (symbol, remark) not in self._printed:
                self._printed.add((symbol, remark))
                self.print_line(f"{symbol}: {remark}")
