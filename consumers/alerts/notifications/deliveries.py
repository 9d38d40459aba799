"""The outbox of deliveries: one row per event and target, pending until it was sent or given up.

Functions with a connection work in their caller's transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, select, update

from consumers.alerts.notifications.targets import DEFAULT_TTL
from consumers.alerts.tables import deliveries, targets
from shared.database.schema import insert_into

# Sent deliveries are kept for this long, and those that were given up for longer.
KEEP_SENT = timedelta(days=7)
KEEP_UNDELIVERED = timedelta(days=90)
# Rows that are expired or deleted in one transaction, which holds up the evaluation of rules.
MAX_CHANGED = 5000


class State(StrEnum):
    """The state of a delivery. A failed one can only be sent again by hand."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"


UNDELIVERED = (State.FAILED, State.EXPIRED)


class Event(Protocol):
    """An event that is sent to targets: PRICE_ALERT, or another with an id and a JSON body."""

    @property
    def id(self) -> str: ...

    def encode(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that is owed to a target; `attempts` counts the tries so far."""

    id: int
    event_id: str
    target: str
    body: str
    attempts: int
    created_at: datetime
    next_try_at: datetime
    expires_at: datetime
    last_error: str | None = None
    digest_id: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The result of a try, or of giving up. `next_try_at` counts only for a delivery that stays pending."""

    delivery: Delivery
    state: State
    attempts: int
    next_try_at: datetime
    error: str | None = None


def queue_deliveries(connection: Connection, pairs: Iterable[tuple[Event, str]], now: datetime) -> None:
    """Store that each event is owed to the target of this name. A pair that is stored already stays as it is.

    A delivery to a target that is disabled or does not exist is stored as failed.
    """
    pairs = list(pairs)
    if not pairs:
        return
    columns = (targets.c.name, targets.c.ttl, targets.c.disabled_reason)
    known = {row.name: row for row in connection.execute(select(*columns))}
    rows = [_new_row(event, name, known.get(name), now) for event, name in pairs]
    statement = insert_into(deliveries, connection.dialect.name)
    keys = [deliveries.c.event_id, deliveries.c.target]
    connection.execute(statement.on_conflict_do_nothing(index_elements=keys), rows)


def _new_row(event: Event, target: str, found: Any, now: datetime) -> dict[str, Any]:
    reason = f"there is no target {target}" if found is None else found.disabled_reason
    ttl = DEFAULT_TTL if found is None else timedelta(seconds=found.ttl)
    return {
        "event_id": event.id,
        "target": target,
        "body": event.encode().decode(),
        "state": State.FAILED if reason else State.PENDING,
        "attempts": 0,
        "created_at": now,
        "next_try_at": now,
        "expires_at": now + ttl,
        "finished_at": now if reason else None,
        "last_error": reason,
    }


def pending_deliveries(connection: Connection, target: str, limit: int) -> list[Delivery]:
    """Return the oldest `limit` pending deliveries to a target."""
    query = select(deliveries).where(deliveries.c.state == State.PENDING, deliveries.c.target == target)
    rows = connection.execute(query.order_by(deliveries.c.id).limit(limit))
    return [_delivery(row) for row in rows]


def sent_since(connection: Connection, target: str, since: datetime) -> list[datetime]:
    """Return when each message was sent to a target after `since`, oldest first. A digest is one message."""
    sent_at = func.max(deliveries.c.finished_at)
    message = func.coalesce(deliveries.c.digest_id, deliveries.c.event_id)
    query = select(sent_at).where(
        deliveries.c.state == State.SENT, deliveries.c.finished_at > since, deliveries.c.target == target
    )
    return list(connection.scalars(query.group_by(message).order_by(sent_at)))


def record_changes(connection: Connection, changes: Sequence[Change], now: datetime) -> None:
    """Store the results of tries. A delivery that is no longer pending stays as it is."""
    if not changes:
        return
    # The event's id, too: the rows of a file that was put in the place of this one have other events.
    statement = (
        update(deliveries)
        .where(
            deliveries.c.id == bindparam("row_id"),
            deliveries.c.event_id == bindparam("row_event_id"),
            deliveries.c.state == State.PENDING,
        )
        .values({name: bindparam(f"new_{name}") for name in _CHANGED})
    )
    connection.execute(statement, [_change_row(change, now) for change in changes])


_CHANGED = ("state", "attempts", "next_try_at", "finished_at", "last_error")


def _change_row(change: Change, now: datetime) -> dict[str, Any]:
    return {
        "row_id": change.delivery.id,
        "row_event_id": change.delivery.event_id,
        "new_state": change.state,
        "new_attempts": change.attempts,
        "new_next_try_at": change.next_try_at,
        "new_finished_at": None if change.state is State.PENDING else now,
        "new_last_error": change.error,
    }


def join_digest(
    connection: Connection, members: Iterable[Delivery], digest_id: str, due: datetime, ttl: timedelta
) -> None:
    """Store that these deliveries are sent as one message at `due`. Their time to live begins there."""
    values = {"digest_id": digest_id, "next_try_at": due, "expires_at": due + ttl}
    statement = update(deliveries).where(deliveries.c.id == bindparam("row_id")).values(values)
    connection.execute(statement, [{"row_id": each.id} for each in members])


def give_up_pending(connection: Connection, target: str, reason: str, now: datetime) -> int:
    """Let all pending deliveries to a target fail for this reason, and return their number."""
    pending = (deliveries.c.state == State.PENDING, deliveries.c.target == target)
    failed = update(deliveries).where(*pending).values(state=State.FAILED, finished_at=now, last_error=reason)
    return connection.execute(failed).rowcount


def expire(connection: Connection, target: str, reason: str, now: datetime) -> int:
    """Give up deliveries to a target whose time is over, at most MAX_CHANGED at once, and return their number.

    `reason` is stored for those that were not tried.
    """
    over = _some(deliveries.c.state == State.PENDING, deliveries.c.target == target, deliveries.c.expires_at <= now)
    error = func.coalesce(deliveries.c.last_error, reason)
    expired = update(deliveries).where(over).values(state=State.EXPIRED, finished_at=now, last_error=error)
    return connection.execute(expired).rowcount


def remove_old(connection: Connection, now: datetime) -> bool:
    """Delete deliveries that were sent or given up long ago. Return True if there are more of them."""
    removed = []
    kept = {State.SENT: KEEP_SENT, State.FAILED: KEEP_UNDELIVERED, State.EXPIRED: KEEP_UNDELIVERED}
    for state, age in kept.items():
        old = _some(deliveries.c.state == state, deliveries.c.finished_at < now - age)
        removed.append(connection.execute(delete(deliveries).where(old)).rowcount)
    return max(removed) == MAX_CHANGED


def _some(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return a condition on MAX_CHANGED of the deliveries that meet these conditions."""
    return deliveries.c.id.in_(select(deliveries.c.id).where(*conditions).limit(MAX_CHANGED))


def _delivery(row: Any) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in Delivery.__slots__})
