"""The quota of a plan: credits per minute and per day, shared by all processes on the machine and kept on disk.

A minute is any 60 seconds, and half a second more, so that no clock minute at the provider sees more than its limit.
A day is a day of UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text, delete, insert, select, update

from producer.state import metadata
from shared.accounts import Account
from shared.times import from_micros, midnight_of, to_micros

# Requests arrive some time after their credits are reserved, and that time varies.
MINUTE = timedelta(minutes=1, milliseconds=500)
DAY = timedelta(days=1)

# `at` is in microseconds since 1970, UTC. A refund has negative credits.
quota_usage = Table(
    "quota_usage",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("credits", Integer, nullable=False),
    Index("quota_usage_by_account", "account", "at"),
)

# The instant at which credits were used, and their number.
Usage = tuple[datetime, int]


@dataclass(frozen=True)
class Reservation:
    """`amount` credits that may be used now.

    If the amount is less than requested, `limit` names the limit, such as "8 per minute", and from `retry_at` on more
    credits are available.
    """

    amount: int
    retry_at: datetime
    limit: str = ""


def reserve(
    connection: Connection, name: str, account: Account, wanted: int, now: datetime, *, whole: bool = False
) -> Reservation:
    """Reserve up to `wanted` credits of the account `name`, in a writing transaction.

    With `whole`, reserve nothing if the limits do not allow all of them.
    """
    _drop_expired(connection, name, now)
    reservation = find_available(read_usage(connection, name), account, wanted, now)
    if whole and reservation.amount < wanted:
        return replace(reservation, amount=0)
    if reservation.amount:
        connection.execute(insert(quota_usage).values(account=name, at=to_micros(now), credits=reservation.amount))
    return reservation


def refund(connection: Connection, name: str, amount: int, at: datetime) -> None:
    """Return credits that were reserved at the instant `at` and not used, in a writing transaction."""
    connection.execute(insert(quota_usage).values(account=name, at=to_micros(at), credits=-amount))


def read_usage(connection: Connection, name: str) -> list[Usage]:
    """Return the stored usage of the account `name`, oldest first; refunds are negative."""
    query = select(quota_usage.c.at, quota_usage.c.credits).where(quota_usage.c.account == name)
    rows = connection.execute(query.order_by(quota_usage.c.at, quota_usage.c.credits))
    return [(from_micros(at), amount) for at, amount in rows]


def find_available(usage: Sequence[Usage], account: Account, wanted: int, now: datetime) -> Reservation:
    """Return the reservation that the account's limits allow after this usage."""
    # A time in the future is from before the clock was set back: count it as now.
    usage = [(min(at, now), amount) for at, amount in usage]
    reservation = Reservation(wanted, now)
    if account.per_minute is not None:
        minute = [each for each in usage if each[0] > now - MINUTE]
        amount = min(wanted, _available(minute, account.per_minute))
        if amount < wanted:
            retry_at = _next_available([*minute, (now, amount)], min(wanted - amount, account.per_minute))
            reservation = Reservation(amount, retry_at, f"{account.per_minute:,} per minute")
    if account.per_day is not None:
        midnight = midnight_of(now)
        amount = min(wanted, _available([each for each in usage if each[0] >= midnight], account.per_day))
        if amount < wanted and amount <= reservation.amount:
            reservation = Reservation(amount, midnight + DAY, f"{account.per_day:,} per day")
    return reservation


def _drop_expired(connection: Connection, name: str, now: datetime) -> None:
    oldest = min(midnight_of(now), now - MINUTE)
    of_account = quota_usage.c.account == name
    connection.execute(delete(quota_usage).where(of_account, quota_usage.c.at < to_micros(oldest)))
    # Usage from before the clock was set back would count as current until the clock reaches its time.
    future = update(quota_usage).where(of_account, quota_usage.c.at > to_micros(now + MINUTE))
    connection.execute(future.values(at=to_micros(now)))


def _available(usage: Sequence[Usage], limit: int) -> int:
    return max(0, limit - sum(amount for _, amount in usage))


def _next_available(usage: Sequence[Usage], wanted: int) -> datetime:
    """Return the instant at which `wanted` of these credits are a minute old."""
    free = 0
    for at, amount in usage:
        free += amount
        if free >= wanted:
            return at + MINUTE
    return usage[-1][0] + MINUTE
