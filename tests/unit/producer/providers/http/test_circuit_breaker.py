"""The circuit breaker: the events that open it, the time that it stays open, and the success that closes it."""

from datetime import datetime, timedelta

import pytest

from producer.providers.http.circuit_breaker import (
    FAILURE_THRESHOLD,
    MAX_OPEN_TIME,
    MIN_OPEN_TIME,
    REJECTED_KEY_OPEN_TIME,
    CircuitBreaker,
)
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, ProviderUnavailable, RateLimited
from tests.event_factories import NOW

AWAY = ProviderUnavailable("Finnhub is down")
SECOND = timedelta(seconds=1)


def failing(times: int, circuit: CircuitBreaker | None = None, now: datetime = NOW) -> CircuitBreaker:
    circuit = circuit or CircuitBreaker(half_open=False)
    for _ in range(times):
        circuit = circuit.failed(AWAY, now)
    return circuit


def test_a_few_failures_make_the_circuit_half_open() -> None:
    circuit = failing(FAILURE_THRESHOLD - 1)
    assert circuit.open_error(NOW) is None
    assert circuit.half_open


def test_one_more_failure_opens_the_circuit_for_a_minute() -> None:
    circuit = failing(FAILURE_THRESHOLD)
    error = circuit.open_error(NOW + SECOND)
    assert isinstance(error, ProviderUnavailable)
    assert str(error) == "Finnhub is down; next request after 2024-11-20 10:01:03 UTC"
    assert circuit.open_error(NOW + MIN_OPEN_TIME) is None


@pytest.mark.parametrize("error", [AWAY, InvalidResponse("Finnhub sent an HTML page")])
def test_each_failed_probe_doubles_the_open_time_up_to_a_cap(error: ProviderError) -> None:
    circuit, now = failing(FAILURE_THRESHOLD), NOW
    pauses = []
    for _ in range(8):
        assert circuit.retry_at
        pauses.append(circuit.retry_at - now)
        now = circuit.retry_at
        circuit = circuit.failed(error, now)
    assert pauses[:3] == [MIN_OPEN_TIME, 2 * MIN_OPEN_TIME, 4 * MIN_OPEN_TIME]
    assert pauses[-1] == MAX_OPEN_TIME


def test_a_success_closes_the_circuit() -> None:
    circuit = failing(FAILURE_THRESHOLD).succeeded()
    assert circuit.open_error(NOW) is None
    assert circuit == CircuitBreaker(half_open=False)


def test_a_rate_limit_opens_the_circuit_until_its_end() -> None:
    circuit = CircuitBreaker(half_open=False).failed(RateLimited("slow down", NOW + 90 * SECOND), NOW)
    error = circuit.open_error(NOW + 89 * SECOND)
    assert isinstance(error, RateLimited)
    assert (str(error), error.retry_at) == ("slow down", NOW + 90 * SECOND)
    assert circuit.open_error(NOW + 90 * SECOND) is None
    assert not circuit.half_open


def test_a_rejected_key_opens_the_circuit_for_an_hour() -> None:
    circuit = CircuitBreaker(half_open=False).failed(AuthenticationFailed("Finnhub rejected the key"), NOW)
    assert isinstance(circuit.open_error(NOW + REJECTED_KEY_OPEN_TIME - SECOND), AuthenticationFailed)
    assert circuit.open_error(NOW + REJECTED_KEY_OPEN_TIME) is None


@pytest.mark.parametrize(
    "error", [AWAY, AuthenticationFailed("Finnhub rejected the key"), RateLimited("slow down", NOW + timedelta(days=1))]
)
def test_a_clock_that_is_set_back_does_not_extend_the_open_time(error: ProviderError) -> None:
    circuit = failing(FAILURE_THRESHOLD - 1).failed(error, NOW)
    assert circuit.open_error(NOW) is not None
    assert circuit.open_error(NOW - timedelta(hours=2)) is None
