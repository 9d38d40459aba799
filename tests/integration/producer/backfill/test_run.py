"""Backfills through a real RabbitMQ, from a fake provider that fails as each test configures it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from producer.backfill.run import Backfill
from producer.backfill.time_ranges import TimeRange
from producer.providers.base import Interval, InvalidBar, Quote
from producer.state import FILE
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderUnavailable,
    PublishError,
    RateLimited,
    UnknownSymbol,
)
from shared.events import stock_data_id
from shared.messaging.address import BrokerAddress
from shared.messaging.publisher import Publisher
from shared.signals import Stop
from shared.splits import Split
from shared.times import utc_now
from tests.integration.producer.backfill.conftest import DAY, START, FakeHistoricalProvider, Make, failing, published
from tests.queues import declare, waiting


def test_each_price_is_an_event_of_history_with_its_own_id(run: Make, broker: BrokerAddress) -> None:
    live, past = declare(broker, "stock.*.price", name="live"), declare(broker, "stock.*.backfill")
    before = utc_now()
    work = run(FakeHistoricalProvider())
    assert (work.history.published, work.remaining, work.symbol_errors, work.is_finished) == (24, {}, {}, True)
    assert waiting(broker, live) == 0
    events = published(broker, past, 24)
    assert [(each.symbol, each.as_of.day) for each in events] == [
        (symbol, day) for symbol in ("AAPL", "BRK.B") for day in range(1, 13)
    ]
    for each in events:
        assert each.interval == "1d"
        assert each.id == stock_data_id("first", each.symbol, each.as_of, "1d")
        assert each.price == each.as_of.day
        assert before <= each.observed_at <= utc_now()


def test_a_window_is_published_before_the_next_is_fetched(run: Make, broker: BrokerAddress) -> None:
    queue = declare(broker)
    there: list[int | None] = []
    provider = FakeHistoricalProvider(before_answer=lambda _symbol, _day: there.append(waiting(broker, queue)))
    run(provider, symbols=["AAPL"])
    assert provider.requested == [("AAPL", 1, 6), ("AAPL", 6, 11), ("AAPL", 11, 13)]
    assert there == [0, 5, 10]


def test_a_removed_state_file_does_not_end_a_backfill(
    run: Make, broker: BrokerAddress, tmp_path: Path, printed: list[str]
) -> None:
    queue = declare(broker)

    def remove_state(_symbol: str, day: int) -> None:
        if day == 6:
            (tmp_path / FILE).unlink()

    assert run(FakeHistoricalProvider(before_answer=remove_state), symbols=["AAPL"]).is_finished
    assert len(published(broker, queue, 12)) == 12
    assert "was removed or moved while in use" in printed[0]


@pytest.mark.parametrize("error", [ProviderUnavailable("is down"), InvalidResponse("sent an HTML page")])
def test_the_next_provider_is_asked_for_the_windows_that_the_first_failed(
    run: Make, broker: BrokerAddress, error: Exception
) -> None:
    queue = declare(broker)
    first, second = FakeHistoricalProvider(before_answer=failing(error, ("AAPL", 6))), FakeHistoricalProvider("second")
    work = run(first, second)
    assert (work.remaining, work.symbol_errors, work.is_finished) == ({}, {}, True)
    assert second.requested == [("AAPL", 6, 11), ("AAPL", 11, 13)]
    events = published(broker, queue, 24)
    assert {each.as_of.day for each in events if each.provider == "second"} == set(range(6, 13))


def test_a_symbol_that_every_provider_fails_does_not_affect_the_others(run: Make, broker: BrokerAddress) -> None:
    queue = declare(broker)
    errors = {name: ProviderUnavailable(f"{name} is down") for name in ("first", "second")}
    providers = [FakeHistoricalProvider(name, failing(error, ("AAPL", 6))) for name, error in errors.items()]
    work = run(*providers)
    assert work.failures() == {"AAPL": "first is down; second is down"}
    assert list(work.remaining) == ["AAPL"]
    assert not work.is_finished
    assert len(published(broker, queue, 17)) == 17


def test_a_backfill_is_finished_if_a_symbol_is_unknown_to_every_provider(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    assert run(FakeHistoricalProvider(before_answer=failing(UnknownSymbol("is not known"), ("AAPL", 1)))).is_finished


def test_after_a_rejected_key_the_next_provider_gets_the_rest(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    refusal = failing(AuthenticationFailed("refuses the key"), ("AAPL", 6), ("BRK.B", 1))
    first, second = FakeHistoricalProvider(before_answer=refusal), FakeHistoricalProvider("second")
    work = run(first, second)
    assert first.requested == [("AAPL", 1, 6), ("AAPL", 6, 11)]
    assert second.requested[0] == ("AAPL", 6, 11)
    assert (work.history.published, work.remaining, list(work.provider_errors)) == (24, {}, ["first"])
    alone = run(FakeHistoricalProvider("third", refusal))
    assert (list(alone.remaining), alone.symbol_errors, alone.is_finished) == (["AAPL", "BRK.B"], {}, False)


def test_a_short_rate_limit_is_waited_for_and_printed(run: Make, broker: BrokerAddress, printed: list[str]) -> None:
    queue = declare(broker)
    limits = iter([RateLimited("the quota of 1 per minute is used up", utc_now() + timedelta(seconds=1))])

    def before_answer(_symbol: str, day: int) -> None:
        if day == 6:
            for error in limits:
                raise error

    work = run(FakeHistoricalProvider(before_answer=before_answer))
    assert printed == ["waiting for 1 s: the quota of 1 per minute is used up"]
    assert (work.history.published, work.remaining) == (24, {})
    assert waiting(broker, queue) == 24


def test_a_daily_limit_ends_the_part_of_the_provider(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    tomorrow = RateLimited("the plan's 800 credits per day are used up", utc_now() + timedelta(hours=3))
    provider = FakeHistoricalProvider(before_answer=failing(tomorrow, ("AAPL", 6)))
    work = run(provider)
    assert len(provider.requested) == 2
    assert (list(work.remaining), work.provider_errors, work.is_finished) == (
        ["AAPL", "BRK.B"],
        {"first": tomorrow},
        False,
    )


def test_a_rate_limit_that_never_ends_is_given_up(
    run: Make, broker: BrokerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(broker)
    monkeypatch.setattr("producer.backfill.run.MAX_RATE_LIMIT_WAITS", 1)
    limited = failing(RateLimited("answers 429", utc_now()), ("AAPL", 1))
    assert list(run(FakeHistoricalProvider(before_answer=limited)).provider_errors) == ["first"]


def test_a_stop_ends_the_wait_at_once(run: Make, broker: BrokerAddress, printed: list[str]) -> None:
    queue = declare(broker)
    stop = Stop()

    def before_answer(_symbol: str, day: int) -> None:
        if day == 6:
            stop.request()
            raise RateLimited("the quota of 1 per minute is used up", utc_now() + timedelta(minutes=1))

    before = utc_now()
    work = run(FakeHistoricalProvider(before_answer=before_answer), FakeHistoricalProvider("second"), stop=stop)
    assert utc_now() - before < timedelta(seconds=20)
    assert list(work.remaining) == ["AAPL", "BRK.B"]
    assert waiting(broker, queue) == 5


def test_a_price_that_consumers_would_reject_is_reported_and_skipped(
    run: Make, broker: BrokerAddress, printed: list[str]
) -> None:
    queue = declare(broker)

    class InvalidPriceProvider(FakeHistoricalProvider):
        def history(self, *arguments: object) -> Sequence[Quote]:
            first, *others = super().history(*arguments)  # type: ignore[arg-type]
            return [Quote(Decimal("1.2345678901234567"), first.as_of), *others]

    work = run(InvalidPriceProvider(), symbols=["AAPL"], time_ranges=[TimeRange(START, START + 5 * DAY)])
    assert (work.history.published, work.history.skipped, work.symbol_errors) == (4, 1, {})
    assert printed[0].startswith("AAPL of 2024-01-01T00:00:00Z skipped: first sent an invalid quote: price '1.23")
    assert waiting(broker, queue) == 4


def test_unusable_bars_are_named_and_their_neighbours_published(
    run: Make, broker: BrokerAddress, printed: list[str]
) -> None:
    queue = declare(broker)

    class OddProvider(FakeHistoricalProvider):
        def history(self, *arguments: object) -> Sequence[Quote | InvalidBar]:  # type: ignore[override]
            first, second, *others = super().history(*arguments)  # type: ignore[arg-type]
            quotes = [replace(each, currency=None, remarks=("the currency 'USDT' is odd",)) for each in others]
            return [first, *quotes, InvalidBar(second.as_of, "the price '-1' is negative"), InvalidBar(None, "no time")]

    work = run(OddProvider(), symbols=["AAPL"], time_ranges=[TimeRange(START, START + 5 * DAY)])
    assert (work.history.published, work.history.skipped, work.is_finished) == (4, 2, True)
    assert printed == [
        "AAPL: the currency 'USDT' is odd",
        "AAPL of 2024-01-02T00:00:00Z skipped: first sent an invalid price: the price '-1' is negative",
        "AAPL skipped: first sent an invalid price: no time",
    ]
    assert [each.as_of.day for each in published(broker, queue, 4)] == [1, 3, 4, 5]


def test_without_a_bound_queue_only_one_window_is_fetched(run: Make) -> None:
    provider = FakeHistoricalProvider()
    with pytest.raises(PublishError, match="no queue is bound"):
        run(provider)
    assert len(provider.requested) == 1


def test_a_window_over_several_gaps_publishes_only_the_missing_prices(run: Make, broker: BrokerAddress) -> None:
    queue = declare(broker)
    provider = FakeHistoricalProvider()
    time_ranges = [
        TimeRange(START, START + DAY),
        TimeRange(START + 3 * DAY, START + 4 * DAY),
        TimeRange(START + 8 * DAY, START + 9 * DAY),
    ]
    run(provider, symbols=["AAPL"], time_ranges=time_ranges)
    assert provider.requested == [("AAPL", 1, 5), ("AAPL", 9, 10)]
    assert [each.as_of.day for each in published(broker, queue, 3)] == [1, 4, 9]


def test_a_gap_that_fails_does_not_stop_the_later_gaps(run: Make, broker: BrokerAddress) -> None:
    queue = declare(broker)
    too_long_ago = failing(UnknownSymbol("keeps no prices that old"), ("AAPL", 1))
    first = FakeHistoricalProvider(before_answer=lambda symbol, day: too_long_ago(symbol, day) if day < 9 else None)
    time_ranges = [TimeRange(START, START + 2 * DAY), TimeRange(START + 8 * DAY, START + 9 * DAY)]
    alone = run(first, symbols=["AAPL"], time_ranges=time_ranges, resumable=False)
    assert alone.remaining == {"AAPL": time_ranges[:1]}
    assert alone.failures() == {"AAPL": "keeps no prices that old"}
    second = FakeHistoricalProvider("second")
    assert run(first, second, symbols=["AAPL"], time_ranges=time_ranges, resumable=False).symbol_errors == {}
    assert second.requested == [("AAPL", 1, 3)]
    assert [(each.provider, each.as_of.day) for each in published(broker, queue, 4)] == [
        ("first", 9),
        ("first", 9),
        ("second", 1),
        ("second", 2),
    ]


def test_splits_are_passed_on_before_the_prices_of_their_window(broker: BrokerAddress, state: Engine) -> None:
    queue = declare(broker)
    split = Split("AAPL", (START + 7 * DAY).date(), 4, 1)
    passed: list[tuple[Sequence[Split], str, int]] = []

    class SplitProvider(FakeHistoricalProvider):
        def history(
            self, symbol: str, interval: Interval, since: datetime, until: datetime
        ) -> Sequence[Quote | InvalidBar | Split]:
            return [split, *super().history(symbol, interval, since, until)]

    with Publisher(broker, "test") as publisher:
        work = Backfill(
            [SplitProvider()],
            publisher,
            Interval.DAY,
            {"AAPL": [TimeRange(START, START + 8 * DAY)]},
            print,
            lambda _covered: None,
            state,
            on_splits=lambda splits, provider: passed.append((splits, provider, waiting(broker, queue))),
        )
        work.run(Stop())
    assert passed == [([split], "first", 0), ([split], "first", 5)]
    assert work.history.published == 8
