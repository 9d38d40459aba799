"""The consumer `tail`: print events of any routing pattern; its queue is deleted when the process ends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from shared.cli.output import print_lines
from shared.errors import InvalidEvent
from shared.events import Event, PriceAlert, RulesHeld, StockData, decode_event
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.messages import Delivery
from shared.messaging.topology import EVERYTHING
from shared.prices import format_price
from shared.settings import Settings
from shared.times import format_instant

# Bytes of an invalid body that are printed.
_MAX_SHOWN = 200


def describe(delivery: Delivery, now: datetime) -> str:
    """Return one line for a delivery, also if its body is invalid."""
    try:
        event = decode_event(delivery.body, now)
    except InvalidEvent as error:
        text = delivery.body[:_MAX_SHOWN].decode(errors="replace")
        return f"{delivery.routing_key}  invalid ({error}): {text!r}"
    return f"{delivery.routing_key}  {describe_event(event)}"


def describe_event(event: Event) -> str:
    """Return an event as readable text."""
    as_of = format_instant(event.as_of)
    if isinstance(event, StockData):
        money = " ".join(filter(None, (format_price(event.price), event.currency)))
        return f"{event.symbol} {money} as of {as_of} ({event.provider})"
    if isinstance(event, RulesHeld):
        jump = f"{format_price(event.previous_price)} to {format_price(event.price)}"
        return f"HELD {event.symbol}: from {jump} as of {as_of}; run ./stockwire rules rescale {event.symbol}"
    return f"ALERT {event.rule_name}: {describe_alert(event)}, {_describe_price(event)} as of {as_of}"


def describe_alert(alert: PriceAlert) -> str:
    """Return what an alert tells: the symbol and the condition, and `resolved` if it is over."""
    words = alert.terms.partition(" ")[2] or _describe_condition(alert)
    return " ".join([alert.symbol, words, *(["resolved"] if alert.state == "resolved" else [])])


def _describe_condition(alert: PriceAlert) -> str:
    """Return the condition of an alert that has no terms, because an earlier version raised it."""
    threshold = [] if alert.threshold is None else [format_price(alert.threshold)]
    return " ".join([alert.condition.replace("_", " "), *threshold])


def _describe_price(alert: PriceAlert) -> str:
    return "without a price" if alert.price is None else f"at {format_price(alert.price)}"


def _print_lines(lines: Sequence[str]) -> None:
    print_lines(*lines)


@contextmanager
def _open(_settings: Settings) -> Iterator[Handler]:
    yield _print_lines


tail = Consumer("tail", (EVERYTHING,), _open, decode=describe, transient=True)
