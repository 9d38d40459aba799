"""The two events, STOCK_DATA and PRICE_ALERT: what a consumer receives and what goes on the wire."""

from shared.events.models import (
    CLOCK_TOLERANCE,
    Event,
    PriceAlert,
    StockData,
    decode_event,
    price_alert_id,
    stock_data_id,
)

__all__ = [
    "CLOCK_TOLERANCE",
    "Event",
    "PriceAlert",
    "StockData",
    "decode_event",
    "price_alert_id",
    "stock_data_id",
]
