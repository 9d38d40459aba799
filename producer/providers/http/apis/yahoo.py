"""Yahoo Finance, unofficial and without a key: one chart per symbol for a few symbols, sparks of 20 symbols for many.

There is no documentation. Sources of the answers' fields: https://github.com/ranaroussi/yfinance and
https://github.com/gadicc/yahoo-finance2
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar
from urllib.parse import quote

from producer.providers.base import Interval
from producer.providers.http.apis.base import HistoryRequest, Json, QuoteRequest, RequestAuth, in_batches
from producer.providers.http.apis.yahoo_history import read_history
from producer.providers.http.apis.yahoo_quotes import read_chart, read_sparks
from producer.providers.http.apis.yahoo_symbols import yahoo_symbol
from producer.providers.http.parsing import find_nested, truncate
from producer.providers.http.provider_errors import rate_limited
from shared.accounts import Account
from shared.errors import InvalidResponse, NoPrices, ProviderError, ProviderUnavailable, UnknownSymbol
from shared.times import to_micros

# Yahoo rejects requests that do not look like a browser.
_USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
_TODAY = {"range": "1d", "interval": "5m"}
_REGULAR = {"includePrePost": "false", "events": "div,splits"}


@dataclass(frozen=True)
class Yahoo:
    name: ClassVar[str] = "yahoo"
    display_name: ClassVar[str] = "Yahoo Finance"
    batch_size: ClassVar[int] = 20
    credit_per_symbol: ClassVar[bool] = False
    requests_per_second: ClassVar[float | None] = None
    # Past prices are divided by the splits up to today.
    asks_up_to_now: ClassVar[bool] = True

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
        errors = (find_nested(answer, envelope, "error") for envelope in ("chart", "spark", "finance"))
        error = next((each for each in errors if each), None)
        if error is None:
            return None
        code = find_nested(error, "code")
        message = truncate(find_nested(error, "description") or code or error)
        if message.startswith("Data doesn't exist"):
            return NoPrices(message)
        if code in ("Not Found", "Unprocessable Entity"):
            return UnknownSymbol(message)
        if code == "Too Many Requests":
            return rate_limited(message, now)
        return InvalidResponse(message) if code == "Bad Request" else ProviderUnavailable(message)

    def max_range(self, interval: Interval) -> timedelta:
        """Return the longest range: a century of daily bars, but five-minute bars are kept for 60 days only."""
        return timedelta(days=36_500 if interval is Interval.DAY else 59)

    def history_request(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> HistoryRequest:
        # The times select bars by their beginning, which is up to a day away from midnight UTC for a daily bar.
        later = interval.length if interval is Interval.DAY else timedelta()
        first, last = (max(0, to_micros(each) // 10**6) for each in (since - interval.length, until + later))
        query = {"period1": str(first), "period2": str(last), "interval": interval.value, **_REGULAR}
        return HistoryRequest(_chart_path(symbol), query, partial(read_history, symbol, interval, since))


def _chart_path(symbol: str) -> str:
    return f"/v8/finance/chart/{quote(yahoo_symbol(symbol), safe='')}"


def _chart_request(symbol: str, at: datetime) -> QuoteRequest:
    return QuoteRequest(_chart_path(symbol), {**_TODAY, **_REGULAR}, partial(read_chart, symbol, at), [symbol])


def _spark_request(charts: Sequence[QuoteRequest], at: datetime) -> QuoteRequest:
    symbols = [symbol for chart in charts for symbol in chart.symbols]
    query = {"symbols": ",".join(map(yahoo_symbol, symbols)), **_TODAY}
    return QuoteRequest("/v8/finance/spark", query, partial(read_sparks, symbols, at), symbols, fallback=charts)
