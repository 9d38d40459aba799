"""Alpha Vantage: the last day's quote of one symbol per request, or 100 symbols in real time on plans with bulk quotes.

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

from producer.providers.base import Interval, InvalidBar, Quote, QuoteResults
from producer.providers.http.apis.base import HistoryRequest, Json, QuoteRequest, RequestAuth, in_batches
from producer.providers.http.parsing import read_bars, read_list, read_object, read_quote, truncate
from producer.providers.http.provider_errors import find_message, rate_limited
from producer.providers.http.values import (
    read_date,
    read_first_price,
    read_local_time,
    read_optional_price,
    read_price,
    read_volume,
)
from shared.accounts import Account
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, UnknownSymbol

# Requests per minute from which on a plan has real-time data, and bulk quotes with it.
_REALTIME = 600
# Free plans had 500 requests per day, and now have 25. No other plan has a limit per day.
_FREE = 500
_ZONE = "America/New_York"
_OPENING, _CLOSING = time(9, 30), time(16)
# Past days on a free plan. The other plans send all days in one answer.
_COMPACT = 100
_UNLIMITED_RANGE = timedelta(days=36_500)
_MESSAGE_FIELDS = ("Information", "Note", "Error Message")
_KEY_REJECTED = re.compile("apikey is invalid|claim your free api key", re.IGNORECASE)
_NOT_IN_PLAN = re.compile(r"\bis a premium\b", re.IGNORECASE)
_LIMIT_PER_MINUTE = re.compile("per second|per minute|spreading out", re.IGNORECASE)
_LIMIT_PER_DAY = re.compile(r"\b(?:per day|daily)\b", re.IGNORECASE)
_UNKNOWN_SYMBOL = "Invalid API call"
_SHARE_CLASS = re.compile(r"\.([A-Z])$")


@dataclass(frozen=True)
class AlphaVantage:
    """`plan` is the account: its limits tell what the plan includes."""

    name: ClassVar[str] = "alphavantage"
    display_name: ClassVar[str] = "Alpha Vantage"
    credit_per_symbol: ClassVar[bool] = False
    asks_up_to_now: ClassVar[bool] = False

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
        """Return bulk requests if the plan seems to have them, with single requests as their fallback."""
        single = [_single_request(each) for each in symbols]
        return [_bulk_request(each) for each in in_batches(single, self.batch_size)] if self.has_bulk_quotes else single

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:  # noqa: ARG002
        """Read the message: every failure has status 200."""
        if not isinstance(answer, Mapping):
            return None
        message = find_message({name: answer.get(name) for name in _MESSAGE_FIELDS})
        if not message:
            return None
        if _KEY_REJECTED.search(message):
            return AuthenticationFailed(message)
        if _NOT_IN_PLAN.search(message):
            return UnknownSymbol(message)
        if "Error Message" in answer:
            return UnknownSymbol(message) if message.startswith(_UNKNOWN_SYMBOL) else InvalidResponse(message)
        # The message about too many requests at once also names the limit per day.
        whole_day = bool(_LIMIT_PER_DAY.search(message)) and not _LIMIT_PER_MINUTE.search(message)
        return rate_limited(message, now, whole_day=whole_day)

    def max_range(self, interval: Interval) -> timedelta:
        if interval is not Interval.DAY:
            raise ProviderError("Alpha Vantage has five-minute prices only by calendar month; use --interval 1d")
        return _UNLIMITED_RANGE

    def history_request(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> HistoryRequest:  # noqa: ARG002
        """Return a request for prices as traded, like the live prices."""
        self.max_range(interval)
        query = {**_query("TIME_SERIES_DAILY", symbol), "outputsize": "compact" if self.is_free else "full"}
        return HistoryRequest("/query", query, partial(_read_days, symbol, since if self.is_free else None))


def _single_request(symbol: str) -> QuoteRequest:
    return QuoteRequest("/query", _query("GLOBAL_QUOTE", symbol), partial(_read_one, symbol), [symbol])


def _bulk_request(single: Sequence[QuoteRequest]) -> QuoteRequest:
    symbols = [symbol for request in single for symbol in request.symbols]
    query = _query("REALTIME_BULK_QUOTES", *symbols)
    return QuoteRequest("/query", query, partial(_read_bulk, symbols), symbols, fallback=single)


def _query(function: str, *symbols: str) -> dict[str, str]:
    return {"function": function, "symbol": ",".join(map(_to_vendor_symbol, symbols))}


def _to_vendor_symbol(symbol: str) -> str:
    """Return the symbol with a dash before its class of shares (BRK-B). An exchange keeps its dot (TSCO.LON)."""
    return _SHARE_CLASS.sub(r"-\1", symbol)


def _read_one(symbol: str, answer: Json) -> QuoteResults:
    return {symbol: read_quote(partial(_read_quote, symbol), answer)}


def _read_quote(symbol: str, answer: Json) -> Quote:
    """Read a quote whose fields are all text. The quote of an unknown symbol is empty."""
    quote = _without_numbers(read_object(answer).get("Global Quote"))
    if not quote:
        raise UnknownSymbol("its quote is empty")
    _check_symbol(quote.get("symbol"), symbol)
    as_of = read_date(quote.get("latest_trading_day"), "latest trading day")
    return _make_quote(read_price(quote.get("price")), as_of, quote)


def _read_bulk(symbols: Sequence[str], answer: Json) -> QuoteResults:
    """Read bulk quotes. On a plan without them, the quotes are made up and the message is not `success`."""
    bulk = read_object(answer)
    if bulk.get("message", "success") != "success":
        raise UnknownSymbol(f"the plan has no bulk quotes: {truncate(bulk.get('message'))}")
    rows = [row for row in read_list(bulk.get("data"), "data") if isinstance(row, dict)]
    if not rows and bulk["data"]:
        raise InvalidResponse("the data has no quotes")
    by_symbol = {_to_vendor_symbol(str(row.get("symbol"))): row for row in rows}
    vendor_symbols = {symbol: _to_vendor_symbol(symbol) for symbol in symbols}
    return {
        symbol: read_quote(_read_row, by_symbol[vendor_symbol])
        for symbol, vendor_symbol in vendor_symbols.items()
        if vendor_symbol in by_symbol
    }


def _read_row(answer: Json) -> Quote:
    """Read the last price at `timestamp`, New York time. Outside trading hours `close` is not the last price."""
    row = _without_numbers(answer)
    zone = ZoneInfo(_ZONE)
    as_of = read_local_time(row.get("timestamp"), zone)
    prices = [row.get("close")]
    if not _OPENING <= as_of.astimezone(zone).time() < _CLOSING:
        prices.insert(0, row.get("extended_hours_quote"))
    return _make_quote(read_first_price(prices), as_of, row)


def _read_days(symbol: str, since: datetime | None, answer: Json) -> Sequence[Quote | InvalidBar]:
    """Read daily bars. `since` is None if the plan has all days.

    On a free plan, days before the first bar are missing, and not days without trading.
    """
    series = read_object(answer)
    _check_symbol(read_object(series.get("Meta Data"), "meta data").get("2. Symbol"), symbol)
    days = read_object(series.get("Time Series (Daily)"), "time series")
    bars = read_bars(lambda item: read_date(item[0]), _read_day, days.items())
    first = min((bar.as_of for bar in bars if bar.as_of), default=None)
    if since and first and since < first and len(days) >= _COMPACT:
        raise UnknownSymbol(f"the free plan has only the last {_COMPACT} days; use --since {first:%Y-%m-%d}")
    return bars


def _read_day(as_of: datetime, item: tuple[str, Json]) -> Quote:
    bar = _without_numbers(item[1])
    return _make_quote(read_price(bar.get("close")), as_of, bar)


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
    """Return the fields under their bare names: `08. previous close` becomes `previous_close`."""
    fields = read_object(answer, "quote")
    return {name.rpartition(". ")[2].replace(" ", "_"): value for name, value in fields.items()}


def _check_symbol(answered: Json, symbol: str) -> None:
    if answered is not None and _to_vendor_symbol(str(answered)) != _to_vendor_symbol(symbol):
        raise InvalidResponse(f"the answer has another symbol: {truncate(answered, 40)!r}")
