"""Holes in the stored history: where prices were due, and none is stored.

How far apart prices are due is the resolution. Below a day, the stretch between two neighbouring prices is a hole from
twice the resolution on: the price that one sync brings may be as old as the sync before it, but no older. A tenth of
the resolution is allowed for prices that come early or late. What is due up to now, and up to the close of a market,
is due in the same way. From a day on, or from half of a session on, each day without a price is a hole, and days
beside each other are one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain, groupby

from shared.market_calendar import Session
from shared.schedule import Schedule
from shared.times import midnight_of

# More often than this no provider has past prices to fill a hole with.
MIN_RESOLUTION = timedelta(minutes=5)
DAY = timedelta(days=1)

_MICROSECOND = timedelta(microseconds=1)
_SATURDAY = 5

Hours = Sequence[tuple[datetime, datetime]]


@dataclass(frozen=True)
class Gap:
    """So many prices were due with since <= as_of < until (UTC), and none is stored."""

    since: datetime
    until: datetime
    missing: int


def resolution_of(schedule: Schedule) -> timedelta:
    """How far apart the prices of this schedule are due."""
    return max(MIN_RESOLUTION, schedule.shortest_interval())


def tolerance(resolution: timedelta) -> timedelta:
    """How much too early or too late a price may come and still be the one that was due."""
    return resolution / 10


def find_gaps(
    times: Iterable[datetime],
    resolution: timedelta,
    now: datetime,
    since: datetime | None = None,
    sessions: Sequence[Session] | None = None,
) -> list[Gap]:
    """The holes in a series of prices, oldest first.

    `times` are their `as_of`, oldest first. Prices are due from `since` on, by default from the first price on, until
    now; with `sessions`, those of the market in that time, only while it is open. Without them, a series by days that
    has no price of any Saturday or Sunday is taken for one of a market that is closed then. Below a day, a price of
    midnight UTC that stands alone is that of a whole day, and none of the series.
    """
    if resolution >= DAY or (sessions and 2 * resolution > max(each.close - each.open for each in sessions)):
        return _find_days(times, now, since, sessions)
    prices = _without_days(times, resolution)
    begin = since or next(prices, None)
    if begin is None:
        return []
    # What was due less than a resolution ago may still come.
    end = now - resolution
    hours = [(begin, end)]
    if sessions is not None:
        open_hours = chain.from_iterable(each.open_hours() for each in sessions)
        hours = [(max(begin, opened), min(closed, end)) for opened, closed in open_hours if closed > begin]
    return list(_find_stretches(chain([begin], prices), hours, resolution, now))


def _find_stretches(prices: Iterable[datetime], hours: Hours, resolution: timedelta, now: datetime) -> Iterator[Gap]:
    shortest = 2 * resolution - tolerance(resolution)
    current = 0
    for before, after in _neighbours(prices):
        if after is not None and after - before < shortest:
            continue
        while current < len(hours) and hours[current][1] <= before:
            current += 1
        due = list(_count_due(before, after, hours[current:], resolution))
        if due:
            last = due[-1][0] + due[-1][1] * resolution
            until = min(last + resolution, now if after is None else after)
            yield Gap(due[0][0] + resolution, until, sum(count for _, count in due))


def _count_due(
    before: datetime, after: datetime | None, hours: Hours, resolution: timedelta
) -> Iterator[tuple[datetime, int]]:
    """How many prices are missing between these two in each of the sessions, and since when each misses them."""
    for opened, closed in hours:
        if after is not None and after <= opened:
            return
        start = max(before, opened)
        if after is not None and after <= closed + resolution:
            count = _count_between(start, after, resolution)
        else:
            count = (closed - start + tolerance(resolution)) // resolution
        if count > 0:
            yield start, count
        if after is not None and after <= closed + resolution:
            return


def _count_between(before: datetime, after: datetime, resolution: timedelta) -> int:
    """How many prices it takes between two so that all are a resolution apart, or half of one more at most."""
    if after - before < 2 * resolution - tolerance(resolution):
        return 0
    return (2 * (after - before) + resolution - _MICROSECOND) // (2 * resolution) - 1


def _neighbours(prices: Iterable[datetime]) -> Iterator[tuple[datetime, datetime | None]]:
    """Each price and the one after it, the last with None."""
    before: datetime | None = None
    for after in prices:
        if before is not None:
            yield before, after
        before = after
    if before is not None:
        yield before, None


def _without_days(times: Iterable[datetime], resolution: timedelta) -> Iterator[datetime]:
    """Each time once, without the midnights that no other price is near to."""
    last: datetime | None = None
    held: datetime | None = None
    for moment, _ in groupby(times):
        if held is not None and moment - held <= 2 * resolution:
            last = held
            yield held
        held = None
        if moment == midnight_of(moment.date()) and (last is None or moment - last > 2 * resolution):
            held = moment
        else:
            last = moment
            yield moment


def _find_days(
    times: Iterable[datetime], now: datetime, since: datetime | None, sessions: Sequence[Session] | None
) -> list[Gap]:
    there = _dates(times, sessions or ())
    if since is None and not there:
        return []
    begin = min(there) if since is None else (since + DAY - _MICROSECOND).date()
    if sessions is not None:
        due = [each.date for each in sessions if each.close <= now]
    else:
        due = [begin + DAY * number for number in range((now.date() - begin).days)]
        if not any(day.weekday() >= _SATURDAY for day in there):
            due = [day for day in due if day.weekday() < _SATURDAY]
    # A market may have closed, but providers have the price of a day when its date is over.
    due = [day for day in due if begin <= day < now.date()]
    return [_join(list(days)) for stored, days in groupby(due, there.__contains__) if not stored]


def _dates(times: Iterable[datetime], sessions: Sequence[Session]) -> set[date]:
    """The dates that have a price: that of the session it falls in, else its own in UTC."""
    opens = [each.open for each in sessions]
    found = set()
    for moment in times:
        place = bisect_right(opens, moment) - 1
        during = place >= 0 and moment <= sessions[place].close
        found.add(sessions[place].date if during else moment.date())
    return found


def _join(days: Sequence[date]) -> Gap:
    return Gap(midnight_of(days[0]), midnight_of(days[-1]) + DAY, len(days))
