"""The arithmetic of ./stockwire plan: what it proposes fits, and a step more does not."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.plan.command import fare_of
from producer.plan.forecast import (
    DAY,
    MINUTE,
    PER_DAY,
    PER_MINUTE,
    STEPS,
    Fare,
    Forecast,
    Timing,
    find_exceeded,
    forecast,
    make_load,
)
from producer.providers.http.apis.base import request_cost
from producer.providers.registry import APIS
from shared.accounts import ACCOUNTS, Account
from shared.market_calendar import Session
from tests.factories import property_test

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)


def session(start: timedelta, end: timedelta, *lunch: timedelta) -> Session:
    """A session by its times since MIDNIGHT."""
    breaks = (MIDNIGHT + lunch[0], MIDNIGHT + lunch[1]) if lunch else None
    return Session(MIDNIGHT.date(), MIDNIGHT + start, MIDNIGHT + end, breaks)


HOUR = 60 * MINUTE
SESSION = session(14.5 * HOUR, 21 * HOUR)

FREE = ACCOUNTS["twelvedata"]
CREDIT_A_SYMBOL = Fare(batch=100, credit_per_symbol=True)
CREDIT_A_CALL = Fare(batch=1, credit_per_symbol=False)


def every(interval: timedelta, *sessions: Session) -> Timing:
    return Timing(interval, sessions=sessions or None)


def forecast_of(symbols: int, timing: Timing, account: Account = FREE, fare: Fare = CREDIT_A_SYMBOL) -> Forecast:
    return forecast(account, fare, symbols, timing)


def test_the_free_plan_has_room_for_2_symbols_every_5_minutes_around_the_clock() -> None:
    found = forecast_of(5, every(5 * MINUTE))
    assert (found.load.syncs, found.load.credits_a_day, found.most_symbols) == (288, 1440, 2)
    assert found.exceeded == (PER_DAY,)
    # 160 syncs of 5 credits are the 800 of a day.
    assert found.shortest_interval == 9 * MINUTE


def test_the_free_plan_has_room_for_10_symbols_every_5_minutes_of_a_session() -> None:
    found = forecast_of(10, every(5 * MINUTE, SESSION))
    # One more follows the close.
    assert (found.load.syncs, found.load.credits_a_day, found.most_symbols) == (78 + 1, 790, 10)
    assert (found.fits, found.minutes, found.shortest_interval) == (True, 2, 5 * MINUTE)


def test_a_sync_takes_as_many_minutes_as_its_credits_need() -> None:
    account = Account("", per_minute=8)
    assert forecast_of(40, every(5 * MINUTE), account).exceeded == ()
    found = forecast_of(41, every(5 * MINUTE), account)
    assert (found.exceeded, found.minutes, found.most_symbols) == ((PER_MINUTE,), 6, 40)
    assert found.shortest_interval == 6 * MINUTE


def test_syncs_less_than_a_minute_apart_share_the_minute() -> None:
    account = Account("", per_minute=60)
    assert forecast_of(5, every(timedelta(seconds=5)), account, CREDIT_A_CALL).fits
    found = forecast_of(6, every(timedelta(seconds=5)), account, CREDIT_A_CALL)
    assert (found.exceeded, found.most_symbols, found.shortest_interval) == ((PER_MINUTE,), 5, timedelta(seconds=6))


def test_a_call_that_takes_many_symbols_along_costs_one_credit() -> None:
    found = forecast_of(250, every(5 * MINUTE), Account("", per_minute=1), Fare(100, credit_per_symbol=False))
    assert (found.load.credits, found.minutes, found.most_symbols) == (3, 3, 500)


def test_a_plan_without_limits_takes_everything() -> None:
    found = forecast_of(100_000, every(timedelta(seconds=1)), Account(""))
    assert (found.exceeded, found.minutes, found.most_symbols) == ((), None, None)
    assert found.shortest_interval == STEPS[0]


def test_more_credits_a_sync_than_a_day_has_fit_at_no_interval() -> None:
    found = forecast_of(26, every(DAY), ACCOUNTS["alphavantage"], CREDIT_A_CALL)
    assert (found.exceeded, found.most_symbols, found.shortest_interval) == ((PER_DAY,), 25, None)


@pytest.mark.parametrize(
    ("timing", "syncs"),
    [
        (every(7 * MINUTE), 206),
        (every(7 * DAY), 1),
        (Timing(HOUR, tuple(range(0, 1440, 60))), 24),
        # A crontab at 14:30, 15:00 … of a session from 14:30 up to 21:00, and the one after its close.
        (Timing(HOUR / 2, tuple(range(0, 1440, 30)), (SESSION,)), 13 + 1),
        (Timing(DAY, (9 * 60,), (SESSION,)), 1),
        # The busiest of a half day, a whole one, and one that goes on past midnight.
        (every(HOUR, session(-75 * HOUR, -72 * HOUR), SESSION), 7 + 1),
        (every(HOUR, session(-2 * HOUR, 3 * HOUR)), 3 + 1),
        (every(HOUR, session(-2 * DAY, timedelta())), 24),
        # With a lunch break from 4:00 to 5:30.
        (every(HOUR, session(timedelta(), 8 * HOUR, 4 * HOUR, 5.5 * HOUR)), 4 + 3 + 1),
        (Timing(MINUTE, sessions=()), 0),
    ],
)
def test_syncs_are_counted_on_the_busiest_day(timing: Timing, syncs: int) -> None:
    assert timing.syncs_a_day() == syncs


def sessions() -> st.SearchStrategy[tuple[Session, ...]]:
    """Sessions of some days, each of some hours, on and off the hour."""
    hours = st.tuples(st.integers(0, 24 * 60 - 1), st.integers(1, 30 * 60))
    return st.lists(hours, min_size=1, max_size=3).map(
        lambda days: tuple(
            session(2 * index * DAY + start * MINUTE, 2 * index * DAY + (start + length) * MINUTE)
            for index, (start, length) in enumerate(days)
        )
    )


LIMITS = st.none() | st.integers(1, 100) | st.integers(1, 10**6)
PLANS = st.builds(Account, st.just(""), per_minute=LIMITS, per_day=LIMITS)
FARES = st.builds(Fare, st.integers(1, 120), st.booleans(), st.booleans())
SYMBOLS = st.integers(1, 2000)
TIMINGS = st.builds(Timing, st.sampled_from(STEPS), st.none(), st.none() | sessions())


def fits(account: Account, fare: Fare, symbols: int, timing: Timing) -> bool:
    return not find_exceeded(account, make_load(fare, symbols, timing))


@given(PLANS, FARES, SYMBOLS, TIMINGS)
@property_test
def test_as_many_symbols_as_are_proposed_fit_and_one_more_does_not(
    account: Account, fare: Fare, symbols: int, timing: Timing
) -> None:
    found = forecast(account, fare, symbols, timing)
    if found.most_symbols is None:
        assert account.per_minute is account.per_day is None
        assert found.fits
    else:
        assert not found.fits or symbols <= found.most_symbols
        assert fits(account, fare, found.most_symbols, timing)
        assert not fits(account, fare, found.most_symbols + 1, timing)


@given(PLANS, FARES, SYMBOLS, TIMINGS)
@property_test
def test_the_interval_that_is_proposed_fits_and_one_step_shorter_does_not(
    account: Account, fare: Fare, symbols: int, timing: Timing
) -> None:
    shortest = forecast(account, fare, symbols, timing).shortest_interval
    at = STEPS.index(shortest) if shortest else len(STEPS)
    for step in STEPS[at : at + 2]:
        assert fits(account, fare, symbols, Timing(step, sessions=timing.sessions))
    if at:
        assert not fits(account, fare, symbols, Timing(STEPS[at - 1], sessions=timing.sessions))


@given(PLANS, FARES, SYMBOLS, st.sampled_from([step for step in STEPS if step >= 20 * MINUTE]))
@property_test
def test_what_fits_keeps_to_the_limits_of_every_day(
    account: Account, fare: Fare, symbols: int, interval: timedelta
) -> None:
    """Spent as the budget spends it: at once what a minute has room for, and the rest minute by minute."""
    found = forecast(account, fare, symbols, every(interval))
    fitting = symbols if found.fits else found.most_symbols or 0
    days: Counter[int] = Counter()
    for sync in range(4 * DAY // interval):
        left, moment = fare.credits(fitting), sync * interval
        while left:
            assert moment < (sync + 1) * interval
            part = min(left, account.per_minute or left)
            days[moment // DAY] += part
            left, moment = left - part, moment + MINUTE
    assert account.per_day is None or max(days.values(), default=0) <= account.per_day


@pytest.mark.parametrize("name", ACCOUNTS)
@pytest.mark.parametrize("count", [1, 2, 20, 21, 101, 250])
def test_the_calls_that_are_reckoned_with_are_those_that_are_made(name: str, count: int) -> None:
    api = APIS[name](ACCOUNTS[name])
    calls = api.quote_requests([f"S{number}" for number in range(count)], MIDNIGHT)
    fare = fare_of(api, MIDNIGHT)
    assert fare.calls(count) == len(calls)
    assert fare.credits(count) == sum(request_cost(api, call) for call in calls)
