"""Yahoo Finance, unofficial and without a key: one chart per symbol for a few symbols, sparks of 20 symbols for many.

There is no documentation. Sources of the answers' fields: https://github.com/ranaroussi/yfinance and
https://github.com/gadicc/yahoo-finance2. Source of the suffixes: https://help.yahoo.com/kb/SLN2310.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from producer.providers.base import Interval, Quote, QuoteResults
from producer.providers.http.apis.base import HistoryRequest, Json, QuoteRequest, RequestAuth, in_batches
from producer.providers.http.apis.float32 import round_float32
from producer.providers.http.parsing import (
    read_bars,
    read_currency,
    read_epoch,
    read_list,
    read_object,
    read_optional_price,
    read_price,
    read_quote,
    read_volume,
    truncate,
)
from producer.providers.http.provider_errors import rate_limited
from shared.accounts import Account
from shared.errors import InvalidResponse, NoPrices, ProviderError, ProviderUnavailable, UnknownSymbol
from shared.times import from_micros, to_micros

# Yahoo rejects requests that do not look like a browser.
_USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
_TODAY = {"range": "1d", "interval": "5m"}
_REGULAR = {"includePrePost": "false", "events": "div,splits"}

# A dot before one of these suffixes separates the exchange. Any other dot, as in BRK.B, is a dash at Yahoo.
_SUFFIXES = """
    AE AS AT AX BA BD BE BK BM BO BR CA CBT CL CME CMX CN CO CR DE DU F HA HE HK HM IC IL IR IS JK JO KL KQ KS KW L LS
    MC ME MI MU MX NE NS NX NYB NYM NZ OL PA PR PS QA RG RO SA SAU SG SI SN SR SS ST SW SZ T TA TI TL TO TW TWO V VI
    VN VS WA XA XC XD
"""
_EXCHANGES = frozenset(_SUFFIXES.split())


@dataclass(frozen=True)
class Yahoo:
    name: ClassVar[str] = "yahoo"
    display_name: ClassVar[str] = "Yahoo Finance"
    batch_size: ClassVar[int] = 20
    credit_per_symbol: ClassVar[bool] = False
    requests_per_second: ClassVar[float | None] = None

    def authenticate(self, account: Account) -> RequestAuth:  # noqa: ARG002
        return RequestAuth(headers={"User-Agent": _USER_AGENT, "Accept": "application/json"})

    def quote_requests(self, symbols: Sequence[str], at: datetime) -> Sequence[QuoteRequest]:
        """Return charts, which have more fields, for up to one batch of symbols, and sparks for more symbols."""
        charts = [_chart_request(each, at) for each in symbols]
        if len(charts) <= self.batch_size:
            return charts
        return [_spark_request(each, at) for each in in_batches(charts, self.batch_size)]

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:  # noqa: ARG002
        """Read an error in the envelope of the requested kind, or of a gateway. Its code is a status in words."""
        errors = (_nested(answer, envelope, "error") for envelope in ("chart", "spark", "finance"))
        error = next((each for each in errors if each), None)
        if error is None:
            return None
        code = _nested(error, "code")
        message = truncate(_nested(error, "description") or code or error)
        if message.startswith("Data doesn't exist"):
            return NoPrices(message)
        if code in ("Not Found", "Unprocessable Entity"):
            return UnknownSymbol(message)
        if code == "Too Many Requests":
            return rate_limited(message, now)
        return InvalidResponse(message) if code == "Bad Request" else ProviderUnavailable(message)

    def max_range(self, interval: Interval) -> timedelta:
        """Return the longest range. Five-minute bars are kept for 60 days, daily bars without a limit."""
        return timedelta(days=3650 if interval is Interval.DAY else 59)

    def history_request(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> HistoryRequest:
        # The times select bars by their beginning, which is up to a day away from midnight UTC for a daily bar.
        later = interval.length if interval is Interval.DAY else timedelta()
        first, last = (max(0, to_micros(each) // 10**6) for each in (since - interval.length, until + later))
        query = {"period1": str(first), "period2": str(last), "interval": interval.value, **_REGULAR}
        return HistoryRequest(_chart_path(symbol), query, partial(_read_history, yahoo_symbol(symbol), interval))


def yahoo_symbol(symbol: str) -> str:
    """Return the symbol in Yahoo's spelling."""
    name, dot, suffix = symbol.rpartition(".")
    return f"{name.replace('.', '-')}.{suffix}" if dot and suffix in _EXCHANGES else symbol.replace(".", "-")


def _chart_path(symbol: str) -> str:
    return f"/v8/finance/chart/{quote(yahoo_symbol(symbol), safe='')}"


def _chart_request(symbol: str, at: datetime) -> QuoteRequest:
    return QuoteRequest(_chart_path(symbol), {**_TODAY, **_REGULAR}, partial(_read_chart, symbol, at), [symbol])


def _spark_request(charts: Sequence[QuoteRequest], at: datetime) -> QuoteRequest:
    symbols = [symbol for chart in charts for symbol in chart.symbols]
    query = {"symbols": ",".join(map(yahoo_symbol, symbols)), **_TODAY}
    return QuoteRequest("/v8/finance/spark", query, partial(_read_sparks, symbols, at), symbols, fallback=charts)


def _read_chart(symbol: str, at: datetime, answer: Json) -> QuoteResults:
    chart = read_object(_nested(answer, "chart", "result", 0), "chart's result")
    return {symbol: read_quote(partial(_read_today, yahoo_symbol(symbol), at), chart)}


def _read_today(yahoo_name: str, at: datetime, chart: Json) -> Quote:
    """Read the current price from the `meta` of a chart; `currentTradingPeriod` has the market's hours of today."""
    meta = _read_meta(yahoo_name, chart)
    decimals = meta.get("priceHint")
    opens = _nested(chart, "indicators", "quote", 0, "open")
    delay = meta.get("exchangeDataDelayedBy")
    return Quote(
        price=read_price(round_float32(meta.get("regularMarketPrice"), decimals)),
        as_of=read_epoch(meta.get("regularMarketTime")),
        currency=read_currency(meta.get("currency")),
        volume=read_volume(meta.get("regularMarketVolume")),
        open=_first_price(decimals, *opens) if isinstance(opens, list) else None,
        high=_first_price(decimals, meta.get("regularMarketDayHigh")),
        low=_first_price(decimals, meta.get("regularMarketDayLow")),
        previous_close=_first_price(decimals, meta.get("previousClose"), meta.get("chartPreviousClose")),
        market_state=_read_state(meta, to_micros(at) // 10**6),
        delayed=delay > 0 if isinstance(delay, int) else None,
    )


def _read_sparks(symbols: Sequence[str], at: datetime, answer: Json) -> QuoteResults:
    """Read sparks, an object per symbol or a list. Unknown symbols are missing."""
    sparks: Mapping[str, Any] = read_object(answer)
    if "spark" in sparks:
        results = read_list(_nested(answer, "spark", "result"), "spark's result")
        sparks = {str(_nested(each, "symbol")): _nested(each, "response", 0) for each in results}
    names = {symbol: yahoo_symbol(symbol) for symbol in symbols}
    if not any(name in sparks for name in names.values()):
        raise InvalidResponse("the answer has none of the symbols")
    unknown = UnknownSymbol("the answer does not have it")
    return {
        symbol: read_quote(partial(_read_spark, name, at), sparks[name]) if name in sparks else unknown
        for symbol, name in names.items()
    }


def _read_spark(yahoo_name: str, at: datetime, spark: Json) -> Quote:
    """Read a spark: a small chart, or only its columns. Prices are rounded; the last time is that of the last trade."""
    part = read_object(spark, "spark")
    if "meta" in part:
        return _read_today(yahoo_name, at, part)
    _check_symbol(yahoo_name, part)
    moments, closes = (read_list(part.get(name), name) for name in ("timestamp", "close"))
    if len(moments) != len(closes):
        raise InvalidResponse(f"the answer has {len(closes)} prices for {len(moments)} times")
    traded = [(moment, close) for moment, close in zip(moments, closes, strict=True) if close is not None]
    moment, close = traded[-1] if traded else (None, None)
    previous = _first_price(None, part.get("previousClose"), part.get("chartPreviousClose"))
    return Quote(price=read_price(close), as_of=read_epoch(moment), previous_close=previous)


def _read_history(yahoo_name: str, interval: Interval, answer: Json) -> Sequence[Quote]:
    """Read a chart's columns. A value is null without trading, and the columns are missing without any trading."""
    chart = read_object(_nested(answer, "chart", "result", 0), "chart's result")
    meta = _read_meta(yahoo_name, chart)
    if chart.get("timestamp") is None:
        return []
    names = ("close", "open", "high", "low", "volume")
    table = read_object(_nested(chart, "indicators", "quote", 0), "quote")
    columns = [read_list(chart["timestamp"], "timestamp"), *(read_list(table.get(name), name) for name in names)]
    if len({len(column) for column in columns}) > 1:
        raise InvalidResponse("the columns have different lengths")
    traded = [(read_epoch(start), *row) for start, *row in zip(*columns, strict=True) if row[0] is not None]
    return read_bars(partial(_read_bar, meta, interval), [row for row in traded if _has_ended(meta, interval, row[0])])


def _read_bar(meta: Mapping[str, Any], interval: Interval, row: tuple[Any, ...]) -> Quote:
    start, close, opened, high, low, volume = row
    decimals = meta.get("priceHint")
    return Quote(
        price=read_price(round_float32(close, decimals)),
        as_of=_midnight(meta, start) if interval is Interval.DAY else start + interval.length,
        currency=read_currency(meta.get("currency")),
        volume=read_volume(volume),
        open=_first_price(decimals, opened),
        high=_first_price(decimals, high),
        low=_first_price(decimals, low),
    )


def _has_ended(meta: Mapping[str, Any], interval: Interval, start: datetime) -> bool:
    """Return True if the bar had ended at the time of the last trade that Yahoo knows."""
    now = read_epoch(meta.get("regularMarketTime"))
    if interval is not Interval.DAY:
        return start + interval.length <= now
    session = _read_period(meta, "regular")
    if session is None:
        return _midnight(meta, start) < _midnight(meta, now)
    today = _midnight(meta, read_epoch(session.start))
    return _midnight(meta, start) < today or to_micros(now) // 10**6 >= session.stop


def _midnight(meta: Mapping[str, Any], moment: datetime) -> datetime:
    """Return midnight UTC of the exchange's date at that moment."""
    offset = meta.get("gmtoffset")
    if not isinstance(offset, int) or abs(offset) > 86_400:
        raise InvalidResponse("the UTC offset of the exchange is missing")
    # This is the current offset. The offset in the other half of the year may be an hour more.
    days = (to_micros(moment) // 10**6 + offset + 3_600) // 86_400
    return from_micros(days * 86_400 * 10**6)


def _read_meta(yahoo_name: str, chart: Json) -> Mapping[str, Any]:
    meta = read_object(_nested(chart, "meta"), "meta")
    _check_symbol(yahoo_name, meta)
    return meta


def _check_symbol(yahoo_name: str, part: Mapping[str, Any]) -> None:
    if part.get("symbol", yahoo_name) != yahoo_name:
        raise InvalidResponse(f"the answer has {truncate(part.get('symbol'))!r} instead of {yahoo_name!r}")


def _read_state(meta: Mapping[str, Any], second: int) -> str | None:
    periods = {
        state: _read_period(meta, name) for name, state in (("pre", "pre"), ("regular", "open"), ("post", "post"))
    }
    if periods["open"] is None:
        return None
    return next((state for state, period in periods.items() if period is not None and second in period), "closed")


def _read_period(meta: Mapping[str, Any], name: str) -> range | None:
    """Return the seconds since 1970 of the period `pre`, `regular` or `post`."""
    start, end = (_nested(meta, "currentTradingPeriod", name, side) for side in ("start", "end"))
    return range(start, end) if isinstance(start, int) and isinstance(end, int) else None


def _first_price(decimals: Json, *values: Json) -> Decimal | None:
    prices = (read_optional_price(round_float32(each, decimals)) for each in values)
    return next((price for price in prices if price is not None), None)


def _nested(value: Json, *path: str | int) -> Json:
    """Return the value at this path of names and indices, or None."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        else:
            value = value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None
    return value
