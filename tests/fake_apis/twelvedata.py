"""A fake Twelve Data: quotes of the current second, and past bars for any time range."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.times import utc_now
from tests.fake_http_server import Answer, Request

KEY = "test-key"

_STEPS = {"5min": timedelta(minutes=5), "1day": timedelta(days=1)}


def answer(request: Request, prices: Mapping[str, str]) -> Answer:
    """Return the answer for these prices by symbol. Other symbols and other keys are unknown."""
    if not _has_key(request.headers):
        return _as_answer(_error(401, "apikey parameter is incorrect or not specified."))
    symbols = request.query["symbol"].split(",")
    if request.path == "/time_series":
        return _as_answer(_series(request.query, prices))
    quotes = {symbol: _quote(symbol, prices) for symbol in symbols}
    return Answer(quotes) if len(symbols) > 1 else _as_answer(quotes[symbols[0]])


def _has_key(headers: Mapping[str, str]) -> bool:
    if headers["host"].endswith(".rapidapi.com"):
        return headers.get("x-rapidapi-key") == KEY and headers.get("x-rapidapi-host") == headers["host"]
    return headers.get("authorization") == f"apikey {KEY}"


def _quote(symbol: str, prices: Mapping[str, str]) -> dict[str, Any]:
    if symbol not in prices:
        return _unknown(symbol)
    now = int(utc_now().timestamp())
    return {
        "symbol": symbol.partition(":")[0],
        "name": f"{symbol} Inc.",
        "exchange": "NASDAQ",
        "mic_code": "XNGS",
        "currency": "USD",
        "datetime": f"{utc_now():%Y-%m-%d}",
        "timestamp": now - 3600,
        "last_quote_at": now,
        **_bar(prices[symbol]),
        "previous_close": prices[symbol],
        "is_market_open": True,
    }


def _series(query: Mapping[str, str], prices: Mapping[str, str]) -> dict[str, Any]:
    """Return bars around the clock, each with the current price."""
    symbol, interval = query["symbol"], query["interval"]
    if symbol not in prices:
        return _unknown(symbol)
    step = _STEPS[interval]
    form = "%Y-%m-%d" if interval == "1day" else "%Y-%m-%d %H:%M:%S"
    time = _round_up(_read_time(query["start_date"]), step)
    last = min(_read_time(query["end_date"]), utc_now())
    bars = []
    while time <= last and len(bars) < int(query["outputsize"]):
        bars.append({"datetime": time.strftime(form), **_bar(prices[symbol])})
        time += step
    if not bars:
        return _error(400, "No data is available on the specified dates. Try setting different start/end dates.")
    meta = {"symbol": symbol.partition(":")[0], "interval": interval, "currency": "USD"}
    return {"meta": meta, "values": bars, "status": "ok"}


def _bar(price: str) -> dict[str, str]:
    return {"open": price, "high": price, "low": price, "close": price, "volume": "1000"}


def _read_time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _round_up(time: datetime, step: timedelta) -> datetime:
    return time + (datetime.min.replace(tzinfo=UTC) - time) % step


def _unknown(symbol: str) -> dict[str, Any]:
    return _error(404, f"**symbol** not found: {symbol}. Please specify it correctly according to API Documentation.")


def _error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "status": "error"}


def _as_answer(body: dict[str, Any]) -> Answer:
    return Answer(body, body["code"] if body.get("status") == "error" else 200)
