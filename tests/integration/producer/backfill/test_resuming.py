"""Backfills that are interrupted, and go on where they were; the newest days are fetched again."""

from datetime import datetime

import pytest
from sqlalchemy import Engine

from producer.backfill.progress import forget_progress
from producer.backfill.time_ranges import TimeRange
from producer.providers.base import Interval
from shared.database.engine import writing
from shared.messaging.address import BrokerAddress
from tests.integration.producer.backfill.conftest import (
    DAY,
    END,
    START,
    FakeHistoricalProvider,
    Make,
    Requested,
    failing,
    published,
)
from tests.queues import declare


class Killed(BaseException):
    """An end of the process that no code catches, like kill -9."""


def interrupt_at(run: Make, day: int) -> None:
    with pytest.raises(Killed):
        run(FakeHistoricalProvider(before_answer=failing(Killed(), ("BRK.B", day))))  # type: ignore[arg-type]


def test_an_interrupted_backfill_resumes(run: Make, broker: BrokerAddress, printed: list[str]) -> None:
    queue = declare(broker)
    interrupt_at(run, 6)
    again = FakeHistoricalProvider()
    assert run(again).is_finished
    assert again.requested == [("BRK.B", 6, 11), ("BRK.B", 11, 13)]
    assert printed == [
        "resuming an interrupted backfill from first: AAPL at 2024-01-13T00:00:00Z, BRK.B at 2024-01-06T00:00:00Z"
    ]
    assert len({each.id for each in published(broker, queue, 24)}) == 24


@pytest.mark.parametrize(
    ("since", "requested"),
    [
        (START - DAY, [("AAPL", 0, 5), ("AAPL", 5, 10), ("AAPL", 10, 13)]),
        (START + DAY, []),
        (START + 12 * DAY, [("AAPL", 13, 14)]),
    ],
)
def test_a_backfill_resumes_only_with_the_same_or_a_later_start(
    run: Make, broker: BrokerAddress, since: datetime, requested: list[Requested]
) -> None:
    declare(broker)
    interrupt_at(run, 6)
    again = FakeHistoricalProvider()
    run(again, symbols=["AAPL"], time_ranges=[TimeRange(since, max(END, since + DAY))])
    assert again.requested == requested


def test_another_provider_starts_from_the_beginning(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    interrupt_at(run, 6)
    other = FakeHistoricalProvider("other")
    run(other)
    assert other.requested[0] == ("AAPL", 1, 6)


def test_forgotten_progress_is_fetched_again(run: Make, broker: BrokerAddress, state: Engine) -> None:
    declare(broker)
    interrupt_at(run, 6)
    with writing(state) as connection:
        forget_progress(connection, ["BRK.B"], Interval.FIVE_MINUTES)
        forget_progress(connection, ["AAPL"], Interval.DAY)
    again = FakeHistoricalProvider()
    run(again)
    assert [each for each in again.requested if each[1] == 1] == [("AAPL", 1, 6)]


def test_the_newest_days_are_fetched_again_because_their_bars_may_come_late(run: Make, broker: BrokerAddress) -> None:
    declare(broker)
    now = START + 11 * DAY
    for count in (3, 1):
        provider = FakeHistoricalProvider()
        run(provider, symbols=["AAPL"], clock=lambda: now)
        assert len(provider.requested) == count
    assert provider.requested == [("AAPL", 10, 13)]
