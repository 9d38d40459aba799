"""Yahoo's current prices: a chart of today for each symbol, or sparks, which have fewer fields, for many symbols."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from producer.providers.base import Quote, QuoteResults
from producer.providers.http.apis.base import Json
from producer.providers.http.apis.float32 import round_float32
from producer.providers.http.apis.yahoo_charts import check_symbol, find_chart, first_price, read_meta, read_period
from producer.providers.http.apis.yahoo_symbols import answered_symbol, yahoo_symbol
from producer.providers.http.parsing import find_nested, missing_symbol, read_list, read_object, read_quote
from producer.providers.http.values import read_currency, read_price, read_unix_time, read_volume
from shared.errors import InvalidResponse
from shared.times import to_micros


def read_chart(symbol: str, at: datetime, answer: Json) -> QuoteResults:
    """Read the chart of one symbol; `at` is the current time. Raises InvalidResponse if it is not a chart."""
    return {symbol: read_quote(partial(_read_today, yahoo_symbol(symbol), at), find_chart(answer))}


def read_sparks(symbols: Sequence[str], at: datetime, answer: Json) -> QuoteResults:
    """Read sparks, an object per symbol or a list. Unknown symbols are missing."""
    sparks: Mapping[str, Any] = read_object(answer)
    if "spark" in sparks:
        results = read_list(find_nested(answer, "spark", "result"), "spark's result")
        sparks = {str(find_nested(each, "symbol")): find_nested(each, "response", 0) for each in results}
    sparks = {answered_symbol(name): spark for name, spark in sparks.items()}
    names = {symbol: answered_symbol(yahoo_symbol(symbol)) for symbol in symbols}
    if not any(name in sparks for name in names.values()):
        raise InvalidResponse("the answer has none of the symbols")
    return {
        symbol: read_quote(partial(_read_spark, name, at), sparks[name])
        if name in sparks
        else missing_symbol(name, sparks)
        for symbol, name in names.items()
    }


def _read_today(yahoo_name: str, at: datetime, chart: Json) -> Quote:
    """Read the current price from the `meta` of a chart; `currentTradingPeriod` has the market's hours of today."""
    meta = read_meta(yahoo_name, chart)
    decimals = meta.get("priceHint")
    opens = find_nested(chart, "indicators", "quote", 0, "open")
    opened = next((each for each in opens if each is not None), None) if isinstance(opens, list) else None
    delay = meta.get("exchangeDataDelayedBy")
    currency = read_currency(meta.get("currency"))
    return Quote(
        price=read_price(round_float32(meta.get("regularMarketPrice"), decimals)),
        as_of=read_unix_time(meta.get("regularMarketTime")),
        currency=currency.code,
        volume=read_volume(meta.get("regularMarketVolume")),
        open=first_price(decimals, opened),
        high=first_price(decimals, meta.get("regularMarketDayHigh")),
        low=first_price(decimals, meta.get("regularMarketDayLow")),
        previous_close=first_price(decimals, meta.get("previousClose"), meta.get("chartPreviousClose")),
        market_state=_read_state(meta, to_micros(at) // 10**6),
        delayed=delay > 0 if isinstance(delay, int) else None,
        remarks=currency.remarks,
    )


def _read_spark(yahoo_name: str, at: datetime, spark: Json) -> Quote:
    """Read a spark: a small chart, or only its columns. Prices are rounded; the last time is that of the last trade."""
    part = read_object(spark, "spark")
    if "meta" in part:
        return _read_today(yahoo_name, at, part)
    check_symbol(yahoo_name, part)
    moments, closes = (read_list(part.get(name), name) for name in ("timestamp", "close"))
    if len(moments) != len(closes):
        raise InvalidResponse(f"the answer has {len(closes)} prices for {len(moments)} times")
    traded = [(moment, close) for moment, close in zip(moments, closes, strict=True) if close is not None]
    moment, close = traded[-1] if traded else (None, None)
    previous = first_price(None, part.get("previousClose"), part.get("chartPreviousClose"))
    return Quote(price=read_price(close), as_of=read_unix_time(moment), previous_close=previous)


def _read_state(meta: Mapping[str, Any], second: int) -> str | None:
    periods = {
        state: read_period(meta, name) for name, state in (("pre", "pre"), ("regular", "open"), ("post", "post"))
    }
    if periods["open"] is None:
        return None
    return next((state for state, period in periods.items() if period is not None and second in period), "closed")
