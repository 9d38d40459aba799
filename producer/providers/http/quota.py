"""The credits that a plan gives a minute and a day, shared by every process on the machine and kept across restarts.

A minute is any sixty seconds, and a moment more, so that no clock minute of a provider's sees more than its limit. A
day is one of UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text, delete, insert, select, update

from producer.state import metadata
from shared.accounts import Account
from shared.times import from_micros, midnight_of, to_micros

# Calls arrive after they are paid for, and not always equally late.
MINUTE = timedelta(minutes=1, milliseconds=500)
DAY = timedelta(days=1)

spent = Table(
    "spent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("credits", Integer, nullable=False),
    Index("spent_by_account", "account", "at"),
)

Usage = tuple[datetime, int]


@dataclass(frozen=True)
class Reservation:
    """`amount` credits to use now; where that is not all, `until` is when there is room again, and `limit` says why."""

    amount: int
    until: datetime
    limit: str = ""


def reserve(
    connection: Connection, name: str, account: Account, wanted: int, now: datetime, *, whole: bool = False
) -> Reservation:
    """Spend up to `wanted` credits of the account `name`, as many as its limits leave, in a writing transaction.

    With `whole`, none where they do not leave all of them.
    """
    oldest = min(midnight_of(now), now - MINUTE)
    connection.execute(delete(spent).where(spent.c.account == name, spent.c.at < to_micros(oldest)))
    # Else what was spent on a clock that was ahead would be as good as just now until the clock is there again.
    ahead = update(spent).where(spent.c.account == name, spent.c.at > to_micros(now + MINUTE))
    connection.execute(ahead.values(at=to_micros(now)))
    grant = find_available(read_usage(connection, name), account, wanted, now)
    if whole and grant.amount < wanted:
        return replace(grant, amount=0)
    if grant.amount:
        connection.execute(insert(spent).values(account=name, at=to_micros(now), credits=grant.amount))
    return grant


def refund(connection: Connection, name: str, amount: int, at: datetime) -> None:
    """Take back what was spent at that instant and not needed, in a writing transaction."""
    connection.execute(insert(spent).values(account=name, at=to_micros(at), credits=-amount))


def read_usage(connection: Connection, name: str) -> list[Usage]:
    """What was spent of the account `name` and still counts, oldest first; less than zero is what was given back."""
    query = select(spent.c.at, spent.c.credits).where(spent.c.account == name)
    rows = connection.execute(query.order_by(spent.c.at, spent.c.credits))
    return [(from_micros(at), amount) for at, amount in rows]


def find_available(spendings: Sequence[Usage], account: Account, wanted: int, now: datetime) -> Reservation:
    """How many of the wanted credits the limits leave, after these spendings."""
    # What was spent "later" was spent before the clock was set back, and is as good as just now.
    spendings = [(min(at, now), amount) for at, amount in spendings]
    grant = Reservation(wanted, now)
    if account.per_minute is not None:
        minute = [each for each in spendings if each[0] > now - MINUTE]
        amount = min(wanted, _room(minute, account.per_minute))
        if amount < wanted:
            until = _room_again([*minute, (now, amount)], min(wanted - amount, account.per_minute))
            grant = Reservation(amount, until, f"{account.per_minute:,} a minute")
    if account.per_day is not None:
        midnight = midnight_of(now)
        amount = min(wanted, _room([each for each in spendings if each[0] >= midnight], account.per_day))
        if amount < wanted and amount <= grant.amount:
            grant = Reservation(amount, midnight + DAY, f"{account.per_day:,} a day")
    return grant


def _room(spendings: Sequence[Usage], limit: int) -> int:
    return max(0, limit - sum(amount for _, amount in spendings))


def _room_again(spendings: Sequence[Usage], wanted: int) -> datetime:
    """When so many of these credits will be a minute old."""
    free = 0
    for at, amount in spendings:
        free += amount
        if free >= wanted:
            return at + MINUTE
    return spendings[-1][0] + MINUTE
