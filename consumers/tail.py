"""The tail consumer: prints events of any pattern as they pass, on a queue of its own that goes with it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from shared.errors import InvalidEvent
from shared.events import PriceAlert, StockData, decode_event
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.message import Delivery
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
    return (
        f"{delivery.routing_key}  {_describe_price(event) if isinstance(event, StockData) else _describe_alert(event)}"
    )


def _describe_price(event: StockData) -> str:
    price = " ".join(filter(None, (format_price(event.price), event.currency)))
    return f"{event.symbol} {price}  as of {format_instant(event.as_of)}  {event.provider}"


def _describe_alert(alert: PriceAlert) -> str:
    words = alert.condition.replace("_", " ")
    return (
        f"ALERT {alert.rule_name}: {alert.symbol} {format_price(alert.price)} {words} {format_price(alert.threshold)}"
        f"  as of {format_instant(alert.as_of)}"
    )


def _print_lines(lines: Sequence[str]) -> None:
    print("\n".join(lines), flush=True)


@contextmanager
def _open(_settings: Settings) -> Iterator[Handler]:
    yield _print_lines


tail = Consumer("tail", (EVERYTHING,), _open, decode=describe, transient=True)
