"""The tables of the history database, and the view that people read.

Prices are kept compact and clustered by series and time: instants are whole microseconds since 1970 (UTC), a price is a
64-bit float (which gives back every digit of at most 15), and `lag` is `observed_at - as_of` in microseconds, which for
live prices is a small number. `price_history` shows all of it as text and numbers that read well and sort.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import URL

from shared.database import reading, redact
from shared.errors import StorageError
from shared.schema import Schema, is_complete

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

PRICE_HISTORY_COLUMNS = ("symbol", "as_of", "price", "currency", "volume", "provider", "observed_at")

SCHEMA = Schema(
    name="history",
    metadata=metadata,
    view="price_history",
    select="""
        SELECT symbol,
               {instant[price.as_of]} AS as_of,
               price,
               currency,
               volume,
               provider,
               {instant[price.as_of + lag]} AS observed_at
        FROM price JOIN series ON series.id = price.series_id
    """,
)


def check_schema(engine: Engine) -> None:
    """Raises StorageError where no history consumer has run on this database yet."""
    with reading(engine) as connection:
        complete = is_complete(connection, SCHEMA)
    if not complete:
        raise nothing_stored(engine.url)


def nothing_stored(url: URL) -> StorageError:
    return StorageError(
        f"no prices are stored at {redact(url)} yet: run ./stockwire up, or ./stockwire consume history"
    )
