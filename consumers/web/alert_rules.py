"""Rules in the alerts database, as the routes read and change them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from sqlalchemy import Connection

from consumers.alerts.databases import open_alerts_database, open_stored_alerts
from consumers.alerts.rules.changes import revise_rule
from consumers.alerts.rules.files import table_of_rule
from consumers.alerts.rules.listing import rule_row
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.store import delete_rules, insert_rules, rule_with_id, rules_page, stored_rule
from consumers.alerts.seeding import PastPrices, seed_windows
from consumers.alerts.standing import standings
from consumers.web.problems import Problem
from consumers.web.rule_bodies import rule_of
from shared.database.engine import reading, writing
from shared.database.url import DatabaseUrl
from shared.times import format_instant, utc_now


def list_documents(url: DatabaseUrl, after: int, limit: int, symbol: str | None) -> list[dict[str, Any]]:
    """Return rules with their states, oldest first."""
    with open_stored_alerts(url) as engine:
        if engine is None:
            return []
        with reading(engine) as connection:
            return documents(connection, rules_page(connection, after, limit, symbol))


def documents(connection: Connection, found: Sequence[Rule]) -> list[dict[str, Any]]:
    """Return rules as the API shows them: `when`, the state, the options as in rule files, and what is known beside."""
    now = utc_now()
    by_rule = standings(connection, found)
    return [_document(rule, rule_row(rule, by_rule[rule.id], now)) for rule in found]


def read_document(url: DatabaseUrl, rule_id: int) -> dict[str, Any]:
    """Return one rule. Raises Problem if there is none with this id."""
    with open_stored_alerts(url) as engine:
        if engine is None:
            raise no_rule(rule_id)
        with reading(engine) as connection:
            return documents(connection, [require_rule(connection, rule_id)])[0]


def require_rule(connection: Connection, rule_id: int) -> Rule:
    rule = rule_with_id(connection, rule_id)
    if rule is None:
        raise no_rule(rule_id)
    return rule


def no_rule(rule_id: int) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"there is no alert rule with the id {rule_id}")


def add(url: DatabaseUrl, rule: Rule, past_prices: PastPrices) -> dict[str, Any]:
    """Store a new rule, with the past prices that its window needs. Raises Problem and SettingsError."""
    now = utc_now()
    with open_alerts_database(url) as engine:
        with writing(engine) as connection:
            _check_name(connection, rule.name)
            [stored] = insert_rules(connection, [replace(rule, created_at=now)])
        seed_windows(engine, stored, past_prices, now)
        with reading(engine) as connection:
            return documents(connection, [stored])[0]


def change(url: DatabaseUrl, rule_id: int, changes: Mapping[str, Any], past_prices: PastPrices) -> dict[str, Any]:
    """Change the keys of a rule, and return it. Raises Problem and SettingsError."""
    with open_alerts_database(url) as engine:
        with writing(engine) as connection:
            old = require_rule(connection, rule_id)
            new = replace(
                rule_of(table_of_rule(old) | dict(changes)),
                id=old.id,
                revision=old.revision,
                silenced_until=old.silenced_until,
                created_at=old.created_at,
            )
            if new.name != old.name:
                _check_name(connection, new.name)
            changed = old if new == old else revise_rule(connection, old, new)
        seed_windows(engine, changed, past_prices, utc_now())
        with reading(engine) as connection:
            return documents(connection, [changed])[0]


def remove(url: DatabaseUrl, rule_id: int) -> None:
    """Delete a rule, and keep its alerts. Raises Problem."""
    with open_alerts_database(url) as engine, writing(engine) as connection:
        delete_rules(connection, [require_rule(connection, rule_id)])


def name_of(url: DatabaseUrl, rule_id: int) -> str:
    """Return the name of a rule. Raises Problem."""
    with open_stored_alerts(url) as engine:
        if engine is None:
            raise no_rule(rule_id)
        with reading(engine) as connection:
            return require_rule(connection, rule_id).name


def _check_name(connection: Connection, name: str) -> None:
    found = stored_rule(connection, name)
    if found is not None:
        raise Problem(
            HTTPStatus.CONFLICT, f"there is a rule {name!r} already ({found.terms}): choose another name", id=found.id
        )


def _document(rule: Rule, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "when": row["rule"],
        **{key: value for key, value in row.items() if key not in ("id", "name", "rule")},
        "enabled": rule.enabled,
        "silenced_until": None if rule.silenced_until is None else format_instant(rule.silenced_until),
    }
