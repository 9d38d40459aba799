"""The tables of the history database, and a readable view of the prices.

The table `price` is compact, and clustered by series and time. Times are whole microseconds since 1970 (UTC). A price
is a 64-bit float, which keeps up to 15 significant digits. `lag` is `observed_at - as_of` in microseconds. The view
`price_history` shows times as ISO 8601 text.
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
    """Raise StorageError if no history consumer has created the tables yet."""
    with reading(engine) as connection:
        complete = is_complete(connection, SCHEMA)
    if not complete:
        raise missing_history(engine.url)


def missing_history(url: URL) -> StorageError:
    """Return the error for a history database that does not exist yet."""
    return StorageError(f"there is no history in {redact(url)} yet: run ./stockwire up, or ./stockwire consume history")
