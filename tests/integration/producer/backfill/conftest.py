"""A fake provider of past prices, and backfills from it through a real RabbitMQ."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from producer.backfill.run import Backfill
from producer.backfill.time_ranges import TimeRange
from producer.providers.base import Interval, InvalidBar, Quote, QuoteResults
from producer.state import open_state
from shared.events import StockData
from shared.messaging.address import BrokerAddress
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.splits import Split
from shared.times import utc_now
from tests.queues import taken, waiting

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + 12 * DAY

Requested = tuple[str, int, int]
Make = Callable[..., Backfill]


def january(since: datetime, until: datetime) -> tuple[int, int]:
    return (since - START).days + 1, (until - START).days + 1


@dataclass
class FakeHistoricalProvider:
    """Has a price for every day, the day's number, and at most five days per call."""

    name: str = "first"
    before_answer: Callable[[str, int], None] = lambda _symbol, _day: None
    requested: list[Requested] = field(default_factory=list)

    def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:
        raise NotImplementedError

    def max_range(self, interval: Interval) -> timedelta:
        return 5 * interval.length

    def history(
        self, symbol: str, interval: Interval, since: datetime, until: datetime
    ) -> Sequence[Quote | InvalidBar | Split]:
        first, last = january(since, until)
        self.requested.append((symbol, first, last))
        self.before_answer(symbol, first)
        times = [START + (day - 1) * DAY for day in range(first, last)]
        return [Quote(Decimal(time.day), time, "USD") for time in times]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Engine]:
    with open_state(tmp_path) as engine:
        yield engine


@pytest.fixture
def printed() -> list[str]:
    return []


@pytest.fixture
def run(broker: BrokerAddress, state: Engine, printed: list[str]) -> Make:
    """Run one backfill to its end: by default AAPL and BRK.B, the first twelve days of 2024."""

    def ran(
        *providers: FakeHistoricalProvider,
        stop: Stop | None = None,
        time_ranges: Sequence[TimeRange] = (TimeRange(START, END),),
        symbols: Sequence[str] = ("AAPL", "BRK.B"),
        clock: Callable[[], datetime] = utc_now,
        resumable: bool = True,
    ) -> Backfill:
        remaining = {symbol: list(time_ranges) for symbol in symbols}
        with Publisher(broker, "test") as publisher:
            covered: list[timedelta] = []
            saved = state if resumable else None
            work = Backfill(providers, publisher, Interval.DAY, remaining, printed.append, covered.append, saved, clock)
            work.run(stop or Stop())
        return work

    return ran


def failing(error: Exception, *at: tuple[str, int]) -> Callable[[str, int], None]:
    """Raise the error for each of these symbols from the given day on."""

    def before_answer(symbol: str, day: int) -> None:
        if any(symbol == each and day >= first for each, first in at):
            raise error

    return before_answer


def published(broker: BrokerAddress, queue: str, count: int) -> list[StockData]:
    assert waiting(broker, queue) == count
    return [StockData.decode(each.body, utc_now()) for each in taken(broker, queue, count)]
