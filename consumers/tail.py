"""The consumer `tail`: print events of any routing pattern; its queue is deleted when the process ends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from shared.cli.output import print_lines
from shared.errors import InvalidEvent
from shared.events import Event, StockData, decode_event
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
    """Return a price or an alert as readable text."""
    price = format_price(event.price)
    as_of = format_instant(event.as_of)
    if isinstance(event, StockData):
        money = " ".join(filter(None, (price, event.currency)))
        return f"{event.symbol} {money} as of {as_of} ({event.provider})"
    condition = f"{event.condition.replace('_', ' ')} {format_price(event.threshold)}"
    return f"ALERT {event.rule_name}: {event.symbol} {condition}, at {price} as of {as_of}"


def _print_lines(lines: Sequence[str]) -> None:
    print_lines(*lines)


@contextmanager
def _open(_settings: Settings) -> Iterator[Handler]:
    yield _print_lines


tail = Consumer("tail", (EVERYTHING,), _open, decode=describe, transient=True)
