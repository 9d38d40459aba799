"""Requests to a live provider whose server is a fake, the same for every provider."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from producer.providers.base import Quote, QuoteResults
from producer.providers.http.apis.base import HistoricalApi
from producer.providers.http.client import Timeouts
from producer.providers.http.provider import HistoricalHttpProvider, HttpProvider
from producer.providers.registry import APIS
from shared.accounts import Account
from shared.times import utc_now
from tests.fake_http_server import Request, Script, fake_http_server

# The key that tests/fake_apis/*.py accept.
KEY = "test-key"
TIMEOUTS = Timeouts(connect=0.5, read=0.5, call=1.5, history=1.5)


def make_historical_provider(
    name: str, folder: Path, url: str, key: str = KEY, **limits: int
) -> HistoricalHttpProvider:
    """Return the provider with this name at this URL, on a plan with these limits."""
    account = Account(url, key, **limits)
    api = APIS[name](account)
    assert isinstance(api, HistoricalApi)
    return HistoricalHttpProvider(api, account, folder, TIMEOUTS)


def fetch_quotes(
    name: str, folder: Path, script: Script, symbols: Sequence[str], key: str = KEY, **limits: int
) -> tuple[QuoteResults, list[Request]]:
    """Return the result of each symbol and the requests sent, after checking that no result reveals the key."""
    with fake_http_server(script) as server:
        account = Account(server.url, key, **limits)
        found = HttpProvider(APIS[name](account), account, folder, TIMEOUTS).quotes(symbols, utc_now())
    assert found.keys() == set(symbols)
    assert key not in repr(found)
    return found, server.requests


def prices(found: QuoteResults) -> dict[str, Decimal]:
    return {symbol: quote.price for symbol, quote in found.items() if isinstance(quote, Quote)}


def check_history(quotes: Sequence[Quote], since: datetime, until: datetime) -> None:
    """Check that the times are unique, in order and in the requested range."""
    moments = [quote.as_of for quote in quotes]
    assert moments == sorted(set(moments))
    assert all(since <= moment < until for moment in moments)
