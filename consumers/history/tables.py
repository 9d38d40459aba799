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
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from shared.database.schema import Schema

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
