"""Massive, formerly Polygon.io: one request for hundreds of symbols, all listed in the US.

Source: https://massive.com/docs/rest/stocks/snapshots/full-market-snapshot and
https://massive.com/docs/rest/stocks/aggregates/custom-bars
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from producer.providers.base import Interval, InvalidBar, Quote, QuoteResults
from producer.providers.http.apis.base import HistoryRequest, Json, QuoteRequest, RequestAuth, in_batches
from producer.providers.http.parsing import missing_symbol, read_bars, read_list, read_object, read_quote, truncate
from producer.providers.http.provider_errors import find_message, rate_limited
from producer.providers.http.values import (
    is_missing,
    read_first_price,
    read_optional_price,
    read_price,
    read_unix_time,
    read_volume,
)
from shared.accounts import Account
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, UnknownSymbol
from shared.times import EPOCH, to_micros

_SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"
# The API names no currency: it covers the US market only, where all prices are in dollars.
_CURRENCY = "USD"
_FAILED = ("ERROR", "NOT_AUTHORIZED", "NOT_FOUND")


@dataclass(frozen=True)
class Massive:
    """Classes of shares have a dot, as in our symbols: BRK.B."""

    name: ClassVar[str] = "massive"
    display_name: ClassVar[str] = "Massive"
    batch_size: ClassVar[int] = 250
    credit_per_symbol: ClassVar[bool] = False
    requests_per_second: ClassVar[float | None] = None
    asks_up_to_now: ClassVar[bool] = False

    def authenticate(self, account: Account) -> RequestAuth:
        return RequestAuth(headers={"Authorization": f"Bearer {account.key}"})

    def quote_requests(self, symbols: Sequence[str], at: datetime) -> Sequence[QuoteRequest]:  # noqa: ARG002
        return [
            QuoteRequest(_SNAPSHOT, {"tickers": ",".join(batch)}, partial(_read_snapshot, batch), batch)
            for batch in in_batches(symbols, self.batch_size)
        ]

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:
        """Read an error: `status` is a kind of failure, and `error` or `message` has the message."""
        failure = answer.get("status") if isinstance(answer, dict) else None
        if failure not in _FAILED:
            return None
        message = find_message(answer) or failure
        if "maximum requests" in message:
            return rate_limited(message, now)
        if "timeframe" in message or "not entitled" in message:
            # The plan lacks these years, or snapshots. The key is valid for everything else.
            return UnknownSymbol(f"the plan does not include it: {message}")
        if failure == "NOT_AUTHORIZED" or status in (401, 403) or "api key" in message.lower():
            return AuthenticationFailed(message)
        if failure == "NOT_FOUND":
            return UnknownSymbol(message)
        return InvalidResponse(message) if status == 200 else None

    def max_range(self, interval: Interval) -> timedelta:
        """Return the longest range. 50,000 one-minute bars per request are 34 days of five-minute bars."""
        return timedelta(days=3650 if interval is Interval.DAY else 30)

    def history_request(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> HistoryRequest:
        # The times select bars by their beginning. A daily bar begins at midnight in New York.
        first, last = (since, until + interval.length) if interval is Interval.DAY else (since - interval.length, until)
        bar_size = "1/day" if interval is Interval.DAY else "5/minute"
        start, end = (to_micros(each) // 1_000 for each in (first, last))
        path = f"/v2/aggs/ticker/{quote(symbol, safe='')}/range/{bar_size}/{start}/{end}"
        # Prices as traded, like the live prices.
        query = {"adjusted": "false", "sort": "asc", "limit": "50000"}
        return HistoryRequest(path, query, partial(_read_history, symbol, interval))


def _read_snapshot(symbols: Sequence[str], answer: Json) -> QuoteResults:
    """Read a snapshot: `tickers` has the known symbols, in any order."""
    snapshot = read_object(answer)
    delayed = True if snapshot.get("status") == "DELAYED" else None
    listed = [] if snapshot.get("count") == 0 else read_list(snapshot.get("tickers"), "tickers")
    tickers = {str(each["ticker"]): each for each in listed if isinstance(each, dict) and "ticker" in each}
    return {
        symbol: read_quote(partial(_read_ticker, delayed), tickers[symbol])
        if symbol in tickers
        else missing_symbol(symbol, tickers)
        for symbol in symbols
    }


def _read_ticker(delayed: bool | None, ticker: Mapping[str, Any]) -> Quote:
    """Read one ticker. Plans without trades have only `day`, which is zero from 3:30 in New York until the opening."""
    day, previous, trade = (_object_or_empty(ticker, name) for name in ("day", "prevDay", "lastTrade"))
    return Quote(
        price=read_first_price([trade.get("p"), day.get("c"), previous.get("c")]),
        as_of=read_unix_time(ticker.get("updated") if is_missing(trade.get("p")) else trade.get("t")),
        currency=_CURRENCY,
        volume=read_volume(day.get("v")) or None,
        open=read_optional_price(day.get("o")),
        high=read_optional_price(day.get("h")),
        low=read_optional_price(day.get("l")),
        previous_close=read_optional_price(previous.get("c")),
        delayed=delayed,
    )


def _read_history(symbol: str, interval: Interval, answer: Json) -> Sequence[Quote | InvalidBar]:
    """Read bars with one-letter field names, `t` being their beginning in ms; there are none without trading."""
    history = read_object(answer)
    if history.get("ticker") != symbol:
        raise InvalidResponse(f"the answer has {truncate(history.get('ticker'))!r} instead of {symbol!r}")
    if history.get("next_url"):
        raise InvalidResponse("the answer is incomplete: it has a next page")
    if history.get("results") is None and history.get("resultsCount") == 0:
        return []
    return read_bars(partial(_read_as_of, interval), _read_bar, read_list(history.get("results"), "results"))


def _read_as_of(interval: Interval, answer: Json) -> datetime:
    start = read_unix_time(read_object(answer, "bar").get("t"))
    return _date_in_new_york(start) if interval is Interval.DAY else start + interval.length


def _read_bar(as_of: datetime, bar: Mapping[str, Any]) -> Quote:
    return Quote(
        price=read_price(bar.get("c")),
        as_of=as_of,
        currency=_CURRENCY,
        volume=read_volume(bar.get("v")),
        open=read_optional_price(bar.get("o")),
        high=read_optional_price(bar.get("h")),
        low=read_optional_price(bar.get("l")),
    )


def _date_in_new_york(midnight: datetime) -> datetime:
    """Return midnight UTC of the date that begins at this midnight in New York.

    New York is four or five hours behind UTC, so 12 hours later both have the same date, in summer and in winter.
    """
    return EPOCH + timedelta(days=(midnight - EPOCH + timedelta(hours=12)) // timedelta(days=1))


def _object_or_empty(ticker: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = ticker.get(name)
    return part if isinstance(part, dict) else {}
