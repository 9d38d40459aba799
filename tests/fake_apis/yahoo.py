"""A fake Yahoo Finance: current charts and sparks, past charts, and the errors for unknown symbols."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from producer.providers.http.apis.yahoo_symbols import yahoo_symbol
from tests.fake_http_server import Answer, Request

_CHART = "/v8/finance/chart/"
_SPARK = "/v8/finance/spark"
_DAY = 86_400


def answer(request: Request, prices: Mapping[str, str], splits: Mapping[int, int] = MappingProxyType({})) -> Answer:
    """Return the answer for prices by our spelling of the symbols; all past bars have the same price.

    Past prices are divided by the later `splits` (new shares for one, by Unix time), of which an answer tells those of
    its time.
    """
    known = {yahoo_symbol(symbol): float(price) for symbol, price in prices.items()}
    if not request.headers.get("user-agent", "").startswith("Mozilla/5.0"):
        return Answer("Edge: Too Many Requests", 429)
    if request.path == _SPARK:
        return _spark(known, request.query["symbols"].split(","))
    if not request.path.startswith(_CHART):
        return Answer("<html><title>Not Found</title></html>", 404)
    symbol = unquote(request.path.removeprefix(_CHART))
    if symbol not in known:
        return _error("chart", "No data found, symbol may be delisted")
    starts = _starts(request.query) if "period1" in request.query else [int(time.time())]
    chart = _chart(symbol, known[symbol], starts)
    if "period1" in request.query:
        chart["events"] = {"splits": _splits_within(request.query, splits)}
    return Answer({"chart": {"result": [chart], "error": None}})


def _chart(symbol: str, price: float, starts: Sequence[int]) -> dict[str, Any]:
    column = [price] * len(starts)
    table = {"open": column, "high": column, "low": column, "close": column, "volume": [1_000] * len(starts)}
    columns = {"timestamp": list(starts), "indicators": {"quote": [table]}}
    return {"meta": _meta(symbol, price), **(columns if starts else {"indicators": {"quote": [{}]}})}


def _splits_within(query: Mapping[str, str], splits: Mapping[int, int]) -> dict[str, Any]:
    told = range(int(query["period1"]), int(query["period2"]))
    return {str(at): {"date": at, "numerator": new, "denominator": 1} for at, new in splits.items() if at in told}


def _meta(symbol: str, price: float) -> dict[str, Any]:
    now = int(time.time())
    return {
        "currency": "USD",
        "symbol": symbol,
        "regularMarketTime": now,
        "gmtoffset": -18_000,
        "regularMarketPrice": price,
        "regularMarketDayHigh": price,
        "regularMarketDayLow": price,
        "regularMarketVolume": 1_000_000,
        "chartPreviousClose": price,
        "previousClose": price,
        "priceHint": 2,
        "currentTradingPeriod": {
            "pre": {"start": now - 2 * _DAY, "end": now - _DAY},
            "regular": {"start": now - 3_600, "end": now + 3_600},
            "post": {"start": now + 3_600, "end": now + 7_200},
        },
    }


def _starts(query: Mapping[str, str]) -> list[int]:
    """Return the beginnings of bars: daily bars at 14:30 UTC, five-minute bars from then until 21:00 UTC."""
    first, last = int(query["period1"]), int(query["period2"])
    length = _DAY if query["interval"] == "1d" else 300
    of_day = range(52_200, 52_201) if length == _DAY else range(52_200, 75_600, length)
    midnights = range(first // _DAY * _DAY, last, _DAY)
    # 1 January 1970 was a Thursday.
    open_days = [midnight for midnight in midnights if (midnight // _DAY + 3) % 7 < 5]
    return [day + second for day in open_days for second in of_day if first <= day + second < last]


def _spark(known: Mapping[str, float], symbols: Sequence[str]) -> Answer:
    if len(symbols) > 20:
        return _error("spark", "Symbols exceed the maximum")
    sparks = {
        symbol: {
            "symbol": symbol,
            "timestamp": [int(time.time())],
            "close": [known[symbol]],
            "chartPreviousClose": known[symbol],
            "previousClose": None,
            "dataGranularity": 300,
        }
        for symbol in symbols
        if symbol in known
    }
    return Answer(sparks) if sparks else _error("spark", "No data found for spark symbols")


def _error(envelope: str, words: str) -> Answer:
    return Answer({envelope: {"result": None, "error": {"code": "Not Found", "description": words}}}, 404)
