"""The credits that a plan's limits leave, and the time when more are available."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from producer.providers.http.quota import DAY, MINUTE, Reservation, Usage, find_available
from shared.accounts import Account
from shared.times import midnight_of
from tests.event_factories import NOW, property_test

FREE = Account("http://localhost", per_minute=8, per_day=800)


def ago(seconds: float, amount: int) -> Usage:
    return NOW - timedelta(seconds=seconds), amount


def test_credits_within_the_limits_are_available() -> None:
    assert find_available([], FREE, 8, NOW) == Reservation(8, NOW)
    assert find_available([ago(10, 3)], FREE, 5, NOW) == Reservation(5, NOW)


def test_without_limits_all_credits_are_available() -> None:
    assert find_available([ago(1, 10**6)], Account("http://localhost"), 10**6, NOW) == Reservation(10**6, NOW)


def test_the_rest_is_available_a_minute_after_the_usage() -> None:
    assert find_available([ago(20, 5)], FREE, 5, NOW) == Reservation(3, NOW + timedelta(seconds=40.5), "8 per minute")


def test_more_credits_than_a_minute_allows_come_minute_by_minute() -> None:
    assert find_available([], FREE, 20, NOW) == Reservation(8, NOW + MINUTE, "8 per minute")


def test_a_minute_is_any_sixty_seconds_and_half_a_second() -> None:
    assert find_available([ago(60.2, 8)], FREE, 1, NOW).amount == 0
    assert find_available([ago(60.5, 8)], FREE, 1, NOW).amount == 1


def test_a_day_is_a_day_of_utc() -> None:
    midnight = datetime(2024, 11, 20, tzinfo=UTC)
    yesterday, today = (midnight - timedelta(seconds=1), 800), (midnight, 799)
    assert find_available([yesterday], FREE, 8, NOW) == Reservation(8, NOW)
    assert find_available([yesterday, today], FREE, 8, NOW) == Reservation(1, midnight + DAY, "800 per day")


def test_usage_from_before_the_clock_was_set_back_counts_as_now() -> None:
    later = (NOW + timedelta(hours=3), 8)
    assert find_available([later], FREE, 1, NOW) == Reservation(0, NOW + MINUTE, "8 per minute")


@property_test
@given(
    st.lists(st.tuples(st.integers(0, 5 * 86_400), st.integers(1, 30)), max_size=60),
    st.integers(1, 20),
    st.integers(1, 60),
)
def test_no_minute_and_no_day_exceeds_its_limit(asked: list[tuple[int, int]], per_minute: int, per_day: int) -> None:
    account = Account("http://localhost", per_minute=per_minute, per_day=per_day)
    usage: list[Usage] = []
    for second, wanted in sorted(asked):
        now = NOW + timedelta(seconds=second)
        reservation = find_available(usage, account, wanted, now)
        assert 0 <= reservation.amount <= wanted
        assert reservation.amount == wanted or reservation.retry_at > now
        usage.append((now, reservation.amount))
    for at, _ in usage:
        assert sum(amount for when, amount in usage if at <= when < at + MINUTE) <= per_minute
        assert sum(amount for when, amount in usage if midnight_of(when) == midnight_of(at)) <= per_day


@property_test
@given(st.integers(1, 40), st.integers(1, 10))
def test_waiting_until_retry_at_gives_all_credits(wanted: int, per_minute: int) -> None:
    account = Account("http://localhost", per_minute=per_minute)
    usage: list[Usage] = []
    now, tries = NOW, 0
    while wanted:
        reservation = find_available(usage, account, wanted, now)
        usage.append((now, reservation.amount))
        wanted -= reservation.amount
        now, tries = max(now, reservation.retry_at), tries + 1
        assert tries <= 40
    assert tries == -(-sum(amount for _, amount in usage) // per_minute)
