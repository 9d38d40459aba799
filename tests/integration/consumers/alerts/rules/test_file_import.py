"""Imports of files of rules into real SQLite and PostgreSQL: all of a file, or nothing."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, func, select

from consumers.alerts.rules import file_import
from consumers.alerts.rules.file_import import apply_import, plan_import
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import list_rules
from consumers.alerts.tables import metric_usage, rule_levels, rules
from shared.database.engine import reading
from shared.errors import SettingsError
from tests.event_factories import NOW


def rule(number: int, terms: str) -> Rule:
    return Rule(0, f"rule {number}", parse_terms(terms), 1)


def imported(engine: Engine, new: Sequence[Rule], *, prune: bool = True) -> list[Rule]:
    return apply_import(engine, new, plan_import(engine, new, prune=prune), NOW, prune=prune)


def stored(engine: Engine) -> dict[str, str]:
    return {each.name: str(each.terms) for each in list_rules(engine)}


def test_rules_are_added_changed_and_removed_in_parts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_import, "_RULES_PER_PART", 7)
    first = [rule(number, f"AAPL above {number + 1}") for number in range(20)]
    assert len(imported(engine, first)) == 20
    second = [rule(number, f"AAPL above {number // 5 + 1}") for number in range(5, 10)]
    assert len(imported(engine, second)) == 5
    assert stored(engine) == {f"rule {number}": "AAPL above 2" for number in range(5, 10)}
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(rule_levels)) == 5
        assert connection.scalar(select(func.sum(metric_usage.c.levels))) == 5
        assert set(connection.scalars(select(rules.c.created_at))) == {NOW}
    assert imported(engine, []) == []
    assert stored(engine) == {}


def test_an_import_that_fails_on_its_way_changes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(engine, [rule(1, "AAPL above 1"), rule(2, "AAPL above 2")])
    before = stored(engine)
    monkeypatch.setattr(file_import, "_RULES_PER_PART", 1)
    new = [rule(1, "AAPL above 10"), rule(3, "AAPL above 3")]
    planned = plan_import(engine, new, prune=True)
    # The name is taken by the rule before, so the second part fails after the first was written.
    twice = [*new, replace(new[1], terms=parse_terms("MSFT above 1"))]
    planned = replace(planned, added=(*planned.added, twice[2]))
    with pytest.raises(SettingsError, match="rule 'rule 3' exists already"):
        apply_import(engine, twice, planned, NOW, prune=True)
    assert stored(engine) == before
