"""The tables of the alerts database, and the view that people read.

Instants are whole microseconds since 1970 (UTC); a price is a 64-bit float, which gives back every digit of at most 15.
The view `price_alerts` shows instants as text that reads well and sorts.
"""

from datetime import datetime
from decimal import Decimal
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

from shared.prices import from_float
from shared.schema import Schema
from shared.times import from_micros, to_micros


class Price(TypeDecorator[Decimal]):
    """A decimal of at most 15 significant digits."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> float | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else float(value)

    def process_result_value(self, value: Any, dialect: Any) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else from_float(value)


class Instant(TypeDecorator[datetime]):
    """An aware datetime in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else to_micros(value)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else from_micros(value)


metadata = MetaData()

# One row. `revision` goes up with each change of the rules, `batches` with each batch of events that moved a watermark:
# a process that finds them as it left them knows that what it remembers is still true.
counters = Table(
    "counters",
    metadata,
    Column("revision", BigInteger, nullable=False),
    Column("batches", BigInteger, nullable=False),
)

# The id of a removed rule is never given again: alerts, and the ids of their events, refer to it.
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

# Rules up to `revision` have been evaluated on the symbol, at this price; later ones have not.
watermarks = Table(
    "watermarks",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("price", Price, nullable=False),
    Column("revision", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# `published_at` is null until RabbitMQ has confirmed the PRICE_ALERT event.
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
    UniqueConstraint("rule_id", "event_id"),
)

_pending = alerts.c.published_at.is_(None)
Index("alerts_pending", alerts.c.id, sqlite_where=_pending, postgresql_where=_pending)
Index("alerts_triggered", alerts.c.triggered_at)

SCHEMA = Schema(
    name="alerts",
    metadata=metadata,
    view="price_alerts",
    select="""
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
    """,
    first_rows=(insert(counters).values(revision=0, batches=0),),
)
