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
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    text,
)
from sqlalchemy.types import TypeDecorator

from shared.database import reading, shown, writing
from shared.errors import StorageError
from shared.prices import from_float
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

_owed = alerts.c.published_at.is_(None)
Index("alerts_owed", alerts.c.id, sqlite_where=_owed, postgresql_where=_owed)
Index("alerts_triggered", alerts.c.triggered_at)

VIEW = "price_alerts"

_INSTANT = {
    # Rounded down by hand, since SQLite's division rounds towards zero, also before 1970.
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S', ({0} - (({0} % 1000000) + 1000000) % 1000000) / 1000000, 'unixepoch')"
    " || printf('.%06dZ', (({0} % 1000000) + 1000000) % 1000000)",
    "postgresql": "to_char(timestamp 'epoch' + {0} * interval '1 microsecond', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
}


def create_schema(engine: Engine) -> None:
    """Make what is missing; several processes may do so at once. Raises StorageError."""
    dialect = engine.dialect.name
    if dialect not in _INSTANT:
        raise StorageError(f"database {shown(engine.url)}: alerts are kept in SQLite or PostgreSQL, not in {dialect}")
    with reading(engine) as connection:
        if _is_complete(connection):
            return
    with writing(engine) as connection:
        if dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('stockwire.alerts'))"))
        if not _is_complete(connection):
            metadata.create_all(connection)
            connection.execute(insert(counters).values(revision=0, batches=0))
            connection.execute(text(_view(_INSTANT[dialect])))


def _is_complete(connection: Connection) -> bool:
    return inspect(connection).has_table(VIEW)


def _view(instant: str) -> str:
    return f"""
        CREATE VIEW {VIEW} AS
        SELECT symbol,
               {instant.format("as_of")} AS as_of,
               price,
               rule_name,
               condition,
               threshold,
               previous_price,
               {instant.format("triggered_at")} AS triggered_at,
               {instant.format("published_at")} AS published_at,
               rule_id,
               event_id
        FROM alerts
    """  # noqa: S608 - put together from constants
