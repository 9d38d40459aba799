"""The order of symbols if the quota covers only some of them: the least recently requested symbols come first."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Table, Text, select, update

from producer.state import metadata
from shared.database.schema import insert_into
from shared.times import to_micros

# `at` is in microseconds since 1970, UTC.
last_requested = Table(
    "last_requested",
    metadata,
    Column("account", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


def least_recently_requested(connection: Connection, name: str, symbols: Sequence[str], now: datetime) -> list[str]:
    """Return the symbols in the order of their last request on the account `name`, new symbols first.

    Needs a writing transaction. Requests with a time in the future, from before the clock was set back, get the time
    `now`. Otherwise their symbols would come last until the clock reaches that time.
    """
    future = update(last_requested).where(last_requested.c.account == name, last_requested.c.at > to_micros(now))
    connection.execute(future.values(at=to_micros(now)))
    query = select(last_requested.c.symbol, last_requested.c.at).where(last_requested.c.account == name)
    times = {row.symbol: row.at for row in connection.execute(query)}
    return sorted(symbols, key=lambda symbol: times.get(symbol, 0))


def record_requested(connection: Connection, name: str, symbols: Sequence[str], now: datetime) -> None:
    """Store `now` as the time of the last request for these symbols, in a writing transaction."""
    rows = [{"account": name, "symbol": symbol, "at": to_micros(now)} for symbol in symbols]
    if rows:
        statement = insert_into(last_requested, connection.dialect.name)
        connection.execute(statement.on_conflict_do_update(set_={"at": statement.excluded.at}), rows)
