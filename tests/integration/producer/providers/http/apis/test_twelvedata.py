"""Twelve Data over HTTP: the requests as sent, and the effect of failures."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from producer.providers.base import Interval, Quote
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnknownSymbol,
    UnreadableResponse,
)
from shared.times import utc_now
from tests.event_factories import NOW
from tests.fake_apis.twelvedata import KEY, answer
from tests.fake_http_server import Answer, always, fake_http_server, recorded
from tests.fake_provider_requests import fetch_quotes, make_historical_provider

PRICES = {"AAPL": "229.87000", "BRK.B": "476.57001", "SBIN:NSE": "812.5"}
FAKE_API = partial(answer, prices=PRICES)
RAPIDAPI = "twelve-data1.p.rapidapi.com"
fetch = partial(fetch_quotes, "twelvedata")
provider = partial(make_historical_provider, "twelvedata")


def recorded_answer(error: str, status: int = 200) -> Answer:
    return Answer(recorded("twelvedata", error), status)


def test_a_batch_is_one_request_with_the_key_only_in_a_header(tmp_path: Path) -> None:
    found, (request,) = fetch(tmp_path, FAKE_API, list(PRICES))
    assert {symbol: quote.price for symbol, quote in found.items() if isinstance(quote, Quote)} == {
        symbol: Decimal(price).normalize() for symbol, price in PRICES.items()
    }
    assert (request.path, request.query) == ("/quote", {"symbol": "AAPL,BRK.B,SBIN:NSE"})
    assert request.headers["authorization"] == f"apikey {KEY}"


def test_a_single_symbol_is_read_too(tmp_path: Path) -> None:
    found, (request,) = fetch(tmp_path, FAKE_API, ["BRK.B"])
    quote = found["BRK.B"]
    assert isinstance(quote, Quote)
    assert (quote.price, quote.currency, quote.market_state) == (Decimal("476.57001"), "USD", "open")
    assert utc_now() - quote.as_of < timedelta(seconds=30)
    assert request.query == {"symbol": "BRK.B"}


def test_requests_through_rapidapi_have_its_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_http_server(FAKE_API) as server:
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        found = provider(tmp_path, f"http://{RAPIDAPI}").quotes(["AAPL", "BRK.B"], utc_now())
    assert all(isinstance(quote, Quote) for quote in found.values())
    (request,) = server.requests
    assert request.headers["x-rapidapi-key"] == KEY
    assert request.headers["x-rapidapi-host"] == RAPIDAPI
    assert "authorization" not in request.headers
    assert KEY not in str(request.query)


def test_a_symbol_missing_from_a_batch_fails_alone(tmp_path: Path) -> None:
    found, _ = fetch(tmp_path, always(recorded_answer("quote_batch.json")), ["AAPL", "IBM", "BRK.B"])
    assert type(found["IBM"]) is InvalidResponse
    assert isinstance(found["AAPL"], Quote)
    assert isinstance(found["BRK.B"], Quote)


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("error_key.json", 200, AuthenticationFailed),
        ("error_key.json", 401, AuthenticationFailed),
        ("error_plan.json", 404, UnknownSymbol),
        ("error_forbidden.json", 403, UnknownSymbol),
        ("error_minute.json", 200, RateLimited),
        ("error_minute.json", 429, RateLimited),
        ("error_day.json", 429, RateLimited),
        ("error_server.json", 200, ProviderUnavailable),
        ("error_server.json", 500, ProviderUnavailable),
        ("error_too_long.json", 414, InvalidResponse),
        ("challenge.html", 200, UnreadableResponse),
        ("rapidapi_not_subscribed.json", 403, AuthenticationFailed),
        ("rapidapi_minute.json", 429, RateLimited),
        ("rapidapi_day.json", 429, RateLimited),
    ],
)
def test_the_error_quotes_the_message_for_every_symbol(
    tmp_path: Path, name: str, status: int, kind: type[ProviderError]
) -> None:
    found, _ = fetch(tmp_path, always(recorded_answer(name, status)), "AAPL", "BRK.B")
    assert {type(error) for error in found.values()} == {kind}


def test_past_prices_are_in_the_requested_range(tmp_path: Path) -> None:
    since = NOW - timedelta(minutes=20)
    with fake_http_server(FAKE_API) as server:
        quotes = provider(tmp_path, server.url).history("BRK.B", Interval.FIVE_MINUTES, since, NOW)
    assert [f"{quote.as_of:%H:%M}" for quote in quotes] == ["09:45", "09:50", "09:55", "10:00"]
    assert {quote.price for quote in quotes} == {Decimal("476.57001")}
    (request,) = server.requests
    assert request.path == "/time_series"
    assert (request.query["start_date"], request.query["timezone"]) == ("2024-11-20T09:35:03", "UTC")


def test_a_day_that_has_not_ended_has_no_bar(tmp_path: Path) -> None:
    now = utc_now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with fake_http_server(FAKE_API) as server:
        quotes = provider(tmp_path, server.url).history("AAPL", Interval.DAY, today - timedelta(days=3), now)
    assert [quote.as_of for quote in quotes] == [today - timedelta(days=ago) for ago in (3, 2, 1)]


def test_a_time_range_without_trading_has_no_prices_and_is_not_a_failure(tmp_path: Path) -> None:
    since, until = datetime(2024, 11, 16, tzinfo=UTC), datetime(2024, 11, 17, tzinfo=UTC)
    with fake_http_server(always(recorded_answer("no_trading.json", 400))) as server:
        assert provider(tmp_path, server.url).history("AAPL", Interval.FIVE_MINUTES, since, until) == []


def test_an_unknown_symbol_has_no_history(tmp_path: Path) -> None:
    with fake_http_server(FAKE_API) as server, pytest.raises(UnknownSymbol, match="not found: NOPE"):
        provider(tmp_path, server.url).history("NOPE", Interval.DAY, NOW - timedelta(days=3), NOW)
