"""Backfilling through a real RabbitMQ with a provider made for the purpose, which fails as a test says."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from producer.backfill.progress import forget_progress
from producer.backfill.run import Backfill
from producer.backfill.time_ranges import TimeRange
from producer.providers.base import Interval, Quote, QuoteResults
from producer.state import open_state
from shared.database import writing
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderUnavailable,
    PublishError,
    RateLimited,
    UnknownSymbol,
)
from shared.events import StockData, stock_data_id
from shared.messaging.address import BrokerAddress
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.times import utc_now
from tests.harness import declare, taken, waiting

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + 12 * DAY

Asked = tuple[str, int, int]
Make = Callable[..., Backfill]


def january(since: datetime, until: datetime) -> tuple[int, int]:
    return (since - START).days + 1, (until - START).days + 1


@dataclass
class FakePast:
    """Has a price of every day, which is the day's number; five days a call. `meddle` is called before each answer."""

    name: str = "first"
    meddle: Callable[[str, int], None] = lambda _symbol, _day: None
    asked: list[Asked] = field(default_factory=list)

    def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:
        raise NotImplementedError

    def max_range(self, interval: Interval) -> timedelta:
        return 5 * interval.length

    def history(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> Sequence[Quote]:
        first, last = january(since, until)
        self.asked.append((symbol, first, last))
        self.meddle(symbol, first)
        times = [START + (day - 1) * DAY for day in range(first, last)]
        return [Quote(Decimal(time.day), time, "USD") for time in times]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Engine]:
    with open_state(tmp_path) as engine:
        yield engine


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(broker: BrokerAddress, state: Engine, said: list[str]) -> Make:
    """One backfill to its end: of AAPL and BRK.B, the first twelve days of 2024."""

    def ran(
        *providers: FakePast,
        stop: Stop | None = None,
        spans: Sequence[TimeRange] = (TimeRange(START, END),),
        symbols: Sequence[str] = ("AAPL", "BRK.B"),
        clock: Callable[[], datetime] = utc_now,
        kept: bool = True,
    ) -> Backfill:
        left = {symbol: list(spans) for symbol in symbols}
        with Publisher(broker, "test") as publisher:
            advance: list[timedelta] = []
            work = Backfill(
                providers, publisher, Interval.DAY, left, said.append, advance.append, state if kept else None, clock
            )
            work.run(stop or Stop())
        return work

    return ran


def failing(error: Exception, *at: tuple[str, int]) -> Callable[[str, int], None]:
    """Raise it for a symbol from a day on, each time."""

    def meddle(symbol: str, day: int) -> None:
        if any(symbol == each and day >= first for each, first in at):
            raise error

    return meddle


def published(broker: BrokerAddress, queue: str, count: int) -> list[StockData]:
    assert waiting(broker, queue) == count
    return [StockData.decode(each.body, utc_now()) for each in taken(broker, queue, count)]


def test_each_price_is_an_event_of_history_under_its_own_id(run: Make, broker: BrokerAddress) -> None:
    live, past = declare(broker, "stock.*.price", name="live"), declare(broker, "stock.*.backfill")
    before = utc_now()
    work = run(FakePast())
    assert (work.published, work.left, work.failed, work.is_over) == (24, {}, {}, True)
    assert waiting(broker, live) == 0
    events = published(broker, past, 24)
    assert [(each.symbol, each.as_of.day) for each in events] == [
        (symbol, day) for symbol in ("AAPL", "BRK.B") for day in range(1, 13)
    ]
    for each in events:
        assert each.id == stock_data_id("first", each.symbol, each.as_of)
        assert each.price == each.as_of.day
        assert before <= each.observed_at <= utc_now()


def test_a_window_is_published_before_the_next_is_fetched(run: Make, broker: BrokerAddress) -> None:
    queue = declare(broker)
    there: list[int | None] = []
    provider = FakePast(meddle=lambda _symbol, _day: there.append(waiting(broker, queue)))
    run(provider, symbols=["AAPL"])
    assert provider.asked == [("AAPL", 1, 6), ("AAPL", 6, 11), ("AAPL", 11, 13)]
    assert there == [0, 5, 10]


@pytest.mark.parametrize("error", [ProviderUnavailable("is down"), InvalidResponse("sent an HTML page")])
def test_what_one_provider_fails_is_asked_of_the_next(run: Make, broker: BrokerAddress, error: Exception) -> None:
    queue = declare(broker)
    first, second = FakePast(meddle=failing(error, ("AAPL", 6))), FakePast("second")
    work = run(first, second)
    assert (work.left, work.failed, work.is_over) == ({}, {}, True)
    assert second.asked == [("AAPL", 6, 11), ("AAPL", 11, 13)]
    events = published(broker, queue, 24)
    assert {each.as_of.day for each in events if each.provider == "second"} == set(range(6, 13))


def test_a_symbol_that_every_provider_fails_fails_alone(run: Make, broker: BrokerAddress) -> None:
    queue = declare(broker)
    errors = {name: ProviderUnavailable(f"{name} is down") for name in ("first", "second")}
    providers = [FakePast(name, failing(error, ("AAPL", 6))) for name, error in errors.items()]
    work = run(*providers)
    assert work.reasons() == {"AAPL": "first is down; second is down"}
    assert list(work.left) == ["AAPL"]
    assert not work.is_over
    assert len(published(broker, queue, 17)) == 17


def test_a_backfill_is_over_where_a_symbol_is_unknown_to_all(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    assert run(FakePast(meddle=failing(UnknownSymbol("is not known"), ("AAPL", 1)))).is_over


def test_a_key_that_is_refused_leaves_the_rest_to_the_next(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    refusal = failing(AuthenticationFailed("refuses the key"), ("AAPL", 6), ("BRK.B", 1))
    first, second = FakePast(meddle=refusal), FakePast("second")
    work = run(first, second)
    assert first.asked == [("AAPL", 1, 6), ("AAPL", 6, 11)]
    assert second.asked[0] == ("AAPL", 6, 11)
    assert (work.published, work.left, list(work.halts)) == (24, {}, ["first"])
    alone = run(FakePast("third", refusal))
    assert (list(alone.left), alone.failed, alone.is_over) == (["AAPL", "BRK.B"], {}, False)


def test_a_limit_that_is_over_soon_is_waited_for_and_said(run: Make, broker: BrokerAddress, said: list[str]) -> None:
    queue = declare(broker)
    limits = iter([RateLimited("the quota of 1 per minute is used up", utc_now() + timedelta(seconds=1))])

    def meddle(_symbol: str, day: int) -> None:
        if day == 6:
            for error in limits:
                raise error

    work = run(FakePast(meddle=meddle))
    assert said == ["waiting for 1 s: the quota of 1 per minute is used up"]
    assert (work.published, work.left) == (24, {})
    assert waiting(broker, queue) == 24


def test_a_limit_of_the_day_ends_the_provider(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    tomorrow = RateLimited("the plan's 800 a day are used up", utc_now() + timedelta(hours=3))
    provider = FakePast(meddle=failing(tomorrow, ("AAPL", 6)))
    work = run(provider)
    assert len(provider.asked) == 2
    assert (list(work.left), work.halts, work.is_over) == (["AAPL", "BRK.B"], {"first": tomorrow}, False)


def test_a_limit_that_never_ends_is_given_up(run: Make, broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(broker)
    monkeypatch.setattr("producer.backfill.run.WAITS", 1)
    limited = failing(RateLimited("answers 429", utc_now()), ("AAPL", 1))
    assert list(run(FakePast(meddle=limited)).halts) == ["first"]


def test_a_stop_ends_the_waiting_at_once(run: Make, broker: BrokerAddress, said: list[str]) -> None:
    queue = declare(broker)
    stop = Stop()

    def meddle(_symbol: str, day: int) -> None:
        if day == 6:
            stop.request()
            raise RateLimited("the quota of 1 per minute is used up", utc_now() + timedelta(minutes=1))

    before = utc_now()
    work = run(FakePast(meddle=meddle), FakePast("second"), stop=stop)
    assert utc_now() - before < timedelta(seconds=20)
    assert list(work.left) == ["AAPL", "BRK.B"]
    assert waiting(broker, queue) == 5


def test_a_price_that_consumers_would_refuse_is_named_and_skipped(
    run: Make, broker: BrokerAddress, said: list[str]
) -> None:
    queue = declare(broker)

    class Broken(FakePast):
        def history(self, *arguments: object) -> Sequence[Quote]:
            first, *others = super().history(*arguments)  # type: ignore[arg-type]
            return [Quote(Decimal("1.2345678901234567"), first.as_of), *others]

    work = run(Broken(), symbols=["AAPL"], spans=[TimeRange(START, START + 5 * DAY)])
    assert (work.published, work.skipped, work.failed) == (4, 1, {})
    assert said[0].startswith("AAPL of 2024-01-01T00:00:00Z skipped: first sent an invalid quote: price '1.23")
    assert waiting(broker, queue) == 4


def test_without_a_queue_nothing_is_asked_for_in_vain(run: Make) -> None:
    provider = FakePast()
    with pytest.raises(PublishError, match="no queue is bound"):
        run(provider)
    assert len(provider.asked) == 1


class Killed(BaseException):
    """What nothing catches, as kill -9 is."""


def cut_off_at(run: Make, day: int) -> None:
    with pytest.raises(Killed):
        run(FakePast(meddle=failing(Killed(), ("BRK.B", day))))  # type: ignore[arg-type]


def test_what_was_cut_off_goes_on_from_there(run: Make, broker: BrokerAddress, said: list[str]) -> None:
    queue = declare(broker)
    cut_off_at(run, 6)
    again = FakePast()
    assert run(again).is_over
    assert again.asked == [("BRK.B", 6, 11), ("BRK.B", 11, 13)]
    assert said == ["first: going on where it was cut off: AAPL at 2024-01-13T00:00:00Z, BRK.B at 2024-01-06T00:00:00Z"]
    assert len({each.id for each in published(broker, queue, 24)}) == 24


@pytest.mark.parametrize(
    ("since", "asked"),
    [
        (START - DAY, [("AAPL", 0, 5), ("AAPL", 5, 10), ("AAPL", 10, 13)]),
        (START + DAY, []),
        (START + 12 * DAY, [("AAPL", 13, 14)]),
    ],
)
def test_it_goes_on_with_the_same_or_a_later_beginning_alone(
    run: Make, broker: BrokerAddress, since: datetime, asked: list[Asked]
) -> None:
    declare(broker)
    cut_off_at(run, 6)
    again = FakePast()
    run(again, symbols=["AAPL"], spans=[TimeRange(since, max(END, since + DAY))])
    assert again.asked == asked


def test_another_provider_begins_at_the_beginning(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    cut_off_at(run, 6)
    other = FakePast("other")
    run(other)
    assert other.asked[0] == ("AAPL", 1, 6)


def test_what_has_been_forgotten_is_fetched_anew(run: Make, broker: BrokerAddress, state: Engine) -> None:
    declare(broker)
    cut_off_at(run, 6)
    with writing(state) as connection:
        forget_progress(connection, ["BRK.B"], Interval.FIVE_MINUTES)
        forget_progress(connection, ["AAPL"], Interval.DAY)
    again = FakePast()
    run(again)
    assert [each for each in again.asked if each[1] == 1] == [("AAPL", 1, 6)]


def test_the_newest_days_are_asked_for_again_since_their_bars_may_come_late(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    now = START + 11 * DAY
    for asked in (3, 1):
        provider = FakePast()
        run(provider, symbols=["AAPL"], clock=lambda: now)
        assert len(provider.asked) == asked
    assert provider.asked == [("AAPL", 10, 13)]


def test_of_a_window_over_several_holes_only_what_is_missing_is_published(run: Make, broker: BrokerAddress) -> None:
    queue = declare(broker)
    provider = FakePast()
    spans = [
        TimeRange(START, START + DAY),
        TimeRange(START + 3 * DAY, START + 4 * DAY),
        TimeRange(START + 8 * DAY, START + 9 * DAY),
    ]
    run(provider, symbols=["AAPL"], spans=spans)
    assert provider.asked == [("AAPL", 1, 5), ("AAPL", 9, 10)]
    assert [each.as_of.day for each in published(broker, queue, 3)] == [1, 4, 9]


def test_a_hole_that_cannot_be_had_keeps_nobody_from_the_next(run: Make, broker: BrokerAddress) -> None:
    queue = declare(broker)
    too_long_ago = failing(UnknownSymbol("keeps no prices that old"), ("AAPL", 1))
    first = FakePast(meddle=lambda symbol, day: too_long_ago(symbol, day) if day < 9 else None)
    spans = [TimeRange(START, START + 2 * DAY), TimeRange(START + 8 * DAY, START + 9 * DAY)]
    alone = run(first, symbols=["AAPL"], spans=spans, kept=False)
    assert alone.left == {"AAPL": spans[:1]}
    assert alone.reasons() == {"AAPL": "keeps no prices that old"}
    second = FakePast("second")
    assert run(first, second, symbols=["AAPL"], spans=spans, kept=False).failed == {}
    assert second.asked == [("AAPL", 1, 3)]
    assert [(each.provider, each.as_of.day) for each in published(broker, queue, 4)] == [
        ("first", 9),
        ("first", 9),
        ("second", 1),
        ("second", 2),
    ]
