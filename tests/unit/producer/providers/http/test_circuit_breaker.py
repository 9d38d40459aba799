"""When a provider is left alone, for how long, and what closes its circuit again."""

from datetime import datetime, timedelta

import pytest

from producer.providers.http.circuit_breaker import FIRST_PAUSE, LONGEST_PAUSE, REFUSED_PAUSE, THRESHOLD, CircuitBreaker
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, ProviderUnavailable, RateLimited
from tests.factories import NOW

AWAY = ProviderUnavailable("answers 503")
SECOND = timedelta(seconds=1)


def failing(times: int, circuit: CircuitBreaker | None = None, now: datetime = NOW) -> CircuitBreaker:
    circuit = circuit or CircuitBreaker(proven=True)
    for _ in range(times):
        circuit = circuit.failed(AWAY, now)
    return circuit


def test_a_few_failures_leave_it_closed_but_no_longer_proven() -> None:
    circuit = failing(THRESHOLD - 1)
    assert circuit.read_error(NOW) is None
    assert not circuit.proven


def test_one_failure_more_opens_it_for_a_minute() -> None:
    circuit = failing(THRESHOLD)
    error = circuit.read_error(NOW + SECOND)
    assert isinstance(error, ProviderUnavailable)
    assert str(error) == "is left alone until 2024-11-20 10:01:03 UTC: answers 503"
    assert circuit.read_error(NOW + FIRST_PAUSE) is None


@pytest.mark.parametrize("error", [AWAY, InvalidResponse("sent an HTML page")])
def test_a_try_that_fails_too_opens_it_at_once_for_twice_as_long_up_to_a_cap(error: ProviderError) -> None:
    circuit, now = failing(THRESHOLD), NOW
    pauses = []
    for _ in range(8):
        assert circuit.until
        pauses.append(circuit.until - now)
        now = circuit.until
        circuit = circuit.failed(error, now)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_call_that_goes_well_closes_it_for_good() -> None:
    circuit = failing(THRESHOLD).succeeded()
    assert circuit.read_error(NOW) is None
    assert circuit == CircuitBreaker(proven=True)


def test_a_limit_is_kept_for_as_long_as_it_was_said() -> None:
    circuit = CircuitBreaker(proven=True).failed(RateLimited("slow down", NOW + 90 * SECOND), NOW)
    error = circuit.read_error(NOW + 89 * SECOND)
    assert isinstance(error, RateLimited)
    assert (str(error), error.retry_at) == ("slow down", NOW + 90 * SECOND)
    assert circuit.read_error(NOW + 90 * SECOND) is None
    assert circuit.proven


def test_a_key_that_is_refused_is_not_shown_again_for_an_hour() -> None:
    circuit = CircuitBreaker(proven=True).failed(AuthenticationFailed("refuses the key"), NOW)
    assert isinstance(circuit.read_error(NOW + REFUSED_PAUSE - SECOND), AuthenticationFailed)
    assert circuit.read_error(NOW + REFUSED_PAUSE) is None


@pytest.mark.parametrize(
    "error", [AWAY, AuthenticationFailed("refuses the key"), RateLimited("slow down", NOW + timedelta(days=1))]
)
def test_a_clock_that_is_set_back_leaves_nobody_alone_for_longer_than_any_pause(error: ProviderError) -> None:
    circuit = failing(THRESHOLD - 1).failed(error, NOW)
    assert circuit.read_error(NOW) is not None
    assert circuit.read_error(NOW - timedelta(hours=2)) is None
