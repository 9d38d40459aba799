"""The rules as they are kept: added, removed and listed; each change is a new revision."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from consumers.alerts.engine import RuleIndex
from consumers.alerts.rules.parser import Condition, Rule, Terms
from consumers.alerts.tables import counters, rules
from shared.database import reading, writing
from shared.errors import SettingsError


def add_rule(engine: Engine, name: str, terms: Terms, now: datetime) -> Rule:
    """Keep a new rule, under a name that `check_name` allows. Raises SettingsError where it is taken."""
    with writing(engine) as connection:
        revision = _begin_change(connection)
        taken = connection.execute(select(rules).where(rules.c.name == name)).one_or_none()
        if taken is not None:
            raise SettingsError(
                f"rule {name!r} exists ({_rule(taken).terms}):"
                f" give another name, or remove it first (./stockwire rules remove {name})"
            )
        values = {"name": name, **terms._asdict(), "condition": terms.condition.value, "revision": revision}
        added = connection.execute(insert(rules).values(**values, created_at=now).returning(rules.c.id))
        return Rule(added.scalar_one(), name, *terms, revision=revision)


def remove_rule(engine: Engine, name: str) -> Rule:
    """Drop a rule; its alerts stay. Raises SettingsError where there is none of that name."""
    with writing(engine) as connection:
        _begin_change(connection)
        row = connection.execute(delete(rules).where(rules.c.name == name).returning(rules)).one_or_none()
        if row is None:
            raise SettingsError(f"there is no rule {name!r}: ./stockwire rules list shows those there are")
        return _rule(row)


def list_rules(engine: Engine) -> list[tuple[Rule, datetime]]:
    """Every rule and when it was made, oldest first."""
    with reading(engine) as connection:
        return [(_rule(row), row.created_at) for row in connection.execute(select(rules).order_by(rules.c.id))]


def load_rule_index(connection: Connection, revision: int) -> RuleIndex:
    """All rules, as of the revision that was read in the same transaction."""
    return RuleIndex((_rule(row) for row in connection.execute(select(rules))), revision)


def _begin_change(connection: Connection) -> int:
    """The new revision. It locks the counters, so that changes and batches of events come one after the other."""
    changed = update(counters).values(revision=counters.c.revision + 1).returning(counters.c.revision)
    return int(connection.execute(changed).scalar_one())


def _rule(row: Any) -> Rule:
    return Rule(row.id, row.name, row.symbol, Condition(row.condition), row.threshold, row.revision)
