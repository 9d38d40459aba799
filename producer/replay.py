"""A replay: the rows of a recording are published as events, in batches at a given rate.

The splits of a batch are passed on before its prices, because whoever evaluates the prices must know them.
"""

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from producer.recordings.reader import Recording
from producer.recordings.rows import InvalidRow, RecordedPrice
from producer.recordings.selection import Selection
from producer.recordings.splits import SplitCollector
from shared.errors import PublishError, SettingsError
from shared.events import StockData
from shared.messaging.messages import Message, price_message
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.splits import BY_FILE, Split
from shared.times import utc_now

log = logging.getLogger(__name__)

PROVIDER = "replay"
# Events per batch. Each batch waits for its confirms, so a large batch is fast, and a failure ends the replay early.
BATCH_SIZE = 5000
# Batches per second if a rate is given.
BATCHES_PER_SECOND = 20


@dataclass
class Replay:
    """A replay of a recording; `published` counts confirmed events and `skipped` invalid rows.

    Only the rows of the selected symbols are published, if there is a `selection`. `rate` is in events per second.
    `report` is called with each invalid row, `progress` after each batch with the number of bytes read, `on_splits`
    with the splits of a batch and their source, and `warn` with lines about splits.
    """

    recording: Recording
    publisher: Publisher
    report: Callable[[InvalidRow], None]
    progress: Callable[[int], None]
    selection: Selection | None = None
    rate: float | None = None
    backfill: bool = False
    on_splits: Callable[[Sequence[Split], str], None] = lambda _splits, _source: None
    warn: Callable[[str], None] = log.warning
    published: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)
    _sent: int = field(default=0, init=False)
    _splits: SplitCollector = field(init=False)
    _file_error: SettingsError | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._splits = SplitCollector(self.recording.options.zone, self.warn)

    def run(self, stop: Stop) -> None:
        """Publish until the recording ends or a stop is requested.

        Raises PublishError for events that were not confirmed, BrokerError if there is no connection, and SettingsError
        for a truncated file, after the rows before the end have been published.
        """
        messages = self._messages(stop)
        size = BATCH_SIZE if self.rate is None else max(1, round(self.rate / BATCHES_PER_SECOND))
        start = time.monotonic()
        while self._publish(list(itertools.islice(messages, size))):
            self.progress(self.recording.position)
            if self.rate is not None:
                stop.wait(max(0.0, start + self.published / self.rate - time.monotonic()))
        if self._file_error is not None:
            raise self._file_error

    def _publish(self, messages: Sequence[Message]) -> int:
        if splits := self._splits.take():
            self.on_splits(splits, BY_FILE)
        try:
            confirmed = self.publisher.publish(self._count(messages))
        except PublishError as error:
            self.published = self._sent - len(error.failures)
            raise
        self.published += confirmed
        return confirmed

    def _count(self, messages: Sequence[Message]) -> Iterator[Message]:
        for message in messages:
            self._sent += 1
            yield message

    def _messages(self, stop: Stop) -> Iterator[Message]:
        try:
            for row in self.recording.rows(self._is_wanted if self.selection else None):
                if stop.requested:
                    return
                if isinstance(row, InvalidRow):
                    self.skipped += 1
                    self.report(row)
                else:
                    self._splits.add(row)
                    yield price_message(to_event(row), backfill=self.backfill)
        except SettingsError as error:
            self._file_error = error

    def _is_wanted(self, symbol: str, _time: str) -> bool:
        return self.selection is None or self.selection.selects(symbol)


def to_event(row: RecordedPrice) -> StockData:
    """Return the event of a recorded price."""
    return StockData.create(
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
        interval=row.interval,
    )
