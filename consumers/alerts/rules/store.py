"""Rules in the alerts database; each change of the rules is a new revision."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from consumers.alerts.conditions.registry import operators
from consumers.alerts.engine import RuleIndex
from consumers.alerts.rules.models import Condition, Rule
from consumers.alerts.tables import counters, rules
from shared.database.engine import reading, writing
from shared.errors import SettingsError


def add_rule(engine: Engine, name: str, condition: Condition, now: datetime) -> Rule:
    """Store a new rule under a name that passed `check_name`. Raises SettingsError if the name is taken."""
    symbol, operator, threshold = condition
    with writing(engine) as connection:
        revision = _begin_change(connection)
        taken = connection.execute(select(rules).where(rules.c.name == name)).one_or_none()
        if taken is not None:
            raise SettingsError(
                f"rule {name!r} exists already ({_rule(taken).condition}):"
                f" choose another name, or remove the rule first (./stockwire rules remove {name})"
            )
        added = insert(rules).values(
            name=name,
            symbol=symbol,
            condition=operator.name,
            threshold=threshold,
            revision=revision,
            created_at=now,
        )
        return Rule(connection.execute(added.returning(rules.c.id)).scalar_one(), name, condition, revision)


def remove_rule(engine: Engine, name: str) -> Rule:
    """Delete a rule and keep its alerts. Raises SettingsError if there is no rule of this name."""
    with writing(engine) as connection:
        _begin_change(connection)
        row = connection.execute(delete(rules).where(rules.c.name == name).returning(rules)).one_or_none()
        if row is None:
            raise SettingsError(f"there is no rule {name!r}: run ./stockwire rules list to see all rules")
        return _rule(row)


def list_rules(engine: Engine) -> list[tuple[Rule, datetime]]:
    """Return every rule with the time when it was added, oldest first."""
    with reading(engine) as connection:
        return [(_rule(row), row.created_at) for row in connection.execute(select(rules).order_by(rules.c.id))]


def load_rule_index(connection: Connection, revision: int) -> RuleIndex:
    """Return the index of all rules; `revision` must have been read in the same transaction."""
    return RuleIndex((_rule(row) for row in connection.execute(select(rules))), revision)


def _begin_change(connection: Connection) -> int:
    """Return the new revision. The counters stay locked, so changes and batches of events run one after the other."""
    changed = update(counters).values(revision=counters.c.revision + 1).returning(counters.c.revision)
    return int(connection.execute(changed).scalar_one())


def _rule(row: Any) -> Rule:
    return Rule(row.id, row.name, Condition(row.symbol, operators()[row.condition], row.threshold), row.revision)
