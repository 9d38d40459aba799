"""Alerts made of rules that fired: the fields of PRICE_ALERT, and the text of its message."""

from datetime import datetime
from decimal import Decimal

from consumers.alerts.rules.models import Rule
from consumers.alerts.states import Outcome
from shared.events import PriceAlert, StockData, price_alert_id, stock_data_id
from shared.events.fields import MAX_LONG_TEXT
from shared.prices import format_price
from shared.times import format_instant, format_sortable


def make_alert(
    rule: Rule, outcome: Outcome, event: StockData, previous_price: Decimal | None, triggered_at: datetime
) -> PriceAlert:
    """Return the alert of a rule that an event fired, or resolved."""
    key = stock_data_id(event.provider, event.symbol, event.as_of, event.interval)
    return PriceAlert.create(
        alert_id=price_alert_id(rule.id, rule.revision, outcome, key),
        rule_id=rule.id,
        rule_name=rule.name,
        condition=rule.condition.key(),
        symbol=event.symbol,
        price=event.price,
        previous_price=previous_price,
        threshold=rule.condition.threshold,
        as_of=event.as_of,
        triggered_at=triggered_at,
        event_id=event.id,
        state=outcome.value,
        terms=str(rule.terms),
        message=_message(rule, outcome, event.symbol, event.price, previous_price, event.as_of),
        silenced=is_silenced(rule, triggered_at),
    )


def make_silence_alert(
    rule: Rule, symbol: str, silent_since: datetime, last_price: Decimal | None, triggered_at: datetime
) -> PriceAlert:
    """Return the alert of a `no data` rule. Its `as_of` is the time at which the silence began."""
    key = silence_key(symbol, silent_since)
    return PriceAlert.create(
        alert_id=price_alert_id(rule.id, rule.revision, Outcome.FIRING, key),
        rule_id=rule.id,
        rule_name=rule.name,
        condition=rule.condition.key(),
        symbol=symbol,
        price=None,
        previous_price=last_price,
        threshold=None,
        as_of=silent_since,
        triggered_at=triggered_at,
        event_id=None,
        state=Outcome.FIRING.value,
        terms=str(rule.terms),
        message=_message(rule, Outcome.FIRING, symbol, None, last_price, silent_since),
        silenced=is_silenced(rule, triggered_at),
    )


def silence_key(symbol: str, silent_since: datetime) -> str:
    """Return the text that stands for an event in the id of an alert about missing data."""
    return f"{symbol}\nsilent since {format_sortable(silent_since)}"


def is_silenced(rule: Rule, now: datetime) -> bool:
    """Return True while alerts of the rule are to be sent to nobody."""
    return rule.silenced_until is not None and now < rule.silenced_until


def _message(
    rule: Rule, outcome: Outcome, symbol: str, price: Decimal | None, previous: Decimal | None, as_of: datetime
) -> str:
    if rule.options.message is None:
        return _default_message(rule, outcome, symbol, price)
    threshold = rule.condition.threshold
    fields = {
        "symbol": symbol,
        "price": _text(price),
        "previous_price": _text(previous),
        "change": _change(price, previous),
        "threshold": _text(threshold),
        "rule": rule.name,
        "as_of": format_instant(as_of),
    }
    return rule.options.message.format(**fields)[:MAX_LONG_TEXT]


def _default_message(rule: Rule, outcome: Outcome, symbol: str, price: Decimal | None) -> str:
    place = "" if price is None else f" at {format_price(price)}"
    end = " (resolved)" if outcome is Outcome.RESOLVED else ""
    return f"{symbol}{place}: {rule.condition}{end}"


def _text(price: Decimal | None) -> str:
    return "" if price is None else format_price(price)


def _change(price: Decimal | None, previous: Decimal | None) -> str:
    """Return the change since the previous price in percent: `+1.25%`."""
    return "" if price is None or previous is None else f"{(price / previous - 1) * 100:+.2f}%"
