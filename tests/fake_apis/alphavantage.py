"""A fake Alpha Vantage: quotes of today, bulk quotes of the current second, and 200 past days."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.times import utc_now
from tests.fake_http_server import Answer, Request

KEY = "test-key"

_CLAIM = "Please claim your free API key on (https://www.alphavantage.co/support/#api-key)."
_INVALID = "Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/)"


def answer(request: Request, prices: Mapping[str, str]) -> Answer:
    """Return the answer for these prices by our spelling of the symbols. Other symbols and other keys are unknown."""
    if request.query.get("apikey") != KEY:
        return Answer({"Error Message": f"the parameter apikey is invalid or missing. {_CLAIM}"})
    known = {symbol.replace(".", "-"): price for symbol, price in prices.items()}
    functions = {"GLOBAL_QUOTE": _global_quote, "REALTIME_BULK_QUOTES": _bulk_quotes, "TIME_SERIES_DAILY": _days}
    return Answer(functions[request.query["function"]](request.query, known))


def _global_quote(query: Mapping[str, str], prices: Mapping[str, str]) -> dict[str, Any]:
    symbol = query["symbol"]
    if symbol not in prices:
        return {"Global Quote": {}}
    return {
        "Global Quote": {
            "01. symbol": symbol,
            "02. open": prices[symbol],
            "03. high": prices[symbol],
            "04. low": prices[symbol],
            "05. price": prices[symbol],
            "06. volume": "1000",
            "07. latest trading day": f"{utc_now():%Y-%m-%d}",
            "08. previous close": prices[symbol],
            "09. change": "0.0000",
            "10. change percent": "0.0000%",
        }
    }


def _bulk_quotes(query: Mapping[str, str], prices: Mapping[str, str]) -> dict[str, Any]:
    time = utc_now().astimezone(ZoneInfo("America/New_York"))
    known = [symbol for symbol in query["symbol"].split(",") if symbol in prices]
    rows = [
        {
            "symbol": symbol,
            "timestamp": f"{time:%Y-%m-%d %H:%M:%S}",
            **dict.fromkeys(("open", "high", "low", "close", "previous_close"), prices[symbol]),
            "volume": "1000",
            "extended_hours_quote": prices[symbol],
        }
        for symbol in known
    ]
    return {"endpoint": "Realtime Bulk Quotes", "message": "success", "data": rows}


def _days(query: Mapping[str, str], prices: Mapping[str, str]) -> dict[str, Any]:
    symbol = query["symbol"]
    if symbol not in prices:
        return {"Error Message": f"{_INVALID} for TIME_SERIES_DAILY."}
    price = prices[symbol]
    bar = {"1. open": price, "2. high": price, "3. low": price, "4. close": price, "5. volume": "1000"}
    count = 100 if query["outputsize"] == "compact" else 200
    days = {f"{utc_now() - timedelta(days=ago):%Y-%m-%d}": bar for ago in range(count)}
    return {"Meta Data": {"2. Symbol": symbol, "5. Time Zone": "US/Eastern"}, "Time Series (Daily)": days}
