"""The two events, STOCK_DATA and PRICE_ALERT: what a consumer receives and what goes on the wire."""

from shared.events.models import (
    ALERT_FIELDS,
    CLOCK_TOLERANCE,
    CONTENT_TYPE,
    Event,
    PriceAlert,
    StockData,
    decode_event,
    price_alert_id,
    stock_data_id,
)

__all__ = [
    "ALERT_FIELDS",
    "CLOCK_TOLERANCE",
    "CONTENT_TYPE",
    "Event",
    "PriceAlert",
    "StockData",
    "decode_event",
    "price_alert_id",
    "stock_data_id",
]
