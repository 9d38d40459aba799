"""The state of a rule before an event, which mostly follows from the last price instead of a stored row."""

from dataclasses import replace

from consumers.alerts.conditions.metrics import Kind, Sample
from consumers.alerts.rule_index import StoredState
from consumers.alerts.rules.models import Rule
from consumers.alerts.states import NEW, RuleState, Status
from consumers.alerts.watermarks import Watermark


def state_before(
    rule: Rule, stored: StoredState | None, previous: Watermark | None, before: Sample | None
) -> RuleState:
    """Return the state of a rule before an event.

    The last price implies it, unless the rule is tracked or was edited while it fired. `previous` is the watermark, and
    `before` the number of the rule's condition then.
    """
    state = NEW if stored is None else stored.state
    if stored is not None and stored.revision != rule.revision:
        state = replace(state, status=None)
    return implied_state(rule, state, previous, before)


def implied_state(rule: Rule, state: RuleState, previous: Watermark | None, before: Sample | None) -> RuleState:
    if rule.condition.metric.kind == Kind.SILENCE or state.pinned:
        return state
    metric = rule.condition.metric
    is_new = previous is None or before is None or rule.revision > previous.revision_of(metric)
    if is_new:
        return state if state.status is Status.FIRING or rule.is_tracked else replace(state, status=None)
    if rule.is_tracked:
        return state if state.status is not None else replace(state, status=Status.ARMED)
    is_true = rule.condition.is_state and before is not None and rule.condition.is_true(before)
    status = Status.FIRING if is_true else Status.ARMED
    return state if state.status is status else replace(state, status=status, since=None)


def must_be_stored(rule: Rule, before: RuleState, after: RuleState) -> bool:
    """Return True if the state does not follow from the last price: its status, its time, or what was told."""
    begins_or_ends = before.status is not after.status and Status.FIRING in (before.status, after.status)
    tells_end = rule.options.resolved and after.told is False and after.fired > 0
    return rule.is_tracked or begins_or_ends or tells_end or rule.condition.metric.kind == Kind.SILENCE
