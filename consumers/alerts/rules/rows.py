"""Rules and their states as rows of the alerts database."""

from functools import lru_cache
from typing import Any

from consumers.alerts.conditions.metrics import Kind
from consumers.alerts.rules.models import Rule, Terms
from consumers.alerts.rules.options import Frequency, OnArm, Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.states import RuleState, Status


def rule_of_row(row: Any, notify: tuple[str, ...] = ()) -> Rule:
    """Return the rule in a row of `rules`. Its targets are in another table."""
    options = Options(
        frequency=_frequency(row["frequency"]),
        hold=row["hold"],
        rearm=row["rearm"],
        on_arm=OnArm(row["on_arm"]),
        expires=row["expires"],
        notify=notify,
        resolved=row["resolved"],
        message=row["message"],
    )
    return Rule(
        row["id"],
        row["name"],
        _terms(row["terms"]),
        row["revision"],
        options,
        row["enabled"],
        row["silenced_until"],
        row["created_at"],
        row["changed_at"],
    )


def row_of_rule(rule: Rule) -> dict[str, Any]:
    """Return the columns of `rules` but for the id."""
    options = rule.options
    return {
        "name": rule.name,
        "symbol": rule.terms.symbol,
        "condition": rule.condition.key(),
        "terms": str(rule.terms),
        "revision": rule.revision,
        "created_at": rule.created_at,
        "changed_at": rule.changed_at,
        "frequency": str(options.frequency),
        "hold": options.hold,
        "rearm": options.rearm,
        "on_arm": options.on_arm.value,
        "expires": options.expires,
        "resolved": options.resolved,
        "message": options.message,
        "enabled": rule.enabled,
        "silenced_until": rule.silenced_until,
    }


def level_rows(rule: Rule) -> list[dict[str, Any]]:
    """Return the rows of `rule_levels` of an enabled rule."""
    metric = rule.condition.metric.key
    return [
        {
            "symbol": rule.terms.symbol,
            "metric": metric,
            "direction": level.direction.value,
            "level": level.position,
            "rule_id": rule.id,
            "fires_first": fires_first,
        }
        for level, fires_first in rule.levels().items()
    ]


def state_of_row(row: Any) -> RuleState:
    """Return the state in a row of `rule_states`."""
    return RuleState(
        None if row["status"] is None else Status(row["status"]),
        row["since"],
        row["told"],
        row["fired"],
        row["last_fired_at"],
        row["acknowledged"],
        row["expired"],
        row["pinned"],
    )


def row_of_state(rule: Rule, symbol: str, state: RuleState) -> dict[str, Any]:
    """Return the row of `rule_states` of a rule on a symbol."""
    return {
        "rule_id": rule.id,
        "symbol": symbol,
        "revision": rule.revision,
        "status": None if state.status is None else state.status.value,
        "since": state.since,
        "told": state.told,
        "fired": state.fired,
        "last_fired_at": state.last_fired_at,
        "acknowledged": state.acknowledged,
        "expired": state.expired,
        "pinned": state.pinned,
        "live": is_live(rule, state),
    }


def is_live(rule: Rule, state: RuleState) -> bool:
    """Return True if any next event may change the state, wherever the number of the rule is."""
    is_silence = rule.condition.metric.kind == Kind.SILENCE
    return state.pinned or state.status is Status.PENDING or (is_silence and state.status is Status.FIRING)


@lru_cache(maxsize=10_000)
def _terms(text: str) -> Terms:
    return parse_terms(text)


@lru_cache(maxsize=100)
def _frequency(text: str) -> Frequency:
    return Frequency.parse(text)
