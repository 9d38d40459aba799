"""Keep bars apart from quotes, because a day's close and a live price of the same instant are two prices.

The prices of midnight UTC become daily bars without open, high and low, because backfills stored their daily prices so.
The currency moves to the series. All tables are created anew, because SQLite cannot replace a table to which another
refers.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_INSERT_SERIES = """
    INSERT INTO series (symbol, provider, interval, currency)
    SELECT symbol, provider, :interval, (
        SELECT currency FROM price
        WHERE series_id = old_series.id AND (as_of % 86400000000 = 0) = :is_daily ORDER BY as_of DESC LIMIT 1
    )
    FROM old_series
    WHERE EXISTS (SELECT 1 FROM price WHERE series_id = old_series.id AND (as_of % 86400000000 = 0) = :is_daily)
    ORDER BY id
"""
_COPY = """
    INSERT INTO {table} (series_id, as_of, {price}, currency, volume, lag)
    SELECT series.id, as_of, price,
           CASE
               WHEN series.currency IS NULL OR price.currency <> series.currency THEN price.currency
               WHEN price.currency IS NULL THEN ''
           END,
           volume, lag
    FROM series
    JOIN old_series ON old_series.symbol = series.symbol AND old_series.provider = series.provider
    JOIN price ON price.series_id = old_series.id
    WHERE series.interval = :interval AND (as_of % 86400000000 = 0) = :is_daily
    ORDER BY series.id, as_of
"""


def upgrade() -> None:
    op.rename_table("series", "old_series")
    _create_tables()
    for table, price, interval in (("quote", "price", ""), ("bar", "close", "1d")):
        values = {"interval": interval, "is_daily": bool(interval)}
        op.execute(sa.text(_INSERT_SERIES).bindparams(**values))
        op.execute(sa.text(_COPY.format(table=table, price=price)).bindparams(**values))
    op.drop_table("price")
    op.drop_table("old_series")


def _create_tables() -> None:
    op.create_table(
        "series",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("interval", sa.Text, nullable=False, server_default=""),
        sa.Column("bar_offset", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("currency", sa.Text),
        sa.UniqueConstraint("symbol", "provider", "interval", name="series_key"),
    )
    op.create_table(
        "quote",
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
        sa.Column("as_of", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("price", sa.Double, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("volume", sa.BigInteger),
        sa.Column("lag", sa.BigInteger, nullable=False),
        sa.CheckConstraint("price > 0"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bar",
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
        sa.Column("as_of", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("open", sa.Double),
        sa.Column("high", sa.Double),
        sa.Column("low", sa.Double),
        sa.Column("close", sa.Double, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("volume", sa.BigInteger),
        sa.Column("lag", sa.BigInteger, nullable=False),
        sa.CheckConstraint("close > 0"),
        sqlite_with_rowid=False,
    )
