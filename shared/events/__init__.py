"""The two events, STOCK_DATA and PRICE_ALERT: what a consumer receives and what goes on the wire."""

from shared.events.envelope import CLOCK_TOLERANCE, CONTENT_TYPE, MAX_BODY
from shared.events.event_types import Event, decode_event
from shared.events.price_alert import ALERT_FIELDS, PriceAlert, price_alert_id
from shared.events.stock_data import StockData, stock_data_id

__all__ = [
    "ALERT_FIELDS",
    "CLOCK_TOLERANCE",
    "CONTENT_TYPE",
    "MAX_BODY",
    "Event",
    "PriceAlert",
    "StockData",
    "decode_event",
    "price_alert_id",
    "stock_data_id",
]
