"""Watermarks and alerts as they are kept; each function works in the transaction of its caller."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable, RowMapping, select, update

from consumers.alerts.engine import Watermark
from consumers.alerts.tables import alerts, counters, watermarks
from shared.events import PriceAlert, price_alert_id
from shared.schema import insert_into

_FETCH = 10_000


class Counters(NamedTuple):
    revision: int
    batches: int


def read_counters(connection: Connection) -> Counters:
    """The counters, locked until the transaction ends; on SQLite the whole database is."""
    row = connection.execute(select(counters).with_for_update()).one()
    return Counters(row.revision, row.batches)


def load_watermarks(connection: Connection, symbols: Collection[str]) -> dict[str, Watermark]:
    """The watermarks of these symbols; one never seen has none."""
    if not symbols:
        return {}
    rows = connection.execute(select(watermarks).where(watermarks.c.symbol.in_(symbols)))
    return {row.symbol: Watermark(row.as_of, row.price, row.revision) for row in rows}


def save_batch(connection: Connection, moved: Mapping[str, Watermark], raised: Sequence[PriceAlert]) -> None:
    """Keep what a batch of events came to. An alert that is there already, by rule and event, stays as it is."""
    rows = [
        {"symbol": symbol, "as_of": mark.as_of, "price": mark.price, "revision": mark.revision}
        for symbol, mark in moved.items()
    ]
    dialect = connection.dialect.name
    connection.execute(_upsert(dialect), rows)
    if raised:
        absent = insert_into(alerts, dialect).on_conflict_do_nothing(index_elements=["rule_id", "event_id"])
        connection.execute(absent, [_fields(alert) for alert in raised])
    connection.execute(update(counters).values(batches=counters.c.batches + 1))


def pending_alerts(connection: Connection, limit: int) -> dict[int, PriceAlert]:
    """The oldest alerts that are not known to be published, by row id."""
    query = select(alerts).where(alerts.c.published_at.is_(None)).order_by(alerts.c.id).limit(limit)
    return {row["id"]: _alert(row) for row in connection.execute(query).mappings()}


def mark_published(connection: Connection, row_ids: Collection[int], now: datetime) -> None:
    connection.execute(update(alerts).where(alerts.c.id.in_(row_ids)).values(published_at=now))


def read_alerts(
    connection: Connection, since: datetime | None = None, limit: int | None = None
) -> Iterator[PriceAlert]:
    """Alerts raised at `since` or later, in the order they were raised; of those the newest `limit`."""
    query = select(alerts)
    if since is not None:
        query = query.where(alerts.c.triggered_at >= since)
    if limit is not None:
        newest = query.order_by(alerts.c.id.desc()).limit(limit).subquery()
        query = select(newest).order_by(newest.c.id)
    else:
        query = query.order_by(alerts.c.id)
    for row in connection.execution_options(yield_per=_FETCH).execute(query).mappings():
        yield _alert(row)


def _upsert(dialect: str) -> Executable:
    statement = insert_into(watermarks, dialect)
    new = statement.excluded
    upsert: Executable = statement.on_conflict_do_update(
        index_elements=[watermarks.c.symbol],
        set_={"as_of": new.as_of, "price": new.price, "revision": new.revision},
    )
    return upsert


def _fields(alert: PriceAlert) -> dict[str, Any]:
    return {name: value for name, value in vars(alert).items() if name != "id"}


def _alert(row: RowMapping) -> PriceAlert:
    fields: dict[str, Any] = {name: value for name, value in row.items() if name not in ("id", "published_at")}
    return PriceAlert(id=price_alert_id(row["rule_id"], row["rule_name"], row["event_id"]), **fields)
