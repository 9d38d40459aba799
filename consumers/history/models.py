"""The tables of the history database, and the view that people read.

Prices are kept compact and clustered by series and time: instants are whole microseconds since 1970 (UTC), a price is a
64-bit float (which gives back every digit of at most 15), and `lag` is `observed_at - as_of` in microseconds, which for
live prices is a small number. `price_history` shows all of it as text and numbers that read well and sort.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Double,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.engine import URL

from shared.database import reading, shown, writing
from shared.errors import StorageError

metadata = MetaData()

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("provider", Text, nullable=False),
    UniqueConstraint("symbol", "provider"),
)

price = Table(
    "price",
    metadata,
    Column("series_id", ForeignKey("series.id"), primary_key=True),
    Column("as_of", BigInteger, primary_key=True, autoincrement=False),
    Column("price", Double, nullable=False),
    Column("currency", Text),
    Column("volume", BigInteger),
    Column("lag", BigInteger, nullable=False),
    CheckConstraint("price > 0"),
    sqlite_with_rowid=False,
)

COLUMNS = ("symbol", "as_of", "price", "currency", "volume", "provider", "observed_at")

_INSTANT = {
    # Rounded down by hand, since SQLite's division rounds towards zero, also before 1970.
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S', ({0} - (({0} % 1000000) + 1000000) % 1000000) / 1000000, 'unixepoch')"
    " || printf('.%06dZ', (({0} % 1000000) + 1000000) % 1000000)",
    "postgresql": "to_char(timestamp 'epoch' + ({0}) * interval '1 microsecond', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
}


def create_schema(engine: Engine) -> None:
    """Make what is missing; several processes may do so at once. Raises StorageError."""
    dialect = engine.dialect.name
    if dialect not in _INSTANT:
        raise StorageError(f"database {shown(engine.url)}: history is kept in SQLite or PostgreSQL, not in {dialect}")
    with writing(engine) as connection:
        if dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('stockwire.history'))"))
        if not _is_complete(connection):
            metadata.create_all(connection)
            connection.execute(text(_view(_INSTANT[dialect])))


def check_schema(engine: Engine) -> None:
    """Raises StorageError where no history consumer has run on this database yet."""
    with reading(engine) as connection:
        complete = _is_complete(connection)
    if not complete:
        raise nothing_stored(engine.url)


def nothing_stored(url: URL) -> StorageError:
    return StorageError(f"no prices are stored at {shown(url)} yet: run ./stockwire up, or ./stockwire consume history")


def _is_complete(connection: Connection) -> bool:
    return inspect(connection).has_table("price_history")


def _view(instant: str) -> str:
    return f"""
        CREATE VIEW price_history AS
        SELECT symbol,
               {instant.format("price.as_of")} AS as_of,
               price,
               currency,
               volume,
               provider,
               {instant.format("(price.as_of + lag)")} AS observed_at
        FROM price JOIN series ON series.id = price.series_id
    """  # noqa: S608 - put together from constants
