"""The retry policy: which outcomes of a request are retried, how often and after which delay."""

import pytest

from producer.providers.http.retries import MAX_RETRY_AFTER, Retries
from shared.errors import RateLimited
from shared.http.deadline import Deadline
from tests.event_factories import NOW

SOON, LATER = Deadline(0.1), Deadline(3600)


def no_credits() -> None:
    raise RateLimited("used up", NOW)


def unlimited() -> None:
    pass


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_retried_twice_with_a_longer_second_delay(status: int) -> None:
    retries = Retries(unlimited, LATER)
    first, second = (retries.after_response(status, None) for _ in range(2))
    assert first is not None
    assert second is not None
    assert 0.1 <= first <= 0.2 <= second <= 0.4
    assert retries.after_response(status, None) is None


@pytest.mark.parametrize("status", [200, 301, 401, 403, 404, 429, 501])
def test_another_status_is_not_retried(status: int) -> None:
    assert Retries(unlimited, LATER).after_response(status, None) is None


@pytest.mark.parametrize("status", [413, 429, 500, 503])
def test_a_short_retry_after_is_the_delay_and_a_longer_one_is_not_waited_for(status: int) -> None:
    assert Retries(unlimited, LATER).after_response(status, 2) == 2
    assert Retries(unlimited, LATER).after_response(status, MAX_RETRY_AFTER + 1) is None


def test_retry_after_does_not_cause_a_retry_of_a_success_or_a_client_error() -> None:
    assert Retries(unlimited, LATER).after_response(200, 1) is None
    assert Retries(unlimited, LATER).after_response(404, 1) is None


def test_a_connection_error_is_retried_once_and_counts_as_a_retry() -> None:
    retries = Retries(unlimited, LATER)
    assert retries.after_connection_error() is not None
    assert retries.after_connection_error() is None
    assert retries.after_response(503, None) is not None
    assert retries.after_response(503, None) is None


def test_a_retry_needs_credits_and_credits_are_reserved_only_for_a_retry() -> None:
    assert Retries(no_credits, LATER).after_response(503, None) is None
    assert Retries(no_credits, LATER).after_connection_error() is None
    reserved: list[int] = []
    Retries(lambda: reserved.append(1), LATER).after_response(404, None)
    assert reserved == []


def test_a_retry_after_the_deadline_of_the_call_is_not_made_and_costs_no_credit() -> None:
    reserved: list[int] = []
    retries = Retries(lambda: reserved.append(1), SOON)
    assert retries.after_response(503, 2) is None
    assert retries.after_response(503, None) is None
    assert reserved == []
