"""Detection of gaps in a series of prices: times at which a price was due, but none is stored.

The resolution is the expected time between two prices.

- Resolution below a day: two neighbouring prices have a gap between them if they are at least two resolutions apart,
  less the tolerance. A shorter distance is normal, because the price of one sync can be as old as the sync before. The
  same rule applies between the last price and now, and between the last price of a session and its close.
- Resolution of a day or more, or of more than half of the longest session: each day without a price is missing, and
  consecutive missing days form one gap.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain, groupby

from shared.market_calendar import Session
from shared.schedule import Schedule
from shared.times import midnight_of

# The finest bars that any provider has of past prices; a backfill cannot fill smaller gaps.
MIN_RESOLUTION = timedelta(minutes=5)
DAY = timedelta(days=1)

_MICROSECOND = timedelta(microseconds=1)
_SATURDAY = 5

# Start and end of each stretch of time in which prices are due.
Hours = Sequence[tuple[datetime, datetime]]


@dataclass(frozen=True)
class Gap:
    """A range since <= as_of < until (UTC) in which `missing` prices were due, and none is stored."""

    since: datetime
    until: datetime
    missing: int


def resolution_of(schedule: Schedule) -> timedelta:
    """Return the expected time between two prices of this schedule."""
    return max(MIN_RESOLUTION, schedule.shortest_interval())


def tolerance(resolution: timedelta) -> timedelta:
    """Return how much too early or too late a price may be and still count as the price that was due."""
    return resolution / 10


def find_gaps(
    times: Iterable[datetime],
    resolution: timedelta,
    now: datetime,
    since: datetime | None = None,
    sessions: Sequence[Session] | None = None,
) -> list[Gap]:
    """Return the gaps in a series of prices, oldest first.

    `times` are the prices' `as_of`, oldest first. Prices are due from `since` (by default from the first price) until
    now. With `sessions`, prices are due only while the market is open. Without `sessions`, weekends do not count in a
    daily series that has no price of any Saturday or Sunday.
    """
    if is_by_day(resolution, sessions):
        return _find_missing_days(times, now, since, sessions)
    prices = (moment for moment, _ in groupby(times))
    begin = since or next(prices, None)
    if begin is None:
        return []
    # A price that was due less than a resolution ago may still arrive.
    end = now - resolution
    hours: Hours = [(begin, end)]
    if sessions is not None:
        open_hours = chain.from_iterable(each.open_hours() for each in sessions)
        hours = [(max(begin, opened), min(closed, end)) for opened, closed in open_hours if closed > begin]
    return list(_find_gaps_between(chain([begin], prices), hours, resolution, now))


def is_by_day(resolution: timedelta, sessions: Sequence[Session] | None) -> bool:
    """Return True if whole days are missing, and not times of a day."""
    return resolution >= DAY or bool(sessions and 2 * resolution > max(each.close - each.open for each in sessions))


def _find_gaps_between(prices: Iterable[datetime], hours: Hours, resolution: timedelta, now: datetime) -> Iterator[Gap]:
    shortest = 2 * resolution - tolerance(resolution)
    current = 0
    for price, following in _with_following(prices):
        if following is not None and following - price < shortest:
            continue
        while current < len(hours) and hours[current][1] <= price:
            current += 1
        missing = list(_count_missing(price, following, hours[current:], resolution))
        if missing:
            last_start, last_count = missing[-1]
            until = min(last_start + (last_count + 1) * resolution, now if following is None else following)
            yield Gap(missing[0][0] + resolution, until, sum(count for _, count in missing))


def _count_missing(
    price: datetime, following: datetime | None, hours: Hours, resolution: timedelta
) -> Iterator[tuple[datetime, int]]:
    """Yield, per stretch of `hours` between two prices, a start and the number of prices missing after the start."""
    for opened, closed in hours:
        if following is not None and following <= opened:
            return
        start = max(price, opened)
        ends_here = following is not None and following <= closed + resolution
        if following is not None and ends_here:
            count = _count_between(start, following, resolution)
        else:
            count = (closed - start + tolerance(resolution)) // resolution
        if count > 0:
            yield start, count
        if ends_here:
            return


def _count_between(start: datetime, end: datetime, resolution: timedelta) -> int:
    """Return how many prices must be added between two so that neighbours are at most 1.5 resolutions apart."""
    if end - start < 2 * resolution - tolerance(resolution):
        return 0
    return (2 * (end - start) + resolution - _MICROSECOND) // (2 * resolution) - 1


def _with_following(prices: Iterable[datetime]) -> Iterator[tuple[datetime, datetime | None]]:
    """Yield each price with the price after it; the last price comes with None."""
    previous: datetime | None = None
    for price in prices:
        if previous is not None:
            yield previous, price
        previous = price
    if previous is not None:
        yield previous, None


def _find_missing_days(
    times: Iterable[datetime], now: datetime, since: datetime | None, sessions: Sequence[Session] | None
) -> list[Gap]:
    stored = _dates(times, sessions or ())
    if since is None and not stored:
        return []
    # The first date whose midnight is not before `since`.
    begin = min(stored) if since is None else (since + DAY - _MICROSECOND).date()
    if sessions is not None:
        due = [each.date for each in sessions if each.close <= now]
    else:
        due = [begin + DAY * number for number in range((now.date() - begin).days)]
        if not any(day.weekday() >= _SATURDAY for day in stored):
            due = [day for day in due if day.weekday() < _SATURDAY]
    # Providers have the price of a day only when its date is over, even if the market has closed before.
    due = [day for day in due if begin <= day < now.date()]
    return [_join(list(days)) for is_stored, days in groupby(due, stored.__contains__) if not is_stored]


def _dates(times: Iterable[datetime], sessions: Sequence[Session]) -> set[date]:
    """Return the dates that have a price: the date of the session around the price, or else the date in UTC."""
    opens = [each.open for each in sessions]
    found = set()
    for moment in times:
        position = bisect_right(opens, moment) - 1
        in_session = position >= 0 and moment <= sessions[position].close
        found.add(sessions[position].date if in_session else moment.date())
    return found


def _join(days: Sequence[date]) -> Gap:
    return Gap(midnight_of(days[0]), midnight_of(days[-1]) + DAY, len(days))
