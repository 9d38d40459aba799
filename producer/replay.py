"""Publishing a whole recording: rows become events, in batches that keep to a rate."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from producer.providers.recordings import InvalidRow, RecordedPrice, Recording
from shared.errors import PublishError, SettingsError
from shared.events import StockData, stock_data_id
from shared.messaging.messages import Message, price_message
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.times import utc_now

PROVIDER = "replay"
# What is published with one wait at its end: many, so that the wait costs little; not all, so that a failure ends it.
BATCH = 5000
# With a rate, this many batches a second.
BEATS = 20


@dataclass
class Replay:
    """One run through a recording; `published` and `skipped` say how far it got.

    `symbols` are the only ones to publish, where given; `rate` is in events a second. `report` hears of each bad row,
    `progress` now and then of the bytes read.
    """

    recording: Recording
    publisher: Publisher
    report: Callable[[InvalidRow], None]
    progress: Callable[[int], None]
    symbols: frozenset[str] | None = None
    rate: float | None = None
    backfill: bool = False
    published: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)
    _taken: int = field(default=0, init=False)
    _broken: SettingsError | None = field(default=None, init=False)

    def run(self, stop: Stop) -> None:
        """Publish until the recording ends or a stop is requested.

        Raises PublishError for events that were not confirmed, BrokerError where there is no connection, and
        SettingsError where the file breaks off, after what stands before the break has been published.
        """
        messages = self._messages(stop)
        size = BATCH if self.rate is None else max(1, round(self.rate / BEATS))
        start = time.monotonic()
        while self._publish(itertools.islice(messages, size)):
            self.progress(self.recording.position)
            if self.rate is not None:
                stop.wait(max(0.0, start + self.published / self.rate - time.monotonic()))
        if self._broken is not None:
            raise self._broken

    def _publish(self, messages: Iterator[Message]) -> int:
        try:
            confirmed = self.publisher.publish(messages)
        except PublishError as error:
            self.published = self._taken - len(error.failures)
            raise
        self.published += confirmed
        return confirmed

    def _messages(self, stop: Stop) -> Iterator[Message]:
        try:
            for row in self.recording.rows(self._is_wanted if self.symbols else None):
                if stop.requested:
                    return
                if isinstance(row, InvalidRow):
                    self.skipped += 1
                    self.report(row)
                else:
                    self._taken += 1
                    yield price_message(make_event(row), backfill=self.backfill)
        except SettingsError as error:
            self._broken = error

    def _is_wanted(self, symbol: str, _time: str) -> bool:
        return self.symbols is None or symbol.strip() in self.symbols


def make_event(row: RecordedPrice) -> StockData:
    return StockData(
        id=stock_data_id(PROVIDER, row.symbol, row.as_of),
        symbol=row.symbol,
        price=row.price,
        currency=row.currency,
        as_of=row.as_of,
        provider=PROVIDER,
        observed_at=utc_now(),
        volume=row.volume,
        open=row.open,
        high=row.high,
        low=row.low,
        previous_close=row.previous_close,
    )
