"""Massive over HTTP: the requests as sent, and the effect of failures."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from producer.providers.base import Interval, InvalidBar, Quote
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderError,
    RateLimited,
    UnknownSymbol,
    UnreadableResponse,
)
from shared.times import utc_now
from tests.fake_apis.massive import KEY, answer
from tests.fake_http_server import Answer, always, fake_http_server, recorded
from tests.fake_provider_requests import check_history, fetch_quotes, make_historical_provider, prices

PRICES = {"AAPL": "228.87", "BRK.B": "469.95"}
FAKE_API = partial(answer, prices=PRICES)
SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"
fetch = partial(fetch_quotes, "massive")
provider = partial(make_historical_provider, "massive")


def test_all_symbols_are_one_request_with_the_key_only_in_a_header(tmp_path: Path) -> None:
    found, (request,) = fetch(tmp_path, FAKE_API, ["AAPL", "BRK.B", "NOSUCH"])
    assert prices(found) == {symbol: Decimal(price) for symbol, price in PRICES.items()}
    assert isinstance(found["NOSUCH"], UnknownSymbol)
    assert (request.path, request.query) == (SNAPSHOT, {"tickers": "AAPL,BRK.B,NOSUCH"})
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (Answer(recorded("massive", "unknown_key.json"), 401), AuthenticationFailed, "Unknown API Key"),
        (Answer(recorded("massive", "not_entitled.json"), 403), UnknownSymbol, "You are not entitled to this data"),
        (Answer(recorded("massive", "not_entitled.json")), UnknownSymbol, "You are not entitled to this data"),
        (Answer(recorded("massive", "limit.json"), 429), RateLimited, "exceeded the maximum requests per minute"),
        (Answer(recorded("massive", "limit.json")), RateLimited, "exceeded the maximum requests per minute"),
        (Answer(recorded("massive", "error.json")), InvalidResponse, "cannot be empty"),
        (Answer(recorded("massive", "challenge.html")), UnreadableResponse, "an HTML page"),
        (Answer({"error": f"{KEY} is not a key", "status": "ERROR"}), InvalidResponse, "*** is not a key"),
    ],
)
def test_an_error_quotes_massive(tmp_path: Path, failure: Answer, kind: type[ProviderError], message: str) -> None:
    found, requests = fetch(tmp_path, always(failure), list(PRICES))
    assert {type(error) for error in found.values()} == {kind}
    assert all(message in str(error) for error in found.values())
    assert len(requests) == 1


def test_a_bar_in_the_far_future_is_refused_and_named(tmp_path: Path) -> None:
    now = utc_now()
    days = [now - timedelta(days=3), now + timedelta(days=400), now - timedelta(days=2)]
    bars = [{"t": int(day.timestamp()) * 1000, "c": 12.5} for day in days]
    with fake_http_server(always(Answer({"ticker": "AAPL", "results": bars}))) as server:
        first, last, invalid = provider(tmp_path, server.url).history(
            "AAPL", Interval.DAY, now - timedelta(days=9), now
        )
    assert isinstance(first, Quote)
    assert isinstance(last, Quote)
    assert isinstance(invalid, InvalidBar)
    assert invalid.reason.endswith("is in the future")


@pytest.mark.parametrize(("interval", "days"), [(Interval.DAY, 30), (Interval.FIVE_MINUTES, 10)])
def test_the_history_has_only_bars_that_have_ended(tmp_path: Path, interval: Interval, days: int) -> None:
    now = utc_now()
    since = now - timedelta(days=days)
    with fake_http_server(FAKE_API) as server:
        quotes = provider(tmp_path, server.url).history("BRK.B", interval, since, now)
    assert {quote.price for quote in quotes} == {Decimal("469.95")}
    check_history(quotes, since, now)
    assert len(quotes) > days / 2
    (request,) = server.requests
    span = "1/day" if interval is Interval.DAY else "5/minute"
    assert request.path.startswith(f"/v2/aggs/ticker/BRK.B/range/{span}/")
    assert request.query == {"adjusted": "false", "sort": "asc", "limit": "50000"}


def test_a_time_range_outside_the_plan_does_not_stop_the_quotes(tmp_path: Path) -> None:
    too_old = Answer(recorded("massive", "timeframe.json"), 403)
    since = utc_now() - timedelta(days=4000)
    with fake_http_server(lambda request: FAKE_API(request) if request.path == SNAPSHOT else too_old) as server:
        asked = provider(tmp_path, server.url)
        with pytest.raises(UnknownSymbol, match="doesn't include this data timeframe"):
            asked.history("AAPL", Interval.DAY, since, since + timedelta(days=5))
        assert list(prices(asked.quotes(["AAPL"], utc_now()))) == ["AAPL"]


def test_a_partial_history_is_not_accepted(tmp_path: Path) -> None:
    now = utc_now()
    with fake_http_server(always(Answer(recorded("massive", "past_part.json")))) as server:
        asked = provider(tmp_path, server.url)
        with pytest.raises(InvalidResponse, match="has a next page"):
            asked.history("AAPL", Interval.FIVE_MINUTES, now - timedelta(days=1), now)


def test_a_bar_is_left_out_until_delayed_plans_have_it_completely(tmp_path: Path) -> None:
    now = utc_now().replace(second=0, microsecond=0)
    ended = [now - timedelta(minutes=age) for age in (60, 25, 15, 1)]
    starts = [int((moment - Interval.FIVE_MINUTES.length).timestamp()) * 1000 for moment in ended]
    bars = {"ticker": "AAPL", "status": "DELAYED", "results": [{"t": start, "c": 228.87} for start in starts]}
    with fake_http_server(always(Answer(bars))) as server:
        quotes = provider(tmp_path, server.url).history("AAPL", Interval.FIVE_MINUTES, now - timedelta(days=1), now)
    assert [quote.as_of for quote in quotes] == ended[:2]
