"""The events STOCK_DATA, PRICE_ALERT and RULES_HELD: what a consumer receives and what goes on the wire."""

from shared.events.envelope import CLOCK_TOLERANCE, CONTENT_TYPE, MAX_BODY
from shared.events.event_types import Event, decode_event
from shared.events.price_alert import ALERT_FIELDS, PriceAlert, first_price_alert_id, price_alert_id
from shared.events.rules_held import RulesHeld
from shared.events.stock_data import StockData, stock_data_id

__all__ = [
    "ALERT_FIELDS",
    "CLOCK_TOLERANCE",
    "CONTENT_TYPE",
    "MAX_BODY",
    "Event",
    "PriceAlert",
    "RulesHeld",
    "StockData",
    "decode_event",
    "first_price_alert_id",
    "price_alert_id",
    "stock_data_id",
]
