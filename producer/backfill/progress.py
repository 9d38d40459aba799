"""How far a backfill was published and confirmed, so that one that was cut off goes on from there."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Table, Text, and_, case, delete, select

from producer.providers.base import Interval
from producer.state import metadata
from shared.schema import insert_into
from shared.times import from_micros, to_micros

backfilled = Table(
    "backfilled",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("interval", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


def load_progress(connection: Connection, provider: str, interval: Interval) -> dict[str, tuple[datetime, datetime]]:
    """By symbol, from when to when (`since`, `until`) all was published of this provider's prices so far apart."""
    same = (backfilled.c.provider == provider, backfilled.c.interval == interval.value)
    rows = connection.execute(select(backfilled.c.symbol, backfilled.c.since, backfilled.c.until).where(*same))
    return {symbol: (from_micros(since), from_micros(until)) for symbol, since, until in rows}


def save_progress(
    connection: Connection, provider: str, symbol: str, interval: Interval, since: datetime, until: datetime
) -> None:
    """All with since <= as_of < until is published; it adds to what is known up to `since`, or takes its place."""
    statement = insert_into(backfilled, connection.dialect.name).values(
        provider=provider, symbol=symbol, interval=interval.value, since=to_micros(since), until=to_micros(until)
    )
    new = statement.excluded
    touches = and_(backfilled.c.since <= new.since, backfilled.c.until >= new.since)
    joined = case((touches, backfilled.c.since), else_=new.since)
    connection.execute(statement.on_conflict_do_update(set_={"since": joined, "until": new.until}))


def forget_progress(connection: Connection, symbols: Iterable[str], interval: Interval) -> None:
    """Let the next backfill of these symbols begin at its beginning."""
    for symbol in symbols:
        connection.execute(
            delete(backfilled).where(backfilled.c.symbol == symbol, backfilled.c.interval == interval.value)
        )
