"""Rules on missing data, with a clock that the test sets."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from consumers.alerts.handler import AlertHandler
from consumers.alerts.rules.options import Frequency, Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from consumers.alerts.silence import silent_seconds
from consumers.alerts.store import read_alerts
from shared.market_calendar import Session
from shared.messaging.messages import Message
from tests.event_factories import AS_OF, NOW, price_series

MINUTE = timedelta(minutes=1)


class FakeClock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def published() -> list[str]:
    return []


@pytest.fixture
def handler(engine: Engine, clock: FakeClock, published: list[str]) -> Callable[..., AlertHandler]:
    """Return a function that starts the consumer's handler."""

    def publish(messages: Sequence[Message]) -> int:
        published.extend(message.routing_key for message in messages)
        return 0

    def start(**options: Any) -> AlertHandler:
        return AlertHandler(engine, publish, clock=clock, **options)  # type: ignore[arg-type]

    return start


def told(engine: Engine) -> list[tuple[str, str, datetime, Decimal | None, str | None]]:
    return [(each.symbol, each.state, each.as_of, each.price, each.event_id) for each in read_alerts(engine)]


def test_a_silence_is_told_once_and_resolved_by_the_next_event(
    engine: Engine, clock: FakeClock, published: list[str], handler: Callable[..., AlertHandler]
) -> None:
    add_rule(engine, "feed", parse_terms("AAPL no data for 30m"), NOW - 60 * MINUTE, Options(resolved=True))
    handle = handler()
    first, second, third = price_series(["1", "2", "3"])
    handle([first])
    clock.now += 30 * MINUTE - timedelta(seconds=1)
    handle.idle()
    assert told(engine) == []
    clock.now += timedelta(seconds=1)
    handle.idle()
    handle.idle()
    # A restart does not begin a new silence.
    clock.now += 60 * MINUTE
    handle = handler()
    handle.idle()
    silence = ("AAPL", "firing", NOW, None, None)
    assert told(engine) == [silence]
    handle([second])
    resolved = ("AAPL", "resolved", second.as_of, Decimal(2), second.id)
    assert told(engine) == [silence, resolved]
    began = clock.now
    clock.now += 30 * MINUTE
    handle.idle()
    handle([third])
    again = ("AAPL", "firing", began, None, None)
    assert told(engine) == [silence, resolved, again, ("AAPL", "resolved", third.as_of, Decimal(3), third.id)]
    assert published == ["alert.AAPL.no_data"] * 4


def test_any_event_ends_a_silence_even_a_late_one(
    engine: Engine, clock: FakeClock, handler: Callable[..., AlertHandler]
) -> None:
    add_rule(engine, "feed", parse_terms("AAPL no data for 30m"), NOW, Options(resolved=True))
    handle = handler()
    first, second = price_series(["1", "2"])
    handle([second])
    clock.now += 30 * MINUTE
    handle.idle()
    handle([first])
    assert [each[1] for each in told(engine)] == ["firing", "resolved"]


def test_a_named_symbol_counts_from_the_creation_of_its_rule(
    engine: Engine, clock: FakeClock, handler: Callable[..., AlertHandler]
) -> None:
    """A rule on every symbol tells only of symbols that have been seen."""
    add_rule(engine, "named", parse_terms("AAPL no data for 30m"), NOW)
    add_rule(engine, "all", parse_terms("* no data for 10m"), NOW)
    handle = handler()
    handle(price_series(["1"], symbol="MSFT"))
    clock.now += 29 * MINUTE
    handle.idle()
    assert [each[0] for each in told(engine)] == ["MSFT"]
    clock.now += MINUTE
    handle.idle()
    assert [each[0] for each in told(engine)] == ["MSFT", "AAPL"]


def test_once_tells_one_silence_of_each_symbol(
    engine: Engine, clock: FakeClock, handler: Callable[..., AlertHandler]
) -> None:
    add_rule(engine, "all", parse_terms("* no data for 10m"), NOW, Options(frequency=Frequency(once=True)))
    handle = handler()
    for second in range(3):
        handle(price_series(["1"], start=AS_OF + timedelta(seconds=second)))
        clock.now += 10 * MINUTE
        handle.idle()
    assert [each[1] for each in told(engine)] == ["firing"]


def test_an_expired_rule_tells_no_silence(
    engine: Engine, clock: FakeClock, handler: Callable[..., AlertHandler]
) -> None:
    """No event has a time to compare with --expires, so our clock counts."""
    for minutes in (10, 11):
        options = Options(expires=NOW + minutes * MINUTE)
        add_rule(engine, f"until {minutes}", parse_terms("AAPL no data for 10m"), NOW, options)
    clock.now += 10 * MINUTE
    handler().idle()
    assert [each.rule_name for each in read_alerts(engine)] == ["until 11"]


def test_nothing_is_silent_while_events_wait_in_the_queue(
    engine: Engine, clock: FakeClock, handler: Callable[..., AlertHandler]
) -> None:
    """A second consumer stands by, and gets no event while the first is busy."""
    add_rule(engine, "feed", parse_terms("AAPL no data for 30m"), NOW)
    clock.now += 30 * MINUTE
    handle = handler()
    handle.idle(lambda: 1)
    assert told(engine) == []
    handle.idle(lambda: 0)
    assert [each[1] for each in told(engine)] == ["firing"]


def sessions(_since: datetime, _until: datetime) -> list[Session]:
    """Return a session of the day of NOW, with a lunch break, and one of the next day."""
    day = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    lunch = (day + timedelta(hours=12), day + timedelta(hours=13))
    following = day + timedelta(days=1)
    return [
        Session(day.date(), day + timedelta(hours=9), day + timedelta(hours=15), lunch),
        Session(following.date(), following + timedelta(hours=9), following + timedelta(hours=15)),
    ]


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        ((10, 0), (11, 0), 1),
        ((11, 0), (14, 0), 2),
        ((14, 0), (20, 0), 1),
        ((16, 0), (20, 0), 0),
        ((14, 30), (24 + 9, 30), 1),
    ],
)
def test_time_in_which_the_market_is_closed_does_not_count(
    since: tuple[int, int], until: tuple[int, int], hours: int
) -> None:
    day = datetime(2024, 11, 20, tzinfo=UTC)
    start, end = (day + timedelta(hours=hour, minutes=minute) for hour, minute in (since, until))
    assert silent_seconds(start, end, sessions) == hours * 3600


def test_a_closed_market_is_no_silence(engine: Engine, clock: FakeClock, handler: Callable[..., AlertHandler]) -> None:
    add_rule(engine, "feed", parse_terms("AAPL no data for 1h"), NOW)
    handle = handler(sessions=lambda: sessions)
    clock.now = NOW.replace(hour=14, minute=55)
    handle(price_series(["1"], start=clock.now))
    for hour in (16, 20):
        clock.now = NOW.replace(hour=hour)
        handle.idle()
        assert told(engine) == []
    clock.now = NOW.replace(hour=9, minute=55, second=30) + timedelta(days=1)
    handle.idle()
    assert [each[1] for each in told(engine)] == ["firing"]
