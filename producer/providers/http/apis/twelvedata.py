"""Twelve Data: many symbols per request, one credit per symbol; directly, or through RapidAPI if the URL says so.

Sources: https://twelvedata.com/docs/llms/market-data/quote.md,
https://twelvedata.com/docs/llms/market-data/time-series.md and
https://support.twelvedata.com/en/articles/5203360-bulk-requests
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar
from urllib.parse import urlsplit

from producer.providers.base import Interval, InvalidBar, Quote, QuoteResults
from producer.providers.http.apis.base import HistoryRequest, Json, QuoteRequest, RequestAuth, in_batches
from producer.providers.http.parsing import read_bars, read_list, read_object, read_quote, truncate
from producer.providers.http.provider_errors import find_message, rate_limited
from producer.providers.http.values import (
    ReadCurrency,
    read_currency,
    read_date,
    read_local_time,
    read_optional_price,
    read_price,
    read_unix_time,
    read_volume,
)
from shared.accounts import Account
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    NoPrices,
    ProviderError,
    ProviderUnavailable,
    UnknownSymbol,
)

# One request returns up to 5,000 bars. Currencies and coins have a bar every five minutes of every day.
_MAX_RANGES = {Interval.DAY: timedelta(days=4_900), Interval.FIVE_MINUTES: timedelta(days=17)}
_RAPIDAPI = ".rapidapi.com"
_LIMIT_PER_DAY = re.compile(r"\b(?:day|daily)\b", re.IGNORECASE)
_NO_PRICES = "No data is available"


@dataclass(frozen=True)
class TwelveData:
    name: ClassVar[str] = "twelvedata"
    display_name: ClassVar[str] = "Twelve Data"
    batch_size: ClassVar[int] = 120
    credit_per_symbol: ClassVar[bool] = True
    requests_per_second: ClassVar[float | None] = None
    asks_up_to_now: ClassVar[bool] = False

    def authenticate(self, account: Account) -> RequestAuth:
        host = urlsplit(account.url).hostname or ""
        if host.endswith(_RAPIDAPI):
            return RequestAuth(headers={"X-RapidAPI-Key": account.key, "X-RapidAPI-Host": host})
        return RequestAuth(headers={"Authorization": f"apikey {account.key}"})

    def quote_requests(self, symbols: Sequence[str], at: datetime) -> Sequence[QuoteRequest]:
        return [
            QuoteRequest("/quote", {"symbol": ",".join(batch)}, partial(_read_quotes, batch, at), batch)
            for batch in in_batches(symbols, self.batch_size)
        ]

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:
        """Read `{"code", "message", "status": "error"}`, also with status 200. A gateway's error has only a message."""
        if not isinstance(answer, Mapping):
            return None
        if answer.get("status") == "error":
            return _error_for_code(answer.get("code", status), find_message(answer), now)
        return _rate_limited(find_message(answer), now) if status == 429 else None

    def max_range(self, interval: Interval) -> timedelta:
        return _MAX_RANGES[interval]

    def history_request(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> HistoryRequest:
        """Return a request for prices as traded, like the live prices: `adjust` would divide prices before a split.

        Daily bars have the dates of the exchange in any time zone. An end date without a time excludes that day.
        """
        query = {"symbol": symbol, "outputsize": "5000", "order": "ASC", "adjust": "none"}
        if interval is Interval.DAY:
            times = {"interval": "1day", "start_date": f"{since:%Y-%m-%d}", "end_date": f"{until:%Y-%m-%d}T23:59:59"}
        else:
            # A bar has the time of its beginning.
            first = since - interval.length
            times = {"start_date": f"{first:%Y-%m-%dT%H:%M:%S}", "end_date": f"{until:%Y-%m-%dT%H:%M:%S}"}
            times |= {"interval": "5min", "timezone": "UTC"}
        return HistoryRequest("/time_series", query | times, partial(_read_series, symbol, interval))


def _read_quotes(symbols: Sequence[str], at: datetime, answer: Json) -> QuoteResults:
    """Read the quotes: the answer itself for one symbol, else an object per symbol, which may be an error."""
    if len(symbols) == 1:
        return {symbols[0]: read_quote(partial(_read_quote, symbols[0], at), answer)}
    quotes = read_object(answer)
    return {each: read_quote(partial(_read_quote, each, at), quotes[each]) for each in symbols if each in quotes}


def _read_quote(symbol: str, at: datetime, answer: Json) -> Quote:
    """Read one quote. `close` is the price; `timestamp` is the beginning of the day's bar, `last_quote_at` is later."""
    quote = read_object(answer)
    if quote.get("status") == "error":
        raise _error_for_code(quote.get("code"), find_message(quote), at)
    _check_symbol(quote.get("symbol"), symbol)
    is_open = quote.get("is_market_open")
    return _make_quote(
        quote,
        as_of=_read_latest(quote.get("timestamp"), quote.get("last_quote_at")),
        currency=read_currency(quote.get("currency")),
        market_state=("open" if is_open else "closed") if isinstance(is_open, bool) else None,
    )


def _read_series(symbol: str, interval: Interval, answer: Json) -> Sequence[Quote | InvalidBar]:
    series = read_object(answer)
    meta = read_object(series.get("meta"), "meta")
    _check_symbol(meta.get("symbol"), symbol)
    bars = read_list(series.get("values"), "values")
    return read_bars(partial(_read_as_of, interval), partial(_read_bar, read_currency(meta.get("currency"))), bars)


def _read_as_of(interval: Interval, answer: Json) -> datetime:
    time = read_object(answer, "bar").get("datetime")
    return read_date(time) if interval is Interval.DAY else read_local_time(time, UTC) + interval.length


def _read_bar(currency: ReadCurrency, as_of: datetime, bar: Mapping[str, Json]) -> Quote:
    return _make_quote(bar, as_of, currency)


def _make_quote(
    fields: Mapping[str, Json], as_of: datetime, currency: ReadCurrency, market_state: str | None = None
) -> Quote:
    return Quote(
        price=read_price(fields.get("close")),
        as_of=as_of,
        currency=currency.code,
        volume=read_volume(fields.get("volume")),
        open=read_optional_price(fields.get("open")),
        high=read_optional_price(fields.get("high")),
        low=read_optional_price(fields.get("low")),
        previous_close=read_optional_price(fields.get("previous_close")),
        market_state=market_state,
        remarks=currency.remarks,
    )


def _read_latest(*seconds: Json) -> datetime:
    """Return the latest of the given times. Raises InvalidResponse if a time is invalid, or none is given."""
    given = [each for each in seconds if each] or seconds[:1]
    return max(map(read_unix_time, given))


def _check_symbol(answered: Json, symbol: str) -> None:
    """Raise InvalidResponse for another symbol. The answer for SBIN:NSE has SBIN, but never SBIN:BSE."""
    if answered is None:
        return
    name, _, exchange = symbol.partition(":")
    answered_name, _, answered_exchange = str(answered).partition(":")
    if answered_name != name or (exchange and answered_exchange not in ("", exchange)):
        raise InvalidResponse(f"the answer has another symbol: {truncate(answered, 40)!r}")


def _error_for_code(code: Json, message: str, now: datetime) -> ProviderError:
    """Return the error for the code of an error object. A symbol outside the plan has the code 403 or 404."""
    message = message or f"error {truncate(code, 40)} without a message"
    match code:
        case 401:
            return AuthenticationFailed(message)
        case 429:
            return _rate_limited(message, now)
        case 400 | 403 | 404:
            return NoPrices(message) if message.startswith(_NO_PRICES) else UnknownSymbol(message)
    return ProviderUnavailable(message) if isinstance(code, int) and code >= 500 else InvalidResponse(message)


def _rate_limited(message: str, now: datetime) -> ProviderError:
    return rate_limited(message, now, whole_day=bool(_LIMIT_PER_DAY.search(message)))
