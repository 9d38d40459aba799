"""A fake Massive: a snapshot of any known symbols, past bars, and one valid key."""

import time
from collections.abc import Mapping
from typing import Any

from tests.fake_http_server import Answer, Request

KEY = "test-key"
_SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"
_BARS = "/v2/aggs/ticker/"
_DAY = 86_400


def answer(request: Request, prices: Mapping[str, str]) -> Answer:
    """Return the answer; all past bars, of weekdays or of five minutes in their sessions, have the current price."""
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return Answer({"status": "ERROR", "request_id": "2e5b", "error": "Unknown API Key"}, 401)
    if request.path == _SNAPSHOT:
        wanted = [symbol for symbol in request.query["tickers"].split(",") if symbol in prices]
        tickers = [_ticker(symbol, float(prices[symbol])) for symbol in wanted]
        return Answer({"status": "OK", "request_id": "6a7e", "count": len(tickers), "tickers": tickers})
    if request.path.startswith(_BARS):
        return _bars(request.path.removeprefix(_BARS), prices)
    return Answer({"status": "NOT_FOUND", "request_id": "1a2b", "message": "Not found."}, 404)


def _ticker(symbol: str, price: float) -> dict[str, Any]:
    now = int(time.time()) * 10**9
    day = {"o": price, "h": price, "l": price, "c": price, "v": 1_000_000}
    return {"ticker": symbol, "updated": now, "day": day, "prevDay": day, "lastTrade": {"p": price, "s": 100, "t": now}}


def _bars(path: str, prices: Mapping[str, str]) -> Answer:
    """Return the bars for a path TICKER/range/MULTIPLIER/TIMESPAN/FROM/TO, with times in milliseconds."""
    symbol, _, _, span, first, last = path.split("/")
    length = _DAY if span == "day" else 300
    # Midnight in New York in winter time, and a session there.
    of_day = range(18_000, 18_001) if span == "day" else range(52_200, 75_600, length)
    midnights = range(int(first) // 1000 // _DAY * _DAY, int(last) // 1000 + 1, _DAY)
    open_days = [midnight for midnight in midnights if (midnight // _DAY + 3) % 7 < 5]
    starts = [(day + second) * 1000 for day in open_days for second in of_day] if symbol in prices else []
    price = float(prices.get(symbol, "0"))
    bar = {"o": price, "h": price, "l": price, "c": price, "v": 1_000}
    results = [{**bar, "t": start} for start in starts if int(first) <= start <= int(last)]
    found = {"results": results} if results else {}
    return Answer({"ticker": symbol, "status": "OK", "adjusted": False, "resultsCount": len(results), **found})
