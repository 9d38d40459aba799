"""The tables of the history database, and readable views of the prices.

A series is one symbol's prices from one provider: quotes, or bars of one length. Both tables are compact, and clustered
by series and time. Times are whole microseconds since 1970 (UTC). A price is a 64-bit float, which keeps up to 15
significant digits. `lag` is `observed_at - as_of` in microseconds. Nearly all prices of a series have one currency,
which the series has: a row has a currency only if it differs, and an empty one if it is unknown. The views show times
as ISO 8601 text.
"""

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    insert,
)

from consumers.history.migrations import LATEST_REVISION
from shared.database.migrations import Migrations
from shared.database.schema import Schema

metadata = MetaData()

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("provider", Text, nullable=False),
    # The length of the bars, such as 1d or 5m. Empty for quotes.
    Column("interval", Text, nullable=False, server_default=""),
    # Microseconds from the start of a bar to its `as_of`: 0 for quotes, and for bars of a day or more.
    Column("bar_offset", BigInteger, nullable=False, server_default="0"),
    Column("currency", Text),
    UniqueConstraint("symbol", "provider", "interval", name="series_key"),
)

quote = Table(
    "quote",
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

bar = Table(
    "bar",
    metadata,
    Column("series_id", ForeignKey("series.id"), primary_key=True),
    Column("as_of", BigInteger, primary_key=True, autoincrement=False),
    Column("open", Double),
    Column("high", Double),
    Column("low", Double),
    Column("close", Double, nullable=False),
    Column("currency", Text),
    Column("volume", BigInteger),
    Column("lag", BigInteger, nullable=False),
    CheckConstraint("close > 0"),
    sqlite_with_rowid=False,
)

# The splits of each symbol. `day` is ISO text: the first trading date with prices after the split. `source` is hand,
# file or the name of a provider. One share for one is not a split: it keeps a split that was removed by hand from
# coming back.
split = Table(
    "split",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("new_shares", Integer, nullable=False),
    Column("old_shares", Integer, nullable=False),
    Column("source", Text, nullable=False, server_default="hand"),
    sqlite_with_rowid=False,
)

# The log of committed batches of live prices; `live_batches` explains it. The first row stands for no batch: from its
# number on, the log is complete.
live_batch = Table(
    "live_batch",
    metadata,
    Column("last_number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("prices", LargeBinary, nullable=False),
)

# The columns of `price_history`; `{columns}` has further ones, and `{condition}` the condition of a view. CROSS gives
# SQLite the order of the join: without it, SQLite may read all prices and look up the series of each.
_QUOTES = """
    SELECT symbol,
           {columns}
           {{instant[quote.as_of]}} AS as_of,
           price,
           CASE WHEN quote.currency IS NULL THEN series.currency ELSE nullif(quote.currency, '') END AS currency,
           volume,
           provider,
           {{instant[quote.as_of + lag]}} AS observed_at,
           nullif(interval, '') AS interval
    FROM series CROSS JOIN quote WHERE quote.series_id = series.id {condition}
"""
_BARS = """
    SELECT symbol,
           {columns}
           {{instant[bar.as_of]}},
           close,
           CASE WHEN bar.currency IS NULL THEN series.currency ELSE nullif(bar.currency, '') END,
           volume,
           provider,
           {{instant[bar.as_of + lag]}},
           interval
    FROM series CROSS JOIN bar WHERE bar.series_id = series.id {condition}
"""
_NEWEST = "AND {0}.as_of = (SELECT max(newest.as_of) FROM {0} AS newest WHERE newest.series_id = series.id)"


def _quotes_and_bars(columns: str = "", condition: str = "") -> str:
    """Return the rows of both tables; in `columns` and `condition`, `{0}` is the name of the table."""
    return " UNION ALL ".join(
        select.format(columns=columns.format(table), condition=condition.format(table))
        for table, select in (("quote", _QUOTES), ("bar", _BARS))
    )


SCHEMA = Schema(
    name="history",
    metadata=metadata,
    views={
        "bars": """
            SELECT symbol,
                   {instant[bar.as_of - bar_offset]} AS start,
                   interval,
                   open,
                   high,
                   low,
                   close,
                   volume,
                   CASE WHEN bar.currency IS NULL THEN series.currency ELSE nullif(bar.currency, '') END AS currency,
                   provider
            FROM series CROSS JOIN bar WHERE bar.series_id = series.id
        """,
        # The newest price of each series is found by the primary key, and the symbol's newest is one of those.
        "latest_prices": f"""
            SELECT symbol, as_of, price, currency, volume, provider, observed_at, interval
            FROM (
                SELECT prices.*,
                       row_number() OVER (
                           PARTITION BY symbol
                           ORDER BY as_of DESC, coalesce(interval, ''), provider DESC
                       ) AS position
                FROM ({_quotes_and_bars(condition=_NEWEST)}) AS prices
            ) AS ranked
            WHERE position = 1
        """,  # noqa: S608 - all parts are above
        # By `as_of_us`, the microseconds since 1970, a span of time is found by the primary key.
        "prices_by_time": _quotes_and_bars(columns="{0}.as_of AS as_of_us,"),
        "price_history": _quotes_and_bars(),
    },
    first_rows=(insert(live_batch).values(last_number=0, prices=b""),),
    migrations=Migrations(Path(__file__).with_name("migrations"), latest=LATEST_REVISION),
    hypertables={"quote": "as_of", "bar": "as_of"},
)
