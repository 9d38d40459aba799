"""The rules of a file beside the stored rules: what an import adds, changes and removes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine

from consumers.alerts.rules.changes import revise_rule
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.store import begin_change, check_targets, delete_rules, insert_rules, stored_rules
from consumers.alerts.rules.wording import rule_text
from shared.database.engine import reading, writing
from shared.errors import SettingsError

_RULES_PER_PART = 1000


@dataclass(frozen=True, slots=True)
class Import:
    """The difference between a file and the database. `changed` has pairs of the stored and the new rule.

    `kept` are the stored rules that the file does not have, unless they are removed.
    """

    added: tuple[Rule, ...]
    changed: tuple[tuple[Rule, Rule], ...]
    removed: tuple[Rule, ...]
    unchanged: int
    kept: int

    def lines(self) -> Iterator[str]:
        """Yield a line per difference: `+` for a new rule, `~` for another one, `-` for one that goes."""
        yield from (f"+ {rule.name}: {describe(rule)}" for rule in self.added)
        yield from (f"~ {new.name}: {describe(old)} -> {describe(new)}" for old, new in self.changed)
        yield from (f"- {rule.name}: {describe(rule)}" for rule in self.removed)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def plan_import(engine: Engine, new: Sequence[Rule], *, prune: bool) -> Import:
    """Return what an import would change. Raises SettingsError if a rule names an unknown target."""
    with reading(engine) as connection:
        check_targets(connection, {name for rule in new for name in rule.options.notify})
        return _compare(connection, new, prune=prune)


def apply_import(engine: Engine, new: Sequence[Rule], planned: Import, now: datetime, *, prune: bool) -> list[Rule]:
    """Change the stored rules in one transaction as planned, and return those that are new or changed.

    Raises SettingsError, and changes nothing, if another process has changed rules since the plan was made.
    """
    with writing(engine) as connection:
        begin_change(connection)
        if _compare(connection, new, prune=prune) != planned:
            raise SettingsError("the rules were changed by another command meanwhile: run the same command again")
        for part in _parts(planned.removed):
            delete_rules(connection, part)
        written = [revise_rule(connection, *pair) for pair in planned.changed]
        for part in _parts([replace(rule, created_at=now) for rule in planned.added]):
            written += insert_rules(connection, part)
        return written


def describe(rule: Rule) -> str:
    """Return the condition and the options of a rule on one line."""
    return rule_text(rule) + ("" if rule.enabled else " (disabled)")


def _compare(connection: Connection, new: Sequence[Rule], *, prune: bool) -> Import:
    stored = {rule.name: rule for rule in stored_rules(connection)}
    names = {rule.name for rule in new}
    pairs = [(stored[rule.name], _revised(stored[rule.name], rule)) for rule in new if rule.name in stored]
    changed = tuple(pair for pair in pairs if pair[0] != pair[1])
    others = tuple(rule for name, rule in stored.items() if name not in names)
    return Import(
        added=tuple(rule for rule in new if rule.name not in stored),
        changed=changed,
        removed=others if prune else (),
        unchanged=len(pairs) - len(changed),
        kept=0 if prune else len(others),
    )


def _parts(found: Sequence[Rule]) -> Iterator[Sequence[Rule]]:
    """Yield the rules in parts, because a statement has a limited number of parameters."""
    for start in range(0, len(found), _RULES_PER_PART):
        yield found[start : start + _RULES_PER_PART]


def _revised(old: Rule, new: Rule) -> Rule:
    """Return the stored rule as the file has it. Targets have no order."""
    same = set(old.options.notify) == set(new.options.notify)
    options = replace(new.options, notify=old.options.notify) if same else new.options
    return replace(old, terms=new.terms, options=options, enabled=new.enabled)
