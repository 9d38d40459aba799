"""Progress of each backfill: the range that was published and confirmed, so that an interrupted one can resume."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Table, Text, and_, case, delete, select

from producer.providers.base import Interval
from producer.state import metadata
from shared.database.schema import insert_into
from shared.times import from_micros, to_micros

backfill_progress = Table(
    "backfill_progress",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("interval", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


def load_progress(connection: Connection, provider: str, interval: Interval) -> dict[str, tuple[datetime, datetime]]:
    """Return `since` and `until` of the published range, by symbol, for this provider and interval."""
    table = backfill_progress.c
    query = select(table.symbol, table.since, table.until)
    rows = connection.execute(query.where(table.provider == provider, table.interval == interval.value))
    return {symbol: (from_micros(since), from_micros(until)) for symbol, since, until in rows}


def save_progress(
    connection: Connection, provider: str, symbol: str, interval: Interval, since: datetime, until: datetime
) -> None:
    """Record that all prices with since <= as_of < until are published.

    The range extends a stored range that reaches to `since`, and replaces any other.
    """
    table = backfill_progress.c
    statement = insert_into(backfill_progress, connection.dialect.name).values(
        provider=provider, symbol=symbol, interval=interval.value, since=to_micros(since), until=to_micros(until)
    )
    new = statement.excluded
    touches = and_(table.since <= new.since, table.until >= new.since)
    joined = case((touches, table.since), else_=new.since)
    connection.execute(statement.on_conflict_do_update(set_={"since": joined, "until": new.until}))


def forget_progress(connection: Connection, symbols: Iterable[str], interval: Interval) -> None:
    """Let the next backfill of these symbols start from the beginning."""
    table = backfill_progress.c
    for symbol in symbols:
        connection.execute(delete(backfill_progress).where(table.symbol == symbol, table.interval == interval.value))
