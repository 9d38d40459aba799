"""Rules in the alerts database; each change of the rules is a new revision."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Select, bindparam, delete, insert, or_, select, update

from consumers.alerts.conditions.metrics import WINDOWS
from consumers.alerts.notifications.target_store import unknown_target
from consumers.alerts.rules.models import EVERY_SYMBOL, Rule, Terms
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.rows import level_rows, row_of_rule, rule_of_row
from consumers.alerts.store import read_counters, targets_of_rules
from consumers.alerts.tables import (
    counters,
    metric_usage,
    rule_levels,
    rule_states,
    rule_targets,
    rules,
    targets,
    watermarks,
    window_prices,
)
from shared.database.engine import reading, writing
from shared.database.schema import insert_into
from shared.errors import SettingsError
from shared.prices import NOT_REAL
from shared.times import utc_now

_ROWS_PER_PART = 1000


def add_rule(engine: Engine, name: str, terms: Terms, now: datetime, options: Options | None = None) -> Rule:
    """Store a new rule under a name that passed `check_name`, with options that passed `Options.check`.

    Raises SettingsError if the name is taken, or a target is unknown.
    """
    with writing(engine) as connection:
        return insert_rules(connection, [Rule(0, name, terms, 0, options or Options(), created_at=now)])[0]


def insert_rules(connection: Connection, new: Sequence[Rule]) -> list[Rule]:
    """Store new rules as one revision, and return them with their ids. Raises SettingsError."""
    revision = begin_change(connection)
    _check_names(connection, [rule.name for rule in new])
    check_targets(connection, {name for rule in new for name in rule.options.notify})
    rows = [row_of_rule(replace(rule, revision=revision)) for rule in new]
    statement = insert(rules).returning(rules.c.id, sort_by_parameter_order=True)
    ids = connection.scalars(statement, rows).all() if rows else ()
    stored = [replace(rule, id=number, revision=revision) for rule, number in zip(new, ids, strict=True)]
    _insert_targets(connection, stored)
    index_rules(connection, stored)
    return stored


def replace_rule(connection: Connection, rule: Rule) -> Rule:
    """Store other terms, options or flags of a rule as a new revision, and return it. Raises SettingsError.

    The caller decides about the states of the rule.
    """
    revised = replace(rule, revision=begin_change(connection), changed_at=utc_now())
    check_targets(connection, set(rule.options.notify))
    connection.execute(update(rules).where(rules.c.id == rule.id).values(row_of_rule(revised)))
    connection.execute(delete(rule_targets).where(rule_targets.c.rule_id == rule.id))
    _insert_targets(connection, [revised])
    reindex_rules(connection, [revised])
    return revised


def remove_rule(engine: Engine, name: str) -> Rule:
    """Delete a rule and keep its alerts. Raises SettingsError if there is no rule of this name."""
    with writing(engine) as connection:
        read_counters(connection)
        rule = find_rule(connection, name)
        delete_rules(connection, [rule])
        return rule


def delete_rules(connection: Connection, gone: Sequence[Rule]) -> None:
    """Delete rules with their states, and keep their alerts."""
    begin_change(connection)
    unindex_rules(connection, [rule.id for rule in gone])
    for column in (rule_targets.c.rule_id, rule_states.c.rule_id, rules.c.id):
        connection.execute(
            delete(column.table).where(column == bindparam("gone")), [{"gone": rule.id} for rule in gone]
        )


def silence_rule(engine: Engine, name: str, until: datetime | None) -> Rule:
    """Let alerts of a rule be sent to nobody until a time, or from now on again. Raises SettingsError."""
    with writing(engine) as connection:
        read_counters(connection)
        rule = replace(find_rule(connection, name), silenced_until=until)
        connection.execute(update(rules).where(rules.c.id == rule.id).values(silenced_until=until))
        return rule


def find_rule(connection: Connection, name: str) -> Rule:
    """Return the rule of this name. Raises SettingsError if there is none."""
    rule = stored_rule(connection, name)
    if rule is None:
        raise SettingsError(f"there is no rule {name!r}: run ./stockwire rules list to see all rules")
    return rule


def stored_rule(connection: Connection, name: str) -> Rule | None:
    """Return the rule of this name, or None."""
    row = connection.execute(select(rules).where(rules.c.name == name)).mappings().one_or_none()
    return None if row is None else rule_of_row(row, tuple(_targets_of(connection, row["id"])))


def rule_with_id(connection: Connection, rule_id: int) -> Rule | None:
    """Return the rule with this id, or None."""
    row = connection.execute(select(rules).where(rules.c.id == rule_id)).mappings().one_or_none()
    return None if row is None else rule_of_row(row, tuple(_targets_of(connection, row["id"])))


def rules_page(connection: Connection, after: int, limit: int, symbol: str | None = None) -> list[Rule]:
    """Return the first `limit` rules with an id over `after`, oldest first; for a symbol those on it and on `*`."""
    query = select(rules).where(rules.c.id > after)
    if symbol is not None:
        query = query.where(rules.c.symbol.in_((symbol, EVERY_SYMBOL)))
    return _rules_of(connection, query.order_by(rules.c.id).limit(limit))


def list_rules(engine: Engine) -> Iterator[Rule]:
    """Yield every rule, oldest first. They are read in parts, so that a slow reader keeps no transaction open."""
    after = 0
    while True:
        with reading(engine) as connection:
            part = _rules_after(connection, after)
        if not part:
            return
        yield from part
        after = part[-1].id


def stored_rules(connection: Connection) -> Iterator[Rule]:
    """Yield every rule, oldest first, as this transaction sees them."""
    after = 0
    while part := _rules_after(connection, after):
        yield from part
        after = part[-1].id


def _rules_after(connection: Connection, rule_id: int) -> list[Rule]:
    return rules_page(connection, rule_id, _ROWS_PER_PART)


def _rules_of(connection: Connection, query: Select[Any]) -> list[Rule]:
    rows = connection.execute(query).mappings().all()
    names = targets_of_rules(connection, [row["id"] for row in rows])
    return [rule_of_row(row, tuple(names.get(row["id"], ()))) for row in rows]


def begin_change(connection: Connection) -> int:
    """Return the new revision. The counters stay locked, so changes and batches of events run one after the other.

    A change that reads before this must lock the counters first, by `read_counters`.
    """
    changed = update(counters).values(revision=counters.c.revision + 1).returning(counters.c.revision)
    return int(connection.execute(changed).scalar_one())


def index_rules(connection: Connection, indexed: Sequence[Rule]) -> None:
    """Add the levels of rules to the index, and keep the prices that their windows need from now on."""
    rows = [row for rule in indexed if rule.enabled for row in level_rows(rule)]
    if not rows:
        return
    connection.execute(insert(rule_levels), rows)
    _count_levels(connection, [(row["symbol"], row["metric"]) for row in rows], 1)
    for symbol in {rule.terms.symbol for rule in indexed if rule.condition.metric.window is not None}:
        connection.execute(_keep_last_price(connection, symbol))


def unindex_rules(connection: Connection, rule_ids: Collection[int]) -> None:
    """Remove the levels of rules from the index, and the prices that no window needs any more."""
    gone = delete(rule_levels).where(rule_levels.c.rule_id.in_(rule_ids))
    rows = connection.execute(gone.returning(rule_levels.c.symbol, rule_levels.c.metric)).all()
    _count_levels(connection, [(row.symbol, row.metric) for row in rows], -1)
    connection.execute(delete(metric_usage).where(metric_usage.c.levels <= 0))
    _forget_windows(connection)


def reindex_rules(connection: Connection, changed: Sequence[Rule]) -> None:
    """Replace the levels of rules in the index."""
    unindex_rules(connection, [rule.id for rule in changed])
    index_rules(connection, changed)


def _count_levels(connection: Connection, keys: Sequence[tuple[str, str]], sign: int) -> None:
    counts: dict[tuple[str, str], int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + sign
    if not counts:
        return
    statement = insert_into(metric_usage, connection.dialect.name)
    added = metric_usage.c.levels + statement.excluded.levels
    statement = statement.on_conflict_do_update(index_elements=[*metric_usage.primary_key], set_={"levels": added})
    rows = [{"symbol": symbol, "metric": metric, "levels": count} for (symbol, metric), count in counts.items()]
    connection.execute(statement, rows)


def _keep_last_price(connection: Connection, symbol: str) -> Executable:
    """Return the INSERT of the last price of a symbol, or of all for `*`, into the prices of windows."""
    real = watermarks.c.provider.is_(None) | watermarks.c.provider.not_in(NOT_REAL)
    last = select(watermarks.c.symbol, watermarks.c.as_of, watermarks.c.price, watermarks.c.currency, real)
    if symbol != EVERY_SYMBOL:
        last = last.where(watermarks.c.symbol == symbol)
    # SQLite takes ON after FROM for a join, unless there is a WHERE.
    last = last.where(watermarks.c.price > 0)
    statement = insert_into(window_prices, connection.dialect.name)
    kept: Executable = statement.from_select([column.name for column in window_prices.c], last).on_conflict_do_nothing()
    return kept


def _forget_windows(connection: Connection) -> None:
    """Delete the prices of symbols for which no rule has a window."""
    windows = [metric_usage.c.metric.like(f"{kind} %") for kind in WINDOWS]
    used = set(connection.scalars(select(metric_usage.c.symbol).where(or_(*windows))))
    if EVERY_SYMBOL not in used:
        connection.execute(delete(window_prices).where(window_prices.c.symbol.not_in(used)))


def _check_names(connection: Connection, names: Sequence[str]) -> None:
    taken = connection.execute(select(rules).where(rules.c.name.in_(names))).mappings().first()
    if taken is not None:
        name = taken["name"]
        raise SettingsError(
            f"rule {name!r} exists already ({taken['terms']}):"
            f" choose another name, or remove the rule first (./stockwire rules remove {name})"
        )


def check_targets(connection: Connection, names: Collection[str]) -> None:
    """Raise SettingsError if there is a name that no target has."""
    known = set(connection.scalars(select(targets.c.name).where(targets.c.name.in_(names)))) if names else set()
    for name in sorted(set(names) - known):
        raise unknown_target(name)


def _insert_targets(connection: Connection, stored: Sequence[Rule]) -> None:
    rows = [{"rule_id": rule.id, "target": name} for rule in stored for name in dict.fromkeys(rule.options.notify)]
    if rows:
        connection.execute(insert(rule_targets), rows)


def _targets_of(connection: Connection, rule_id: int) -> list[str]:
    return targets_of_rules(connection, [rule_id]).get(rule_id, [])
