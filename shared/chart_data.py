"""The data of a chart, in a terminal or as a picture: points of a line, and candles."""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Protocol

Point = tuple[datetime, Decimal]


class Candlestick(Protocol):
    """A candle to draw. A picture shows the volume too."""

    @property
    def start(self) -> datetime: ...
    @property
    def open(self) -> Decimal: ...
    @property
    def high(self) -> Decimal: ...
    @property
    def low(self) -> Decimal: ...
    @property
    def close(self) -> Decimal: ...
    @property
    def volume(self) -> int | None: ...


def zone_name(zone: tzinfo) -> str:
    """Return the name of a time zone as a chart shows it."""
    return "UTC" if zone is UTC else str(zone)
