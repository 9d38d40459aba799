"""The types of events, and decoding a body of any of them."""

from collections.abc import Mapping
from datetime import datetime

from shared.errors import InvalidEvent
from shared.events.envelope import MAX_BODY
from shared.events.invalid_events import load_json
from shared.events.price_alert import PriceAlert
from shared.events.rules_held import RulesHeld
from shared.events.stock_data import StockData

Event = StockData | PriceAlert | RulesHeld

EVENT_TYPES: Mapping[str, type[StockData] | type[PriceAlert] | type[RulesHeld]] = {
    each.TYPE: each for each in (StockData, PriceAlert, RulesHeld)
}


def decode_event(body: bytes, now: datetime) -> Event:
    """Return the event in `body`. Raises InvalidEvent with the reason."""
    name = load_json(body, MAX_BODY).get("type")
    if not isinstance(name, str) or name not in EVENT_TYPES:
        raise InvalidEvent(f"type {str(name)[:40]!r} is not one of {', '.join(EVENT_TYPES)}")
    return EVENT_TYPES[name].decode(body, now)
