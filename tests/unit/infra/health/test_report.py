"""The parts of the health report that are functions of values."""

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from consumers.web.health import BrokerHealth, QueueHealth
from infra.health.broker_probe import BrokerLook
from infra.health.providers import describe_circuit, describe_credits
from infra.health.report import describe_market, describe_worker, next_sync, within_market
from producer.providers.http.circuit_breaker import FAILURE_THRESHOLD, CircuitBreaker
from shared.accounts import Account
from shared.errors import AuthenticationFailed, ProviderUnavailable
from shared.market_calendar import MarketCalendar, load_market_calendar
from shared.schedule import Schedule

NOW = datetime(2026, 11, 20, 15, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@cache
def new_york() -> MarketCalendar:
    return load_market_calendar("XNYS")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "last", "expected"),
    [
        ("5m", NOW - MINUTE, NOW + 4 * MINUTE),
        ("5m", NOW - 20 * MINUTE, NOW),
        ("5m", None, NOW),
        ("*/5 * * * *", NOW - 20 * MINUTE, at("2026-11-20T15:05:00")),
    ],
)
def test_the_next_sync_follows_from_the_schedule(schedule: str, last: datetime | None, expected: datetime) -> None:
    assert next_sync(Schedule.parse(schedule), last, NOW) == expected


@pytest.mark.parametrize(
    ("now", "due", "expected"),
    [
        ("2026-11-20T15:00:00", "2026-11-20T15:05:00", "2026-11-20T15:05:00"),
        # One more sync is sent after the close.
        ("2026-11-20T20:59:00", "2026-11-20T21:04:00", "2026-11-20T21:00:00"),
        ("2026-11-20T22:00:00", "2026-11-20T22:05:00", "2026-11-23T14:30:00"),
    ],
)
def test_a_sync_waits_for_the_hours_of_the_market(now: str, due: str, expected: str) -> None:
    assert within_market(new_york(), at(due), at(now)) == at(expected)


@pytest.mark.parametrize(
    ("now", "is_open", "until", "text"),
    [
        ("2026-11-20T15:00:00", True, "2026-11-20T21:00:00Z", "XNYS is open until 2026-11-20 21:00 UTC"),
        # The day after Thanksgiving is a half day.
        ("2026-11-27T17:00:00", True, "2026-11-27T18:00:00Z", "XNYS is open until 2026-11-27 18:00 UTC"),
        ("2026-11-21T15:00:00", False, "2026-11-23T14:30:00Z", "XNYS is closed until 2026-11-23 14:30 UTC"),
    ],
)
def test_the_market_is_open_or_closed_until_a_time(now: str, is_open: bool, until: str, text: str) -> None:
    found = describe_market(new_york(), at(now))
    assert (found.name, found.zone) == ("XNYS", "America/New_York")
    assert (found.is_open, found.until, found.text) == (is_open, until, text)


def test_outside_the_calendar_it_is_not_known_if_the_market_is_open() -> None:
    found = describe_market(new_york(), at("2150-01-01T00:00:00"))
    assert (found.is_open, found.until) == (None, None)
    assert "the installed calendar of XNYS covers" in found.text


@pytest.mark.parametrize(("consumers", "alive"), [(0, False), (1, True), (None, False)])
def test_a_worker_is_alive_if_the_queue_of_the_syncs_has_a_consumer(consumers: int | None, alive: bool) -> None:
    look = BrokerLook(BrokerHealth(True, "amqp://x"), [QueueHealth("celery.sync", 0, consumers, None)])
    assert describe_worker(look).alive is alive


def test_without_the_broker_nothing_is_known_of_the_worker() -> None:
    assert describe_worker(BrokerLook(BrokerHealth(False, "amqp://x", error="away"))).alive is None


def test_a_circuit_is_closed_until_something_fails() -> None:
    assert describe_circuit(CircuitBreaker(), NOW).state == "closed"
    assert describe_circuit(CircuitBreaker().succeeded(), NOW).state == "closed"


def test_a_circuit_is_half_open_after_a_failure_and_when_its_time_is_over() -> None:
    failed = CircuitBreaker().failed(ProviderUnavailable("Yahoo answered 500"), NOW)
    found = describe_circuit(failed, NOW)
    assert (found.state, found.reason) == (
        "half_open",
        "the last request failed; the log of the worker has the reasons",
    )
    twice = describe_circuit(failed.failed(ProviderUnavailable("Yahoo answered 500"), NOW), NOW)
    assert twice.reason.startswith("the last 2 requests failed")
    refused = CircuitBreaker().failed(AuthenticationFailed("Yahoo rejected the key"), NOW)
    later = describe_circuit(refused, NOW + timedelta(hours=2))
    assert (later.state, later.reason) == ("half_open", "Yahoo rejected the key")


def test_an_open_circuit_tells_until_when_and_why() -> None:
    circuit = CircuitBreaker()
    for _ in range(FAILURE_THRESHOLD):
        circuit = circuit.failed(ProviderUnavailable("Yahoo answered 500"), NOW)
    found = describe_circuit(circuit, NOW)
    assert (found.state, found.retry_at) == ("open", "2026-11-20T15:01:30Z")
    assert found.reason.startswith("Yahoo answered 500")


def test_credits_are_counted_per_minute_and_per_day_with_refunds() -> None:
    usage = [(NOW - timedelta(days=1), 50), (NOW - 5 * MINUTE, 10), (NOW - MINUTE / 2, 6), (NOW - MINUTE / 2, -2)]
    minute, day = describe_credits(Account("https://example.com", per_minute=8, per_day=100), usage, NOW)
    assert (minute.period, minute.used, minute.left, minute.resets_at) == (
        "minute",
        4,
        4,
        "2026-11-20T15:01:00.500000Z",
    )
    assert (day.period, day.used, day.left, day.resets_at) == ("day", 14, 86, "2026-11-21T00:00:00Z")


def test_usage_from_before_the_clock_was_set_back_counts_as_now() -> None:
    [minute] = describe_credits(Account("https://example.com", per_minute=8), [(NOW + timedelta(hours=1), 3)], NOW)
    assert (minute.used, minute.left) == (3, 5)


def test_an_account_without_limits_has_no_credits() -> None:
    assert list(describe_credits(Account("https://example.com"), [(NOW, 3)], NOW)) == []
