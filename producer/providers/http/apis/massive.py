"""Massive, formerly Polygon.io: one call for hundreds of symbols, all of them listed in the US.

Source: https://massive.com/docs/rest/stocks/snapshots/full-market-snapshot and
https://massive.com/docs/rest/stocks/aggregates/custom-bars
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from producer.providers.base import Interval, Quote, QuoteResults
from producer.providers.http.apis.base import HistoryRequest, Json, QuoteRequest, RequestAuth, in_batches
from producer.providers.http.parsing import (
    read_bars,
    read_epoch,
    read_epoch_of_any_unit,
    read_first_price,
    read_list,
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
from shared.times import EPOCH, to_micros

_SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"
# The API is of the US market alone, whose every price is in dollars; it names no currency.
_CURRENCY = "USD"
_FAILED = ("ERROR", "NOT_AUTHORIZED", "NOT_FOUND")


@dataclass(frozen=True)
class Massive:
    """A class of shares has a dot here too: BRK.B."""

    name: ClassVar[str] = "massive"
    batch_size: ClassVar[int] = 250
    credit_per_symbol: ClassVar[bool] = False
    requests_per_second: ClassVar[float | None] = None

    def authenticate(self, account: Account) -> RequestAuth:
        return RequestAuth(headers={"Authorization": f"Bearer {account.key}"})

    def quote_requests(self, symbols: Sequence[str], at: datetime) -> Sequence[QuoteRequest]:  # noqa: ARG002
        return [
            QuoteRequest(_SNAPSHOT, {"tickers": ",".join(each)}, each, partial(_read_snapshot, each))
            for each in in_batches(symbols, self.batch_size)
        ]

    def read_error(self, status: int, answer: Json, now: datetime) -> ProviderError | None:
        """`status` says that something failed, and `error` or `message` what."""
        said = answer.get("status") if isinstance(answer, dict) else None
        if said not in _FAILED:
            return None
        words = find_message(answer) or said
        if "maximum requests" in words:
            return rate_limited(words, now)
        if "timeframe" in words or "not entitled" in words:
            # A plan has only so many years, or no snapshots; for what it has the key is as good as it was.
            return UnknownSymbol(f"is not in the plan: {words}")
        if said == "NOT_AUTHORIZED" or status in (401, 403) or "api key" in words.lower():
            return authentication_failed(self.name, words)
        if said == "NOT_FOUND":
            return UnknownSymbol(words)
        return InvalidResponse(words) if status == 200 else None

    def max_range(self, interval: Interval) -> timedelta:
        """Bars of five minutes are made of those of one, of which a call takes 50,000: those of 34 days at the most."""
        return timedelta(days=3650 if interval is Interval.DAY else 30)

    def history_request(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> HistoryRequest:
        # Bars are asked for by their beginning, which for a day is midnight in New York.
        first, last = (since, until + interval.length) if interval is Interval.DAY else (since - interval.length, until)
        span = "1/day" if interval is Interval.DAY else "5/minute"
        start, end = (to_micros(each) // 1_000 for each in (first, last))
        path = f"/v2/aggs/ticker/{quote(symbol, safe='')}/range/{span}/{start}/{end}"
        # As traded, like the live prices.
        query = {"adjusted": "false", "sort": "asc", "limit": "50000"}
        return HistoryRequest(path, query, partial(_read_past, symbol, interval))


def _read_snapshot(symbols: Sequence[str], answer: Json) -> QuoteResults:
    """`tickers` has those that are known, in any order."""
    snapshot = read_object(answer)
    delayed = True if snapshot.get("status") == "DELAYED" else None
    listed = [] if snapshot.get("count") == 0 else read_list(snapshot.get("tickers"), "tickers")
    tickers = {str(each["ticker"]): each for each in listed if isinstance(each, dict) and "ticker" in each}
    unknown = UnknownSymbol("is not known: it is left out of the answer")
    return {
        symbol: read_quote(partial(_read_ticker, delayed), tickers[symbol]) if symbol in tickers else unknown
        for symbol in symbols
    }


def _read_ticker(delayed: bool | None, ticker: Mapping[str, Any]) -> Quote:
    """Plans without trades have `day` alone, which is zero from 3:30 in New York until the market opens."""
    day, previous, trade = (_part(ticker, name) for name in ("day", "prevDay", "lastTrade"))
    price = read_first_price(each for each in (trade.get("p"), day.get("c"), previous.get("c")) if each)
    traded = read_optional_price(trade.get("p")) is not None
    return Quote(
        price=price,
        as_of=read_epoch_of_any_unit(trade.get("t") if traded else ticker.get("updated")),
        currency=_CURRENCY,
        volume=read_volume(day.get("v")) or None,
        open=read_optional_price(day.get("o")),
        high=read_optional_price(day.get("h")),
        low=read_optional_price(day.get("l")),
        previous_close=read_optional_price(previous.get("c")),
        delayed=delayed,
    )


def _read_past(symbol: str, interval: Interval, answer: Json) -> Sequence[Quote]:
    """Bars under one-letter names, `t` in milliseconds where they begin; none where nothing was traded."""
    past = read_object(answer)
    if past.get("ticker") != symbol:
        raise InvalidResponse(f"sent {truncate(past.get('ticker'))!r} in place of {symbol!r}")
    if past.get("next_url"):
        raise InvalidResponse("sent only a part of what it has")
    if past.get("results") is None and past.get("resultsCount") == 0:
        return []
    return read_bars(partial(_read_bar, interval), read_list(past.get("results"), "results"))


def _read_bar(interval: Interval, answer: Json) -> Quote:
    bar = read_object(answer, "bar")
    start = read_epoch(bar.get("t"), "ms")
    return Quote(
        price=read_price(bar.get("c")),
        as_of=_date_in_new_york(start) if interval is Interval.DAY else start + interval.length,
        currency=_CURRENCY,
        volume=read_volume(bar.get("v")),
        open=read_optional_price(bar.get("o")),
        high=read_optional_price(bar.get("h")),
        low=read_optional_price(bar.get("l")),
    )


def _date_in_new_york(midnight: datetime) -> datetime:
    """Midnight UTC of the date that begins at this midnight in New York.

    Which is four or five hours before: half a day later it is the same date in both, summer and winter.
    """
    return EPOCH + timedelta(days=(midnight - EPOCH + timedelta(hours=12)) // timedelta(days=1))


def _part(ticker: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = ticker.get(name)
    return part if isinstance(part, dict) else {}
