"""The credits that a schedule needs of a provider's plan, and what would fit; pure arithmetic."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.accounts import Account
from shared.market_calendar import Session
from shared.times import midnight_of

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

PER_MINUTE = "per_minute"
PER_DAY = "per_day"

# The intervals to propose: whole seconds below a minute, and whole minutes up to a day.
STEPS = (*(timedelta(seconds=count) for count in range(1, 60)), *(MINUTE * count for count in range(1, 24 * 60 + 1)))


@dataclass(frozen=True)
class Pricing:
    """The symbols per request, and the credits per symbol or request; `one_by_one` up to one batch of symbols."""

    batch: int
    credit_per_symbol: bool
    one_by_one: bool = False

    def requests(self, symbols: int) -> int:
        return symbols if self.one_by_one and symbols <= self.batch else -(-symbols // self.batch)

    def credits(self, symbols: int) -> int:
        return symbols if self.credit_per_symbol else self.requests(symbols)

    def max_symbols_for(self, amount: int) -> int:
        """Return the most symbols that these credits can buy."""
        return amount if self.credit_per_symbol or (self.one_by_one and amount < 2) else amount * self.batch


@dataclass(frozen=True)
class SyncTimes:
    """The times of syncs: `interval` apart, or at `minutes` of the day (UTC), which are at least `interval` apart.

    With `sessions`, syncs run only during a session, and one more runs after each close.
    """

    interval: timedelta
    minutes: tuple[int, ...] | None = None
    sessions: tuple[Session, ...] | None = None

    def syncs_per_day(self) -> int:
        """Return the number of syncs on the busiest day (UTC)."""
        if self.sessions is None:
            return self._count(timedelta(), DAY)
        days: Counter[date] = Counter()
        for session in self.sessions:
            for start, end in session.open_hours():
                for day in _days_between(start, end):
                    days[day.date()] += self._count(max(start - day, timedelta()), min(end - day, DAY))
            days[session.close.date()] += 1
        return max(days.values(), default=0)

    def _count(self, start: timedelta, end: timedelta) -> int:
        """Return the most syncs from `start` to before `end`, both since midnight."""
        if self.minutes is None:
            return -((start - end) // self.interval)
        return sum(start <= MINUTE * minute < end for minute in self.minutes)


@dataclass(frozen=True)
class Load:
    """The load on a plan: `credits` per sync, and `syncs` on the busiest day, at least `interval` apart."""

    credits: int
    syncs: int
    interval: timedelta

    @property
    def credits_per_day(self) -> int:
        return self.credits * self.syncs

    @property
    def syncs_per_minute(self) -> int:
        """Return the most syncs that may begin within one minute."""
        return -(-MINUTE // self.interval)


@dataclass(frozen=True)
class Forecast:
    """The result of a load on an account.

    `exceeded` has the exceeded limits, PER_MINUTE or PER_DAY. `minutes` is how long one sync takes under the limit per
    minute, `most_symbols` how many symbols fit on this schedule, and `shortest_interval` the interval that fits these
    symbols; each is None if there is no such limit, or nothing fits.
    """

    load: Load
    exceeded: tuple[str, ...]
    minutes: int | None
    most_symbols: int | None
    shortest_interval: timedelta | None

    @property
    def fits(self) -> bool:
        return not self.exceeded


def make_forecast(account: Account, pricing: Pricing, symbols: int, sync_times: SyncTimes) -> Forecast:
    """Return the forecast for this number of symbols at these times on this account."""
    load = make_load(pricing, symbols, sync_times)
    return Forecast(
        load=load,
        exceeded=exceeded_limits(account, load),
        minutes=None if account.per_minute is None else -(-load.credits // account.per_minute),
        most_symbols=most_symbols(account, pricing, sync_times),
        shortest_interval=shortest_interval(account, pricing, symbols, sync_times),
    )


def make_load(pricing: Pricing, symbols: int, sync_times: SyncTimes) -> Load:
    """Return the load of this number of symbols at these times."""
    return Load(pricing.credits(symbols), sync_times.syncs_per_day(), sync_times.interval)


def exceeded_limits(account: Account, load: Load) -> tuple[str, ...]:
    """Return the limits, PER_MINUTE or PER_DAY, that this load exceeds.

    A sync that needs more credits than a minute has takes several minutes, and must end before the next sync.
    """
    limits = ((PER_MINUTE, _most_credits_by_minute(account, load)), (PER_DAY, _most_credits_by_day(account, load)))
    return tuple(name for name, most in limits if most is not None and load.credits > most)


def most_symbols(account: Account, pricing: Pricing, sync_times: SyncTimes) -> int | None:
    """Return the most symbols that fit at these times, or None if there is no limit."""
    load = make_load(pricing, 0, sync_times)
    limits = (_most_credits_by_minute(account, load), _most_credits_by_day(account, load))
    lowest = min((most for most in limits if most is not None), default=None)
    return None if lowest is None else pricing.max_symbols_for(lowest)


def shortest_interval(account: Account, pricing: Pricing, symbols: int, sync_times: SyncTimes) -> timedelta | None:
    """Return the first of STEPS at which this number of symbols fits in the same sessions, or None."""

    def fits(interval: timedelta) -> bool:
        return not exceeded_limits(
            account, make_load(pricing, symbols, SyncTimes(interval, sessions=sync_times.sessions))
        )

    found = bisect_left(STEPS, True, key=fits)
    return STEPS[found] if found < len(STEPS) else None


def _most_credits_by_minute(account: Account, load: Load) -> int | None:
    if account.per_minute is None:
        return None
    if load.interval < MINUTE:
        return account.per_minute // load.syncs_per_minute
    return account.per_minute * (load.interval // MINUTE)


def _most_credits_by_day(account: Account, load: Load) -> int | None:
    return None if account.per_day is None else account.per_day // max(load.syncs, 1)


def _days_between(start: datetime, end: datetime) -> Sequence[datetime]:
    """Return midnight of each day (UTC) that has a part of this time."""
    midnight = midnight_of(start)
    return [midnight + DAY * count for count in range(-((midnight - end) // DAY))]
