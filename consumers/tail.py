"""The tail consumer: prints events of any pattern as they pass, on a queue of its own that goes with it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from shared.errors import InvalidEvent
from shared.events import Event, StockData, decode_event
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.messages import Delivery
from shared.messaging.topology import EVERYTHING
from shared.prices import format_price
from shared.settings import Settings
from shared.times import format_instant

_MAX_SHOWN = 200


def describe(delivery: Delivery, now: datetime) -> str:
    """One line about a delivery, whatever is in it."""
    try:
        event = decode_event(delivery.body, now)
    except InvalidEvent as error:
        shown = delivery.body[:_MAX_SHOWN].decode(errors="replace")
        return f"{delivery.routing_key}  invalid ({error}): {shown!r}"
    return f"{delivery.routing_key}  {describe_event(event)}"


def describe_event(event: Event) -> str:
    """A price, or an alert, for people."""
    price = format_price(event.price)
    as_of = format_instant(event.as_of)
    if isinstance(event, StockData):
        money = " ".join(filter(None, (price, event.currency)))
        return f"{event.symbol} {money} as of {as_of} ({event.provider})"
    condition = f"{event.condition.replace('_', ' ')} {format_price(event.threshold)}"
    return f"ALERT {event.rule_name}: {event.symbol} {condition}, at {price} as of {as_of}"


def _print_lines(lines: Sequence[str]) -> None:
    print("\n".join(lines), flush=True)


@contextmanager
def _open(_settings: Settings) -> Iterator[Handler]:
    yield _print_lines


tail = Consumer("tail", (EVERYTHING,), _open, decode=describe, transient=True)
