"""Alpha Vantage: the last day's quote of one symbol a call, or a hundred in real time where the plan has that.

Source: https://www.alphavantage.co/documentation/
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import ClassVar
from zoneinfo import ZoneInfo

from producer.providers.base import Interval, Quote, QuoteResults
from producer.providers.http.apis.base import HistoryRequest, Json, QuoteRequest, RequestAuth, in_batches
from producer.providers.http.parsing import (
    midnight,
    read_bars,
    read_first_price,
    read_list,
    read_local_time,
    read_object,
    read_optional_price,
    read_price,
    read_quote,
    read_volume,
    truncate,
)
from producer.providers.http.responses import authentication_failed, find_message, rate_limited
from shared.accounts import Account
from shared.errors import InvalidResponse, ProviderError, UnknownSymbol

# The plans from here on have market data in real time, and bulk quotes with it.
_REALTIME = 600
# Free plans have had 25 and, before, 500 calls a day; no other plan has a limit a day.
_FREE = 500
_ZONE = "America/New_York"
_OPENING, _CLOSING = time(9, 30), time(16)
# What a plan with a limit a day gives of past days; the others give all in one answer.
_COMPACT = 100
_EVERYTHING = timedelta(days=36_500)
_SAYINGS = ("Information", "Note", "Error Message")
_REFUSED = re.compile("apikey is invalid|claim your free api key", re.IGNORECASE)
_NOT_IN_PLAN = re.compile(r"\bis a premium\b", re.IGNORECASE)
_OF_A_MOMENT = re.compile("per second|per minute|spreading out", re.IGNORECASE)
_OF_A_DAY = re.compile(r"\b(?:per day|daily)\b", re.IGNORECASE)
_UNKNOWN = "Invalid API call"
_CLASS = re.compile(r"\.([A-Z])$")


@dataclass(frozen=True)
class AlphaVantage:
    """`plan` is the account, by whose limits it is known what the plan includes."""

    name: ClassVar[str] = "alphavantage"
    credit_per_symbol: ClassVar[bool] = False

    plan: Account

    @property
    def has_bulk_quotes(self) -> bool:
        per_minute = self.plan.per_minute
        return not self.is_free and (per_minute is None or per_minute >= _REALTIME)

    @property
    def is_free(self) -> bool:
        return self.plan.per_day is not None and self.plan.per_day <= _FREE

    @property
    def batch_size(self) -> int:
        return 100 if self.has_bulk_quotes else 1

    @property
    def requests_per_second(self) -> float | None:
        return 1 if self.is_free else None

    def authenticate(self, account: Account) -> RequestAuth:
        return RequestAuth(query={"apikey": account.key})

    def quote_requests(self, symbols: Sequence[str], at: datetime) -> Sequence[QuoteRequest]:  # noqa: ARG002
        """In bulk, or one by one, which is also what is done where the plan turns out to have no bulk quotes."""
        single = [
            QuoteRequest("/query", _query("GLOBAL_QUOTE", each), [each], partial(_read_one, each)) for each in symbols
        ]
        if not self.has_bulk_quotes:
            return single
        return [_bulk_call(each) for each in in_batches(single, self.batch_size)]

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:  # noqa: ARG002
        """Every failure comes under 200, as a sentence."""
        words = find_message({name: answer.get(name) for name in _SAYINGS}) if isinstance(answer, Mapping) else ""
        if not words:
            return None
        if _REFUSED.search(words):
            return authentication_failed(self.name, words)
        if _NOT_IN_PLAN.search(words):
            return UnknownSymbol(words)
        if "Error Message" in answer:
            return UnknownSymbol(f"is not known: {words}") if words.startswith(_UNKNOWN) else InvalidResponse(words)
        # What is said of bursts names the day's limit besides.
        return rate_limited(words, now, whole_day=bool(_OF_A_DAY.search(words)) and not _OF_A_MOMENT.search(words))

    def max_range(self, interval: Interval) -> timedelta:
        if interval is not Interval.DAY:
            raise ProviderError("has prices five minutes apart by calendar month only: ask for whole days (1d)")
        return _EVERYTHING

    def history_request(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> HistoryRequest:  # noqa: ARG002
        """As traded, like the live prices."""
        self.max_range(interval)
        query = {**_query("TIME_SERIES_DAILY", symbol), "outputsize": "compact" if self.is_free else "full"}
        return HistoryRequest("/query", query, partial(_read_days, symbol, since if self.is_free else None))


def _bulk_call(single: Sequence[QuoteRequest]) -> QuoteRequest:
    symbols = [symbol for call in single for symbol in call.symbols]
    query = _query("REALTIME_BULK_QUOTES", *symbols)
    return QuoteRequest("/query", query, symbols, partial(_read_bulk, symbols), fallback=single)


def _query(function: str, *symbols: str) -> dict[str, str]:
    return {"function": function, "symbol": ",".join(map(_vendor_symbol, symbols))}


def _vendor_symbol(symbol: str) -> str:
    """A class of shares stands behind a dash (BRK-B), an exchange behind a dot (TSCO.LON)."""
    return _CLASS.sub(r"-\1", symbol)


def _read_one(symbol: str, answer: Json) -> QuoteResults:
    return {symbol: read_quote(partial(_read_quote, symbol), answer)}


def _read_quote(symbol: str, answer: Json) -> Quote:
    """All of it is text; of a symbol that is unknown there is nothing."""
    quote = _without_numbers(read_object(answer).get("Global Quote"))
    if not quote:
        raise UnknownSymbol("is not known: its quote is empty")
    _check_symbol(quote.get("symbol"), symbol)
    as_of = midnight(quote.get("latest_trading_day"), "latest trading day")
    return _make_quote(read_price(quote.get("price")), as_of, quote)


def _read_bulk(symbols: Sequence[str], answer: Json) -> QuoteResults:
    """Whoever's plan has no bulk quotes gets made-up ones, with another message than `success`."""
    bulk = read_object(answer)
    if bulk.get("message", "success") != "success":
        raise UnknownSymbol(f"gives no bulk quotes: {truncate(bulk.get('message'))}")
    rows = [read_object(row, "quote") for row in read_list(bulk.get("data"), "data")]
    by_name = {_vendor_symbol(str(row.get("symbol"))): row for row in rows}
    return {
        each: read_quote(_read_row, by_name[_vendor_symbol(each)])
        for each in symbols
        if _vendor_symbol(each) in by_name
    }


def _read_row(answer: Json) -> Quote:
    """The last price at `timestamp`, New York time, which outside of trading hours is not that of `close`."""
    row = _without_numbers(answer)
    zone = ZoneInfo(_ZONE)
    as_of = read_local_time(row.get("timestamp"), zone)
    prices = [row.get("close")]
    if not _OPENING <= as_of.astimezone(zone).time() < _CLOSING:
        prices.insert(0, row.get("extended_hours_quote"))
    return _make_quote(read_first_price(prices), as_of, row)


def _read_days(symbol: str, since: datetime | None, answer: Json) -> Sequence[Quote]:
    """`since` is given where only the last days are had: what lies before them is missing, and not without trading."""
    series = read_object(answer)
    _check_symbol(read_object(series.get("Meta Data"), "meta data").get("2. Symbol"), symbol)
    days = read_object(series.get("Time Series (Daily)"), "time series")
    quotes = read_bars(_read_day, days.items())
    first = min((quote.as_of for quote in quotes), default=None)
    if since and first and since < first and len(days) >= _COMPACT:
        raise UnknownSymbol(f"has, on the free plan, the last {_COMPACT} days only: begin with {first:%Y-%m-%d}")
    return quotes


def _read_day(item: tuple[str, Json]) -> Quote:
    bar = _without_numbers(item[1])
    return _make_quote(read_price(bar.get("close")), midnight(item[0]), bar)


def _make_quote(price: Decimal, as_of: datetime, fields: Mapping[str, Json]) -> Quote:
    return Quote(
        price=price,
        as_of=as_of,
        volume=read_volume(fields.get("volume")),
        open=read_optional_price(fields.get("open")),
        high=read_optional_price(fields.get("high")),
        low=read_optional_price(fields.get("low")),
        previous_close=read_optional_price(fields.get("previous_close")),
    )


def _without_numbers(answer: Json) -> dict[str, Json]:
    """Fields by their bare names: `08. previous close` is previous_close."""
    fields = read_object(answer, "quote")
    return {name.rpartition(". ")[2].replace(" ", "_"): value for name, value in fields.items()}


def _check_symbol(said: Json, symbol: str) -> None:
    if said is not None and _vendor_symbol(str(said)) != _vendor_symbol(symbol):
        raise InvalidResponse(f"answers with another symbol: {truncate(said, 40)!r}")
