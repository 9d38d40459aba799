"""The arithmetic of ./stockwire plan: its proposals fit, and one step more does not."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.plan.command import pricing_of
from producer.plan.forecast import (
    DAY,
    MINUTE,
    PER_DAY,
    PER_MINUTE,
    STEPS,
    Forecast,
    Pricing,
    SyncTimes,
    exceeded_limits,
    make_forecast,
    make_load,
)
from producer.providers.http.apis.base import request_cost
from producer.providers.registry import APIS
from shared.accounts import ACCOUNTS, Account
from shared.market_calendar import Session
from tests.event_factories import property_test

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)


def session(start: timedelta, end: timedelta, *lunch: timedelta) -> Session:
    """Return a session by its times since MIDNIGHT."""
    breaks = (MIDNIGHT + lunch[0], MIDNIGHT + lunch[1]) if lunch else None
    return Session(MIDNIGHT.date(), MIDNIGHT + start, MIDNIGHT + end, breaks)


HOUR = 60 * MINUTE
SESSION = session(14.5 * HOUR, 21 * HOUR)

FREE = ACCOUNTS["twelvedata"]
CREDIT_PER_SYMBOL = Pricing(batch=100, credit_per_symbol=True)
CREDIT_PER_REQUEST = Pricing(batch=1, credit_per_symbol=False)


def every(interval: timedelta, *sessions: Session) -> SyncTimes:
    return SyncTimes(interval, sessions=sessions or None)


def forecast_for(
    symbols: int, sync_times: SyncTimes, account: Account = FREE, pricing: Pricing = CREDIT_PER_SYMBOL
) -> Forecast:
    return make_forecast(account, pricing, symbols, sync_times)


def test_the_free_plan_has_room_for_2_symbols_every_5_minutes_around_the_clock() -> None:
    found = forecast_for(5, every(5 * MINUTE))
    assert (found.load.syncs, found.load.credits_per_day, found.most_symbols) == (288, 1440, 2)
    assert found.exceeded == (PER_DAY,)
    # 160 syncs of 5 credits are the 800 of a day.
    assert found.shortest_interval == 9 * MINUTE


def test_the_free_plan_has_room_for_10_symbols_every_5_minutes_of_a_session() -> None:
    found = forecast_for(10, every(5 * MINUTE, SESSION))
    # One more sync follows the close.
    assert (found.load.syncs, found.load.credits_per_day, found.most_symbols) == (78 + 1, 790, 10)
    assert (found.fits, found.minutes, found.shortest_interval) == (True, 2, 5 * MINUTE)


def test_a_sync_takes_as_many_minutes_as_its_credits_need() -> None:
    account = Account("", per_minute=8)
    assert forecast_for(40, every(5 * MINUTE), account).exceeded == ()
    found = forecast_for(41, every(5 * MINUTE), account)
    assert (found.exceeded, found.minutes, found.most_symbols) == ((PER_MINUTE,), 6, 40)
    assert found.shortest_interval == 6 * MINUTE


def test_syncs_less_than_a_minute_apart_share_the_minute() -> None:
    account = Account("", per_minute=60)
    assert forecast_for(5, every(timedelta(seconds=5)), account, CREDIT_PER_REQUEST).fits
    found = forecast_for(6, every(timedelta(seconds=5)), account, CREDIT_PER_REQUEST)
    assert (found.exceeded, found.most_symbols, found.shortest_interval) == ((PER_MINUTE,), 5, timedelta(seconds=6))


def test_a_request_for_many_symbols_costs_one_credit() -> None:
    found = forecast_for(250, every(5 * MINUTE), Account("", per_minute=1), Pricing(100, credit_per_symbol=False))
    assert (found.load.credits, found.minutes, found.most_symbols) == (3, 3, 500)


def test_a_plan_without_limits_fits_everything() -> None:
    found = forecast_for(100_000, every(timedelta(seconds=1)), Account(""))
    assert (found.exceeded, found.minutes, found.most_symbols) == ((), None, None)
    assert found.shortest_interval == STEPS[0]


def test_a_sync_with_more_credits_than_a_day_has_fits_at_no_interval() -> None:
    found = forecast_for(26, every(DAY), ACCOUNTS["alphavantage"], CREDIT_PER_REQUEST)
    assert (found.exceeded, found.most_symbols, found.shortest_interval) == ((PER_DAY,), 25, None)


@pytest.mark.parametrize(
    ("sync_times", "syncs"),
    [
        (every(7 * MINUTE), 206),
        (every(7 * DAY), 1),
        (SyncTimes(HOUR, tuple(range(0, 1440, 60))), 24),
        # A crontab at 14:30, 15:00 … of a session from 14:30 up to 21:00, and the one after its close.
        (SyncTimes(HOUR / 2, tuple(range(0, 1440, 30)), (SESSION,)), 13 + 1),
        (SyncTimes(DAY, (9 * 60,), (SESSION,)), 1),
        # A half day and a whole day, then sessions that go on past midnight: the busiest day counts.
        (every(HOUR, session(-75 * HOUR, -72 * HOUR), SESSION), 7 + 1),
        (every(HOUR, session(-2 * HOUR, 3 * HOUR)), 3 + 1),
        (every(HOUR, session(-2 * DAY, timedelta())), 24),
        # With a lunch break from 4:00 to 5:30.
        (every(HOUR, session(timedelta(), 8 * HOUR, 4 * HOUR, 5.5 * HOUR)), 4 + 3 + 1),
        (SyncTimes(MINUTE, sessions=()), 0),
    ],
)
def test_syncs_are_counted_on_the_busiest_day(sync_times: SyncTimes, syncs: int) -> None:
    assert sync_times.syncs_per_day() == syncs


def sessions() -> st.SearchStrategy[tuple[Session, ...]]:
    """Generate sessions of some days, each of some hours, not only on the hour."""
    hours = st.tuples(st.integers(0, 24 * 60 - 1), st.integers(1, 30 * 60))
    return st.lists(hours, min_size=1, max_size=3).map(
        lambda days: tuple(
            session(2 * index * DAY + start * MINUTE, 2 * index * DAY + (start + length) * MINUTE)
            for index, (start, length) in enumerate(days)
        )
    )


LIMITS = st.none() | st.integers(1, 100) | st.integers(1, 10**6)
PLANS = st.builds(Account, st.just(""), per_minute=LIMITS, per_day=LIMITS)
PRICINGS = st.builds(Pricing, st.integers(1, 120), st.booleans(), st.booleans())
SYMBOLS = st.integers(1, 2000)
SYNC_TIMES = st.builds(SyncTimes, st.sampled_from(STEPS), st.none(), st.none() | sessions())


def fits(account: Account, pricing: Pricing, symbols: int, sync_times: SyncTimes) -> bool:
    return not exceeded_limits(account, make_load(pricing, symbols, sync_times))


@given(PLANS, PRICINGS, SYMBOLS, SYNC_TIMES)
@property_test
def test_the_proposed_number_of_symbols_fits_and_one_more_does_not(
    account: Account, pricing: Pricing, symbols: int, sync_times: SyncTimes
) -> None:
    found = make_forecast(account, pricing, symbols, sync_times)
    if found.most_symbols is None:
        assert account.per_minute is account.per_day is None
        assert found.fits
    else:
        assert not found.fits or symbols <= found.most_symbols
        assert fits(account, pricing, found.most_symbols, sync_times)
        assert not fits(account, pricing, found.most_symbols + 1, sync_times)


@given(PLANS, PRICINGS, SYMBOLS, SYNC_TIMES)
@property_test
def test_the_proposed_interval_fits_and_one_step_shorter_does_not(
    account: Account, pricing: Pricing, symbols: int, sync_times: SyncTimes
) -> None:
    shortest = make_forecast(account, pricing, symbols, sync_times).shortest_interval
    at = STEPS.index(shortest) if shortest else len(STEPS)
    for step in STEPS[at : at + 2]:
        assert fits(account, pricing, symbols, SyncTimes(step, sessions=sync_times.sessions))
    if at:
        assert not fits(account, pricing, symbols, SyncTimes(STEPS[at - 1], sessions=sync_times.sessions))


@given(PLANS, PRICINGS, SYMBOLS, st.sampled_from([step for step in STEPS if step >= 20 * MINUTE]))
@property_test
def test_a_fitting_plan_stays_within_the_limit_of_every_day(
    account: Account, pricing: Pricing, symbols: int, interval: timedelta
) -> None:
    """Spend credits like the quota: as many as a minute has at once, and the rest minute by minute."""
    found = make_forecast(account, pricing, symbols, every(interval))
    fitting = symbols if found.fits else found.most_symbols or 0
    days: Counter[int] = Counter()
    for sync in range(4 * DAY // interval):
        remaining, moment = pricing.credits(fitting), sync * interval
        while remaining:
            assert moment < (sync + 1) * interval
            part = min(remaining, account.per_minute or remaining)
            days[moment // DAY] += part
            remaining, moment = remaining - part, moment + MINUTE
    assert account.per_day is None or max(days.values(), default=0) <= account.per_day


@pytest.mark.parametrize("name", ACCOUNTS)
@pytest.mark.parametrize("count", [1, 2, 20, 21, 101, 250])
def test_the_forecast_counts_the_requests_that_are_made(name: str, count: int) -> None:
    api = APIS[name](ACCOUNTS[name])
    calls = api.quote_requests([f"S{number}" for number in range(count)], MIDNIGHT)
    pricing = pricing_of(api, MIDNIGHT)
    assert pricing.requests(count) == len(calls)
    assert pricing.credits(count) == sum(request_cost(api, call) for call in calls)
