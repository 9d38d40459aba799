"""Deliveries that were given up: the list of them, and a new start."""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, select, true, update

from consumers.alerts.notifications.deliveries import UNDELIVERED, State
from consumers.alerts.notifications.target_store import find_target
from consumers.alerts.tables import deliveries
from shared.database.engine import reading
from shared.errors import SettingsError
from shared.times import format_sortable

# The fields of a row, before those of the event's `data`.
DELIVERY_FIELDS = ("id", "target", "result", "attempts", "error", "raised_at", "given_up_at")

_ROWS_PER_PART = 1000


def read_undelivered(
    engine: Engine, since: datetime | None = None, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the newest `limit` deliveries that were given up, of alerts raised at `since` or later, oldest first.

    They are read in parts, so that a reader who takes them slowly does not keep SQLite from shortening its WAL.
    """
    wanted = _wanted(since)
    ids = select(deliveries.c.id).where(wanted).order_by(deliveries.c.id.desc())
    with reading(engine) as connection:
        first = connection.scalar(ids.limit(1).offset(limit - 1)) if limit else None
    after = 0 if first is None else first - 1
    query = select(deliveries).where(wanted).order_by(deliveries.c.id).limit(_ROWS_PER_PART)
    while True:
        with reading(engine) as connection:
            rows = connection.execute(query.where(deliveries.c.id > after)).mappings().all()
        if not rows:
            return
        yield from map(_describe, rows)
        after = rows[-1]["id"]


def count_deliveries(connection: Connection) -> dict[tuple[str, str], int]:
    """Return the number of deliveries by target and state, without those that were sent."""
    columns = (deliveries.c.target, deliveries.c.state)
    query = (
        select(*columns, func.count()).where(deliveries.c.state.in_((State.PENDING, *UNDELIVERED))).group_by(*columns)
    )
    return {(target, state): count for target, state, count in connection.execute(query)}


def redeliver(
    connection: Connection,
    now: datetime,
    *,
    event_ids: Collection[str] = (),
    target: str | None = None,
    since: datetime | None = None,
) -> int:
    """Let deliveries that were given up be sent again, with a new time to live, and return their number.

    Raises SettingsError if a target of theirs does not exist or is disabled, and then changes nothing.
    """
    wanted = _wanted(since)
    if event_ids:
        wanted = and_(wanted, deliveries.c.event_id.in_(event_ids))
    if target is not None:
        wanted = and_(wanted, deliveries.c.target == target)
    names = connection.scalars(select(deliveries.c.target).where(wanted).distinct()).all()
    return sum(_restart(connection, name, wanted, now) for name in sorted(names))


def _restart(connection: Connection, name: str, wanted: ColumnElement[bool], now: datetime) -> int:
    target = find_target(connection, name)
    if target.disabled_reason:
        raise SettingsError(
            f"target {name} is disabled ({target.disabled_reason}): ./stockwire notify test {name} enables it if it"
            " takes the message; nothing was changed"
        )
    new = {
        "state": State.PENDING,
        "attempts": 0,
        "next_try_at": now,
        "expires_at": now + target.ttl,
        "finished_at": None,
        "last_error": None,
        "digest_id": None,
    }
    return connection.execute(update(deliveries).where(wanted, deliveries.c.target == name).values(new)).rowcount


def _wanted(since: datetime | None) -> ColumnElement[bool]:
    raised = true() if since is None else deliveries.c.created_at >= since
    return and_(deliveries.c.state.in_(UNDELIVERED), raised)


def _describe(row: Mapping[Any, Any]) -> dict[str, Any]:
    own = {
        "id": row["event_id"],
        "target": row["target"],
        "result": row["state"],
        "attempts": row["attempts"],
        "error": row["last_error"],
        "raised_at": format_sortable(row["created_at"]),
        "given_up_at": row["finished_at"] and format_sortable(row["finished_at"]),
    }
    data: dict[str, Any] = json.loads(row["body"])["data"]
    return data | own
