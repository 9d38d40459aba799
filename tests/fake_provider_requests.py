"""Asking a live provider that a real HTTP server plays, in the same way for every one of them."""

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

# What tests/fake_apis/*.py take for a good one.
KEY = "test-key"
TIMEOUTS = Timeouts(connect=0.5, read=0.5, body=1.0)


def make_historical_provider(
    name: str, folder: Path, url: str, key: str = KEY, **limits: int
) -> HistoricalHttpProvider:
    """The provider of this name at this URL, with its state in `folder`, on a plan of these limits or of none."""
    account = Account(url, key, **limits)
    api = APIS[name](account)
    assert isinstance(api, HistoricalApi)
    return HistoricalHttpProvider(api, account, folder, TIMEOUTS)


def fetch_quotes(
    name: str, folder: Path, script: Script, symbols: Sequence[str], key: str = KEY, **limits: int
) -> tuple[QuoteResults, list[Request]]:
    """An answer for each symbol, none of which shows the key, and what was asked for."""
    with fake_http_server(script) as server:
        account = Account(server.url, key, **limits)
        found = HttpProvider(APIS[name](account), account, folder, TIMEOUTS).quotes(symbols, utc_now())
    assert found.keys() == set(symbols)
    assert key not in repr(found)
    return found, server.requests


def prices(found: QuoteResults) -> dict[str, Decimal]:
    return {symbol: quote.price for symbol, quote in found.items() if isinstance(quote, Quote)}


def check_past(quotes: Sequence[Quote], since: datetime, until: datetime) -> None:
    """Each moment once, oldest first, and none that was not asked for."""
    moments = [quote.as_of for quote in quotes]
    assert moments == sorted(set(moments))
    assert all(since <= moment < until for moment in moments)
