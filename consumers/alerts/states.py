"""The state of a rule on one symbol, and its change by one number: pure functions without a clock and without I/O."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from consumers.alerts.conditions.metrics import Sample
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.options import OnArm, is_rearmed


class Status(StrEnum):
    """`armed`: waits for its condition. `pending`: waits for the end of `--for`. `firing`: true, until it is not."""

    ARMED = "armed"
    PENDING = "pending"
    FIRING = "firing"


class Outcome(StrEnum):
    """The alerts that a rule raises: its condition came true, or is over. The values are `state` in PRICE_ALERT."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class RuleState:
    """The state of a rule on one symbol.

    `status` is None until the rule is evaluated for the first time. `since` is the `as_of` at which the status began.
    `told` is True while an alert about the current firing was raised, and `fired` counts the alerts. An expired rule
    has fired once and must not fire again. `pinned` is True from the rescaling of the last price by a split until the
    next price, because meanwhile the status does not follow from the last price.
    """

    status: Status | None = None
    since: datetime | None = None
    told: bool = False
    fired: int = 0
    last_fired_at: datetime | None = None
    acknowledged: bool = False
    expired: bool = False
    pinned: bool = False


NEW = RuleState()


def evaluate(
    rule: Rule, state: RuleState, before: Sample | None, now: Sample | None, as_of: datetime
) -> tuple[RuleState, Outcome | None]:
    """Return the state of a rule after an event, and the alert that the event raises.

    `before` and `now` are the number of the rule's condition at the previous event and at this one. `before` is None
    without a previous event that may be compared, and `now` if the event does not have the number.
    """
    if now is None or state.expired:
        return state, None
    if state.pinned:
        state = replace(state, pinned=False)
    if not rule.condition.is_state:
        return _evaluate_event(rule, state, before, now, as_of)
    if state.status is Status.FIRING:
        ended = _is_rearmed(rule, now) if rule.options.rearm is not None else not rule.condition.is_true(now)
        return _arm(rule, state, as_of) if ended else (state, None)
    if not rule.condition.is_true(now):
        return (state, None) if state.status is Status.ARMED else (_enter(state, Status.ARMED, as_of), None)
    if state.status is None and rule.options.on_arm is OnArm.WAIT:
        return _enter(state, Status.FIRING, as_of), None
    return _begin(rule, state, as_of)


def after_change_of_world(state: RuleState) -> RuleState:
    """Return the state of a rule whose last price may not be compared with the next."""
    return RuleState(fired=state.fired, expired=state.expired)


def _evaluate_event(
    rule: Rule, state: RuleState, before: Sample | None, now: Sample, as_of: datetime
) -> tuple[RuleState, Outcome | None]:
    """Evaluate `crossing`, `entering` and `exiting`, which are armed again at once, or by `--rearm`."""
    if state.status is Status.FIRING:
        return _arm(rule, state, as_of) if _is_rearmed(rule, now) else (state, None)
    if before is None or not rule.condition.happens(before, now):
        return (state, None) if state.status is Status.ARMED else (_enter(state, Status.ARMED, as_of), None)
    state, outcome = _fire(rule, state, as_of)
    return (state, outcome) if rule.options.rearm is not None else (replace(state, status=Status.ARMED), outcome)


def _begin(rule: Rule, state: RuleState, as_of: datetime) -> tuple[RuleState, Outcome | None]:
    """Let the condition be true: the rule fires, or is pending until the end of `--for`."""
    if rule.options.hold is None:
        return _fire(rule, state, as_of)
    if state.status is not Status.PENDING or state.since is None:
        return _enter(state, Status.PENDING, as_of), None
    return _fire(rule, state, as_of) if as_of - state.since >= rule.options.hold else (state, None)


def _fire(rule: Rule, state: RuleState, as_of: datetime) -> tuple[RuleState, Outcome | None]:
    state = replace(_enter(state, Status.FIRING, as_of), acknowledged=False)
    if _is_dropped(rule, state, as_of):
        return state, None
    once = rule.options.frequency.once
    return replace(state, told=True, fired=state.fired + 1, last_fired_at=as_of, expired=once), Outcome.FIRING


def _is_dropped(rule: Rule, state: RuleState, as_of: datetime) -> bool:
    """Return True if the rule has expired, or fired less than the time of `once-per` ago."""
    expires, per = rule.options.expires, rule.options.frequency.per
    if expires is not None and as_of >= expires:
        return True
    return per is not None and state.last_fired_at is not None and as_of - state.last_fired_at < per


def _arm(rule: Rule, state: RuleState, as_of: datetime) -> tuple[RuleState, Outcome | None]:
    expired = rule.options.expires is not None and as_of >= rule.options.expires
    tells = rule.options.resolved and state.told and not expired
    armed = replace(_enter(state, Status.ARMED, as_of), acknowledged=False)
    return armed, Outcome.RESOLVED if tells else None


def _enter(state: RuleState, status: Status, as_of: datetime) -> RuleState:
    return replace(state, status=status, since=as_of, told=False)


def _is_rearmed(rule: Rule, now: Sample) -> bool:
    rearm = rule.options.rearm
    return rearm is not None and is_rearmed(rule.condition, rearm, now.value)
