"""Watermarks and alerts in the alerts database; functions with a connection work in their caller's transaction."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Executable, RowMapping, select, true, update

from consumers.alerts.tables import alerts, counters, watermarks
from consumers.alerts.watermarks import Watermark
from shared.database.engine import reading
from shared.database.schema import insert_into
from shared.events import ALERT_FIELDS, PriceAlert, StockData, stock_data_id

_ROWS_PER_PART = 10_000


# An alert is stored once per rule and event, and an event is what it says, not its id.
_KEY = (alerts.c.rule_id, alerts.c.provider, alerts.c.symbol, alerts.c.as_of, alerts.c.interval)


class Counters(NamedTuple):
    """The number of changes of the rules, and of batches that changed a watermark."""

    revision: int
    batches: int


def read_counters(connection: Connection) -> Counters:
    """Return the counters, and lock them until the transaction ends. SQLite locks the whole database."""
    row = connection.execute(select(counters).with_for_update()).one()
    return Counters(row.revision, row.batches)


def load_watermarks(connection: Connection, symbols: Collection[str]) -> dict[str, Watermark]:
    """Return the watermarks of the symbols that have one."""
    if not symbols:
        return {}
    rows = connection.execute(select(watermarks).where(watermarks.c.symbol.in_(symbols)))
    return {row.symbol: Watermark(row.as_of, row.price, row.revision, row.currency, row.provider) for row in rows}


def save_batch(
    connection: Connection, changed: Mapping[str, Watermark], new_alerts: Sequence[tuple[StockData, PriceAlert]]
) -> list[PriceAlert]:
    """Store the watermarks and alerts of a batch, each with its event, and return the alerts that are new.

    An alert that is already stored for the same rule, provider, symbol, `as_of` and interval stays as it is.
    """
    rows = [{"symbol": symbol} | asdict(watermark) for symbol, watermark in changed.items()]
    dialect = connection.dialect.name
    connection.execute(_upsert(dialect), rows)
    stored = _insert_alerts(connection, new_alerts) if new_alerts else []
    connection.execute(update(counters).values(batches=counters.c.batches + 1))
    return stored


def is_batch_stored(
    connection: Connection, batches: int, symbols: Collection[str], fired: Sequence[tuple[StockData, PriceAlert]]
) -> bool:
    """Return True if the database has so many batches, watermarks of the symbols, and the alerts that were fired."""
    if (connection.scalar(select(counters.c.batches)) or 0) < batches:
        return False
    if load_watermarks(connection, symbols).keys() != set(symbols):
        return False
    keys = (zip(_KEY, _key(event, alert), strict=True) for event, alert in fired)
    queries = (select(alerts.c.id).where(*(column == value for column, value in key)) for key in keys)
    return all(connection.scalar(query) is not None for query in queries)


def pending_alerts(connection: Connection, limit: int) -> dict[int, PriceAlert]:
    """Return the oldest `limit` alerts that RabbitMQ has not confirmed, by row id."""
    query = select(alerts).where(alerts.c.published_at.is_(None)).order_by(alerts.c.id).limit(limit)
    return {row["id"]: _alert(row) for row in connection.execute(query).mappings()}


def mark_published(connection: Connection, row_ids: Collection[int], now: datetime) -> None:
    """Record that RabbitMQ confirmed the alerts in these rows."""
    connection.execute(update(alerts).where(alerts.c.id.in_(row_ids)).values(published_at=now))


def read_alerts(engine: Engine, since: datetime | None = None, limit: int | None = None) -> Iterator[PriceAlert]:
    """Yield the newest `limit` alerts triggered at `since` or later, in the order in which they were stored.

    The alerts are read in parts, so that a reader who takes them slowly, such as a pager, does not keep SQLite from
    shortening its WAL.
    """
    wanted = alerts.c.triggered_at >= since if since is not None else true()
    ids = select(alerts.c.id).where(wanted).order_by(alerts.c.id.desc())
    with reading(engine) as connection:
        last = connection.scalar(ids.limit(1))
        first = connection.scalar(ids.limit(1).offset(limit - 1)) if limit else None
    if last is None:
        return
    after = 0 if first is None else first - 1
    query = select(alerts).where(wanted, alerts.c.id <= last).order_by(alerts.c.id).limit(_ROWS_PER_PART)
    while after < last:
        with reading(engine) as connection:
            rows = connection.execute(query.where(alerts.c.id > after)).mappings().all()
        yield from map(_alert, rows)
        after = rows[-1]["id"] if rows else last


def _upsert(dialect: str) -> Executable:
    statement = insert_into(watermarks, dialect)
    new = statement.excluded
    upsert: Executable = statement.on_conflict_do_update(
        index_elements=[watermarks.c.symbol],
        set_={column.name: column for column in new if not column.primary_key},
    )
    return upsert


def _insert_alerts(connection: Connection, new_alerts: Sequence[tuple[StockData, PriceAlert]]) -> list[PriceAlert]:
    insert = insert_into(alerts, connection.dialect.name).on_conflict_do_nothing(index_elements=_KEY).returning(*_KEY)
    rows = {_key(event, alert): _row(event, alert) for event, alert in new_alerts}
    inserted = {tuple(row) for row in connection.execute(insert, [*rows.values()])}
    return [alert for event, alert in new_alerts if _key(event, alert) in inserted]


def _key(event: StockData, alert: PriceAlert) -> tuple[Any, ...]:
    return alert.rule_id, event.provider, event.symbol, event.as_of, event.interval or ""


def _row(event: StockData, alert: PriceAlert) -> dict[str, Any]:
    fields = {name: getattr(alert, name) for name in ALERT_FIELDS}
    return fields | {"provider": event.provider, "interval": event.interval or ""}


def _alert(row: RowMapping) -> PriceAlert:
    fields = {name: row[name] for name in ALERT_FIELDS}
    # An alert that was stored without the provider of its event has its id from the event's id.
    key = stock_data_id(row["provider"], row["symbol"], row["as_of"], row["interval"]) if row["provider"] else None
    return PriceAlert.create(**fields, event_key=key or row["event_id"])
