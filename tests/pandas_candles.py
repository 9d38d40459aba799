"""Candles as pandas makes them of prices of one symbol, in the form in which our candles are written."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

import pytest

from shared.events import StockData
from shared.prices import format_price, from_float
from shared.times import format_instant

_COLUMNS = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "samples": "sum"}


def candles_of_quotes(quotes: Sequence[StockData], rule: str, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """Return the candles of quotes in the spans of a rule of pandas, such as `1h`. Skip the test without pandas."""
    pandas = _import_pandas()
    index = pandas.DatetimeIndex([quote.as_of for quote in quotes]).tz_convert(zone)
    spans = pandas.Series([float(quote.price) for quote in quotes], index=index).resample(
        rule, label="left", closed="left"
    )
    frame = spans.ohlc()
    frame["samples"] = spans.count()
    frame["volume"] = None
    return _rows(quotes[0].symbol, frame)


def candles_of_daily_bars(bars: Sequence[StockData], rule: str, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """Return the candles of daily bars in the spans of a rule of pandas, such as `MS`. Skip the test without pandas."""
    pandas = _import_pandas()
    # A bar belongs to its trading date, so its date is placed in the zone as it is.
    index = pandas.DatetimeIndex([bar.as_of.replace(tzinfo=None) for bar in bars]).tz_localize(zone)
    columns = {name: [float(getattr(bar, name)) for bar in bars] for name in ("open", "high", "low")}
    frame = pandas.DataFrame({**columns, "close": [float(bar.price) for bar in bars]}, index=index)
    frame["volume"] = [bar.volume for bar in bars]
    frame["samples"] = 1
    return _rows(bars[0].symbol, frame.resample(rule, label="left", closed="left").agg(_COLUMNS))


def _import_pandas() -> Any:
    return pytest.importorskip("pandas", reason="pandas comes with requirements-market.txt")


def _rows(symbol: str, frame: Any) -> list[dict[str, Any]]:
    found = []
    for start, row in frame[frame["samples"] > 0].iterrows():
        prices = {name: format_price(from_float(float(row[name]))) for name in ("open", "high", "low", "close")}
        volume = None if row["volume"] is None else int(row["volume"])
        moment = format_instant(start.to_pydatetime())
        found.append({"symbol": symbol, "start": moment, **prices, "volume": volume, "samples": int(row["samples"])})
    return found
