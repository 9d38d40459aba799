"""Sentences about a rule: the place of the last price, and the reason why the rule fired or did not."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from consumers.alerts.conditions.metrics import Kind, Sample
from consumers.alerts.rules.models import Rule
from consumers.alerts.split_guard import rescale_command
from consumers.alerts.standing import Standing
from consumers.alerts.states import RuleState, Status
from shared.prices import format_price
from shared.times import format_duration, format_instant

EFFECT = "a running alerts consumer applies this within 2 seconds"

_WINDOWED = {Kind.HIGH: "highest", Kind.LOW: "lowest"}


def rule_text(rule: Rule) -> str:
    """Return a rule as people type it, with its options but without its name."""
    return f"{rule.terms} {rule.options}".strip()


def describe_place(standing: Standing) -> str:
    """Return where the last price stands: `AAPL is at 190.29, 4.9 % below 200`."""
    symbol, price, threshold = standing.symbol, standing.price, standing.rule.condition.threshold
    if price is None:
        return f"no price of {symbol} has arrived yet"
    if threshold is None or standing.rule.condition.metric.kind != Kind.PRICE:
        return f"{symbol} is at {format_price(price)}"
    side = "below" if price < threshold else "above"
    gap = abs(price / threshold - 1) * 100
    distance = "exactly" if price == threshold else f"{gap:.1f} % {side}"
    return f"{symbol} is at {format_price(price)}, {distance} {format_price(threshold)}"


def describe_truth(standing: Standing, now: datetime) -> str:
    """Return if the condition of a new rule is true already."""
    rule, number = standing.rule, standing.number
    if standing.is_expired(now) and rule.options.expires is not None:
        return f"the rule is expired: it fires on no price as of {format_instant(rule.options.expires)} or later"
    if not rule.condition.is_state or number is None or rule.condition.metric.kind == Kind.SILENCE:
        return ""
    if not rule.condition.is_true(number):
        return "the condition is not true now"
    if rule.options.on_arm == "wait":
        return "the condition is true already: the rule waits until it has been false"
    if rule.options.hold is not None:
        return f"the condition is true already: the rule fires if it stays so for {format_duration(rule.options.hold)}"
    return "the condition is true already: the rule fires with the next price"


def describe_state(standing: Standing, word: str) -> str:
    """Return one of the states of a rule with the time at which it began, or ends."""
    until = standing.rule.silenced_until
    if word == "silenced" and until is not None:
        return f"{word} until {format_instant(until)}"
    since = None if word == "acknowledged" else standing.since(word)
    return word + (f" since {format_instant(since)}" if since is not None else "")


def explain(standing: Standing, fired: str | None, now: datetime) -> Iterator[str]:
    """Yield why the rule fired or did not with the last event. `fired` is the state of the alert that it raised."""
    yield from _explain_price(standing)
    words = standing.words(now)
    yield f"the rule is {describe_state(standing, words[0])}"
    for word in words:
        yield from _explain_hindrance(standing, word)
    if standing.feed.mark is None:
        return
    yield _explain_number(standing)
    if fired is not None:
        yield f"with this price the rule raised an alert ({fired})"
    else:
        yield f"with this price the rule did not fire: {_reason(standing, words[0])}"


def _explain_price(standing: Standing) -> Iterator[str]:
    mark, late = standing.feed.mark, standing.feed.late
    if mark is None:
        yield f"no price of {standing.symbol} has arrived yet"
        return
    money = " ".join(filter(None, (format_price(mark.price), mark.currency)))
    before = "" if mark.previous_price is None else f", the price before was {format_price(mark.previous_price)}"
    yield f"the last price was {money} as of {format_instant(mark.as_of)} from {mark.provider or 'unknown'}{before}"
    if late is not None:
        yield (
            f"the newest event is late: {late[1]} delivers prices as of {format_instant(late[0])},"
            f" and until they are newer than {format_instant(mark.as_of)} no rule of {standing.symbol} fires"
        )


def _explain_hindrance(standing: Standing, word: str) -> Iterator[str]:
    rule, hold = standing.rule, standing.feed.hold
    if word == "held" and hold is not None:
        jump = f"{format_price(hold.previous_price)} to {format_price(hold.price)}"
        yield (
            f"the price went from {jump} as of {format_instant(hold.as_of)}, which may be a split:"
            f" run {rescale_command(standing.symbol, hold.ratio)}"
        )
    if word == "silenced" and rule.silenced_until is not None:
        yield f"until {format_instant(rule.silenced_until)} alerts are stored, but sent to nobody"
    if word == "stale":
        yield f"there is no data of {standing.symbol}, as a rule `no data for` tells"


def _explain_number(standing: Standing) -> str:
    """Return the condition with the number that it was about."""
    condition, number = standing.rule.condition, standing.number
    if condition.metric.kind == Kind.SILENCE:
        return f"`{condition}` is about the time without an event, by our clock"
    if number is None:
        return f"no event had what `{condition}` needs"
    if not condition.is_state:
        return f"`{condition}` needs a price on each side"
    return f"`{condition}` is {str(condition.is_true(number)).lower()}: {_describe_number(standing, number)}"


def _describe_number(standing: Standing, number: Sample) -> str:
    metric, value = standing.rule.condition.metric, format_price(number.value)
    if metric.kind == Kind.VOLUME:
        return f"the volume is {value}"
    if metric.kind in _WINDOWED:
        if number.base is None:
            return "the prices do not reach back half of the window yet"
        return f"the {_WINDOWED[metric.kind]} other price is {format_price(number.base)}"
    if metric.kind in (Kind.PERCENT, Kind.AMOUNT) and number.base is not None:
        reference = "the last close" if metric.window is None else "the oldest price of the window"
        return f"{value} is {_change(number.value, number.base)} from {format_price(number.base)}, {reference}"
    return f"the price is {value}"


def _change(price: Decimal, base: Decimal) -> str:
    return f"{price - base:+f} ({(price / base - 1) * 100:+.2f} %)"


def _reason(standing: Standing, word: str) -> str:
    if word in ("disabled", "expired", "held"):
        return f"it is {word}"
    if standing.rule.condition.metric.kind == Kind.SILENCE:
        return "an event ends the silence"
    if standing.number is None:
        return "the condition could not be evaluated"
    return _reason_of_state(standing.rule, standing.state)


def _reason_of_state(rule: Rule, state: RuleState) -> str:
    if state.status is None:
        return "it was added, edited or enabled later, and is evaluated with the next price"
    if state.status is Status.PENDING and rule.options.hold is not None:
        return f"the condition must be true for {format_duration(rule.options.hold)}"
    if state.status is Status.FIRING:
        if rule.options.rearm is not None:
            return f"it has fired, and is armed again at {format_price(rule.options.rearm)}"
        return "the condition was true before, and a rule fires when it becomes true"
    return "the condition is not true" if rule.condition.is_state else "it did not happen between the last two prices"


def counted(number: int, noun: str) -> str:
    """Return `1 rule`, `2 rules`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
