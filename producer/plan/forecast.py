"""What a schedule asks of a provider's plan, whether that fits, and what would: arithmetic alone."""

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

# What is proposed as an interval: whole seconds below a minute, and whole minutes up to a day.
STEPS = (*(timedelta(seconds=count) for count in range(1, 60)), *(MINUTE * count for count in range(1, 24 * 60 + 1)))


@dataclass(frozen=True)
class Fare:
    """What a call of a provider's API takes along, and costs; up to one batch are asked `singly` where they can be."""

    batch: int
    credit_per_symbol: bool
    singly: bool = False

    def calls(self, symbols: int) -> int:
        return symbols if self.singly and symbols <= self.batch else -(-symbols // self.batch)

    def credits(self, symbols: int) -> int:
        return symbols if self.credit_per_symbol else self.calls(symbols)

    def symbols_for(self, price: int) -> int:
        """The most symbols for so many credits."""
        return price if self.credit_per_symbol or (self.singly and price < 2) else price * self.batch


@dataclass(frozen=True)
class Timing:
    """When syncs run: `interval` apart, or at these `minutes` of a day (UTC), which are at least `interval` apart.

    With `sessions` only those while one is open run, and one more after each close.
    """

    interval: timedelta
    minutes: tuple[int, ...] | None = None
    sessions: tuple[Session, ...] | None = None

    def syncs_a_day(self) -> int:
        """How many there are at the most on a day of UTC."""
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
        """How many there are at the most from `start` up to `end`, both since midnight."""
        if self.minutes is None:
            return -((start - end) // self.interval)
        return sum(start <= MINUTE * minute < end for minute in self.minutes)


@dataclass(frozen=True)
class Load:
    """What is asked of a plan: `credits` a sync, `syncs` a day at the most, `interval` or more apart."""

    credits: int
    syncs: int
    interval: timedelta

    @property
    def credits_a_day(self) -> int:
        return self.credits * self.syncs

    @property
    def syncs_a_minute(self) -> int:
        """How many may begin within one minute."""
        return -(-MINUTE // self.interval)


@dataclass(frozen=True)
class Forecast:
    """What comes of a load on an account.

    `exceeded` are the limits that it does not keep to, none where it fits. `minutes` is how long one sync takes under
    the limit a minute; `most_symbols` what fits on this schedule, `shortest_interval` what fits these symbols; each is
    None where there is no such limit, or nothing that fits.
    """

    load: Load
    exceeded: tuple[str, ...]
    minutes: int | None
    most_symbols: int | None
    shortest_interval: timedelta | None

    @property
    def fits(self) -> bool:
        return not self.exceeded


def forecast(account: Account, fare: Fare, symbols: int, timing: Timing) -> Forecast:
    """What comes of so many symbols at these times on this account."""
    load = make_load(fare, symbols, timing)
    return Forecast(
        load=load,
        exceeded=find_exceeded(account, load),
        minutes=None if account.per_minute is None else -(-load.credits // account.per_minute),
        most_symbols=most_symbols(account, fare, timing),
        shortest_interval=shortest_interval(account, fare, symbols, timing),
    )


def make_load(fare: Fare, symbols: int, timing: Timing) -> Load:
    return Load(fare.credits(symbols), timing.syncs_a_day(), timing.interval)


def find_exceeded(account: Account, load: Load) -> tuple[str, ...]:
    """Which of PER_MINUTE and PER_DAY this load does not keep to.

    A sync that has more credits than a minute gives takes as many minutes as it needs, and has to end before the next.
    """
    limits = ((PER_MINUTE, _most_credits_by_minute(account, load)), (PER_DAY, _most_credits_by_day(account, load)))
    return tuple(name for name, most in limits if most is not None and load.credits > most)


def most_symbols(account: Account, fare: Fare, timing: Timing) -> int | None:
    """As many as fit at these times, None where nothing limits them."""
    load = make_load(fare, 0, timing)
    limits = (_most_credits_by_minute(account, load), _most_credits_by_day(account, load))
    lowest = min((most for most in limits if most is not None), default=None)
    return None if lowest is None else fare.symbols_for(lowest)


def shortest_interval(account: Account, fare: Fare, symbols: int, timing: Timing) -> timedelta | None:
    """The first of STEPS at which so many symbols fit, within the same sessions; None where none does."""

    def fits(interval: timedelta) -> bool:
        return not find_exceeded(account, make_load(fare, symbols, Timing(interval, sessions=timing.sessions)))

    found = bisect_left(STEPS, True, key=fits)
    return STEPS[found] if found < len(STEPS) else None


def _most_credits_by_minute(account: Account, load: Load) -> int | None:
    if account.per_minute is None:
        return None
    if load.interval < MINUTE:
        return account.per_minute // load.syncs_a_minute
    return account.per_minute * (load.interval // MINUTE)


def _most_credits_by_day(account: Account, load: Load) -> int | None:
    return None if account.per_day is None else account.per_day // max(load.syncs, 1)


def _days_between(start: datetime, end: datetime) -> Sequence[datetime]:
    """The midnights of the days that have a part of this time, all in UTC."""
    midnight = midnight_of(start)
    return [midnight + DAY * count for count in range(-((midnight - end) // DAY))]
