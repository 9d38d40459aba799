"""Whose turn it is where a limit leaves room for some symbols only: theirs who have waited longest."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Table, Text, select, update

from producer.state import metadata
from shared.schema import insert_into
from shared.times import to_micros

asked = Table(
    "asked",
    metadata,
    Column("account", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


def least_recently_requested(connection: Connection, name: str, symbols: Sequence[str], now: datetime) -> list[str]:
    """The symbols by when the account `name` was last asked for them, those that never were first.

    In a writing transaction: who was asked for on a clock that was ahead is as good as just now, and waits from here.
    """
    ahead = update(asked).where(asked.c.account == name, asked.c.at > to_micros(now))
    connection.execute(ahead.values(at=to_micros(now)))
    rows = connection.execute(select(asked.c.symbol, asked.c.at).where(asked.c.account == name))
    last = {row.symbol: row.at for row in rows}
    return sorted(symbols, key=lambda symbol: last.get(symbol, 0))


def record_requested(connection: Connection, name: str, symbols: Sequence[str], now: datetime) -> None:
    rows = [{"account": name, "symbol": symbol, "at": to_micros(now)} for symbol in symbols]
    if rows:
        statement = insert_into(asked, connection.dialect.name)
        connection.execute(statement.on_conflict_do_update(set_={"at": statement.excluded.at}), rows)
