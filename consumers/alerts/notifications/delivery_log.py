"""The list of deliveries in every state, for people who look for an alert that did not arrive."""

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from consumers.alerts.notifications.deliveries import State
from consumers.alerts.tables import deliveries
from shared.times import format_sortable

_INSTANTS = {"raised_at": "created_at", "next_try_at": "next_try_at", "finished_at": "finished_at"}
# The fields of the event's `data` that a row has; a RULES_HELD event lacks some.
_EVENT_FIELDS = ("symbol", "rule_name", "state", "price", "as_of", "message")


class DeliveryPage(NamedTuple):
    """Deliveries, newest first, and the number from which the next page goes on; None on the last page."""

    rows: list[dict[str, Any]]
    next_before: int | None


def read_deliveries(
    connection: Connection,
    *,
    states: Collection[State] = (),
    target: str | None = None,
    before: int | None = None,
    limit: int,
) -> DeliveryPage:
    """Return the newest `limit` deliveries in one of the states (default: all), to one target or to all.

    `before` is the `next_before` of the page before.
    """
    query = select(deliveries).order_by(deliveries.c.id.desc()).limit(limit + 1)
    if states:
        query = query.where(deliveries.c.state.in_(states))
    if target is not None:
        query = query.where(deliveries.c.target == target)
    if before is not None:
        query = query.where(deliveries.c.id < before)
    rows = connection.execute(query).mappings().all()
    page = rows[:limit]
    return DeliveryPage([_describe(row) for row in page], page[-1]["id"] if len(rows) > limit else None)


def _describe(row: Mapping[Any, Any]) -> dict[str, Any]:
    event = json.loads(row["body"])
    data = {f"event_{name}" if name == "state" else name: event["data"].get(name) for name in _EVENT_FIELDS}
    instants = {name: row[column] and format_sortable(row[column]) for name, column in _INSTANTS.items()}
    if row["state"] != State.PENDING:
        instants["next_try_at"] = None
    own = {
        "id": row["event_id"],
        "target": row["target"],
        "state": row["state"],
        "attempts": row["attempts"],
        "error": row["last_error"],
    }
    return {**own, **instants, "type": event["type"], **data}
