"""The tables of the alerts database, and a readable view of the alerts.

Times are whole microseconds since 1970 (UTC). A price is a 64-bit float, which keeps up to 15 significant digits. The
view `price_alerts` shows times as ISO 8601 text.
"""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    insert,
)
from sqlalchemy.types import TypeDecorator

from shared.database.migrations import Migrations
from shared.database.schema import Schema
from shared.prices import from_float
from shared.times import from_micros, to_micros


class Price(TypeDecorator[Decimal]):
    """A decimal of at most 15 significant digits, stored as a float."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> float | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else float(value)

    def process_result_value(self, value: Any, dialect: Any) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else from_float(value)


class Instant(TypeDecorator[datetime]):
    """An aware datetime in UTC, stored as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else to_micros(value)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else from_micros(value)


metadata = MetaData()

# One row. Each change of the rules adds 1 to `revision`, and each batch that changes a watermark adds 1 to `batches`. A
# process that finds both unchanged knows that the rules and watermarks in its memory are current.
counters = Table(
    "counters",
    metadata,
    Column("revision", BigInteger, nullable=False),
    Column("batches", BigInteger, nullable=False),
)

# Autoincrement, because alerts and their event ids refer to a rule's id: the id must not be used again.
rules = Table(
    "rules",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("symbol", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("threshold", Price, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

# The newest price of each symbol. Rules of `revision` and older have been evaluated on the price. `provider` is null if
# an earlier version stored the row.
watermarks = Table(
    "watermarks",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("price", Price, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("currency", Text),
    Column("provider", Text),
    sqlite_with_rowid=False,
)

# `provider` and `interval` are those of the event. `interval` is empty for a quote, and `provider` is null if an
# earlier version stored the alert. `published_at` is null until RabbitMQ has confirmed the PRICE_ALERT event.
alerts = Table(
    "alerts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("rule_id", BigInteger, nullable=False),
    Column("rule_name", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("price", Price, nullable=False),
    Column("previous_price", Price),
    Column("threshold", Price, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("triggered_at", Instant, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("published_at", Instant),
    Column("provider", Text),
    Column("interval", Text, nullable=False),
    UniqueConstraint("rule_id", "provider", "symbol", "as_of", "interval", name="alerts_key"),
)

_pending = alerts.c.published_at.is_(None)
Index("alerts_pending", alerts.c.id, sqlite_where=_pending, postgresql_where=_pending)
Index("alerts_triggered", alerts.c.triggered_at)

SCHEMA = Schema(
    name="alerts",
    metadata=metadata,
    views={
        "price_alerts": """
            SELECT symbol,
                   {instant[as_of]} AS as_of,
                   price,
                   rule_name,
                   condition,
                   threshold,
                   previous_price,
                   {instant[triggered_at]} AS triggered_at,
                   {instant[published_at]} AS published_at,
                   rule_id,
                   event_id
            FROM alerts
        """
    },
    first_rows=(insert(counters).values(revision=0, batches=0),),
    migrations=Migrations(Path(__file__).with_name("migrations"), latest="0002"),
)
