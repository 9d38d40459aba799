"""Targets in the alerts database."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from consumers.alerts.notifications.deliveries import give_up_pending
from consumers.alerts.notifications.targets import MAX_TARGETS, RateLimit, Target
from consumers.alerts.tables import rule_targets, rules, targets
from shared.errors import SettingsError


def add_target(connection: Connection, target: Target, now: datetime) -> None:
    """Store a new target; its `id` is chosen here. Raises SettingsError if the name is taken."""
    if connection.execute(select(targets.c.id).where(targets.c.name == target.name)).one_or_none():
        raise SettingsError(
            f"target {target.name} exists already: choose another name, or remove the target first"
            f" (./stockwire notify remove {target.name})"
        )
    if connection.scalar(select(func.count()).select_from(targets)) >= MAX_TARGETS:  # type: ignore[operator]
        raise SettingsError(f"there are {MAX_TARGETS} targets, and no more are possible: remove one first")
    limit = target.at_most
    connection.execute(
        insert(targets).values(
            name=target.name,
            url=target.url,
            secret=target.secret,
            at_most=limit.count if limit else None,
            at_most_per=limit.period.total_seconds() if limit else None,
            ttl=target.ttl.total_seconds(),
            created_at=now,
        )
    )


def read_targets(connection: Connection) -> list[Target]:
    """Return all targets, oldest first."""
    return [_target(row) for row in connection.execute(select(targets).order_by(targets.c.id))]


def find_target(connection: Connection, name: str) -> Target:
    """Return the target of this name. Raises SettingsError."""
    row = connection.execute(select(targets).where(targets.c.name == name)).one_or_none()
    if row is None:
        raise unknown_target(name)
    return _target(row)


def remove_target(connection: Connection, name: str, now: datetime) -> int:
    """Delete a target, give up what is owed to it, and return the number of those alerts. Raises SettingsError."""
    if not connection.execute(delete(targets).where(targets.c.name == name)).rowcount:
        raise unknown_target(name)
    return give_up_pending(connection, name, f"target {name} was removed", now)


def rules_of_target(connection: Connection, name: str) -> list[str]:
    """Return the names of the rules that tell this target, in alphabetical order."""
    named = select(rules.c.name).join(rule_targets, rule_targets.c.rule_id == rules.c.id)
    return sorted(connection.scalars(named.where(rule_targets.c.target == name)))


def disable_target(connection: Connection, target: Target, reason: str, now: datetime) -> None:
    """Send nothing more to a target, and give up what is owed to it."""
    changed = update(targets).where(targets.c.id == target.id).values(disabled_reason=reason)
    if connection.execute(changed).rowcount:
        give_up_pending(connection, target.name, reason, now)


def enable_target(connection: Connection, target: Target) -> None:
    """Send messages to a target again."""
    connection.execute(update(targets).where(targets.c.id == target.id).values(disabled_reason=None))


def unknown_target(name: str) -> SettingsError:
    """Return the error for a name that no target has."""
    return SettingsError(
        f"there is no target {name!r}: ./stockwire notify list shows all targets, and ./stockwire notify add {name} URL"
        " adds it"
    )


def _target(row: Any) -> Target:
    limit = RateLimit(row.at_most, timedelta(seconds=row.at_most_per)) if row.at_most else None
    return Target(row.id, row.name, row.url, row.secret, limit, timedelta(seconds=row.ttl), row.disabled_reason)
