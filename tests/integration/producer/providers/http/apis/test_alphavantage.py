"""Alpha Vantage over HTTP: the requests as sent, and the effect of failures."""

import time
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from producer.providers.base import Interval, Quote
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderError,
    RateLimited,
    UnknownSymbol,
    UnreadableResponse,
)
from shared.times import utc_now
from tests.fake_apis.alphavantage import KEY, answer
from tests.fake_http_server import Answer, Request, Script, always, fake_http_server, recorded
from tests.fake_provider_requests import fetch_quotes, make_historical_provider, prices

PRICES = {"AAPL": "229.8700", "BRK.B": "476.5700"}
FAKE_API = partial(answer, prices=PRICES)
PAID = 75
BULK = 600
fetch = partial(fetch_quotes, "alphavantage")
provider = partial(make_historical_provider, "alphavantage")


def recorded_answer(name: str) -> Script:
    return always(Answer(recorded("alphavantage", name)))


def test_each_symbol_is_one_request_in_the_provider_s_spelling(tmp_path: Path) -> None:
    found, requests = fetch(tmp_path, FAKE_API, ["AAPL", "NOPE", "BRK.B"], per_minute=PAID)
    assert prices(found) == {"AAPL": Decimal("229.87"), "BRK.B": Decimal("476.57")}
    assert type(found["NOPE"]) is UnknownSymbol
    assert {request.path for request in requests} == {"/query"}
    assert sorted(request.query["symbol"] for request in requests) == ["AAPL", "BRK-B", "NOPE"]
    assert requests[0].query == {"function": "GLOBAL_QUOTE", "symbol": "AAPL", "apikey": KEY}


def test_the_free_plan_gets_one_request_per_second(tmp_path: Path) -> None:
    started = time.monotonic()
    found, _ = fetch(tmp_path, FAKE_API, ["AAPL", "BRK.B"], per_day=25)
    assert len(prices(found)) == 2
    assert time.monotonic() - started > 0.9


def test_a_realtime_plan_gets_bulk_requests(tmp_path: Path) -> None:
    found, (request,) = fetch(tmp_path, FAKE_API, ["AAPL", "NOPE", "BRK.B"], per_minute=BULK)
    assert prices(found) == {"AAPL": Decimal("229.87"), "BRK.B": Decimal("476.57")}
    assert type(found["NOPE"]) is InvalidResponse
    assert request.query["function"] == "REALTIME_BULK_QUOTES"
    assert request.query["symbol"] == "AAPL,NOPE,BRK-B"
    quote = found["AAPL"]
    assert isinstance(quote, Quote)
    assert abs(utc_now() - quote.as_of) < timedelta(seconds=30)


def test_a_plan_without_bulk_quotes_gets_single_requests(tmp_path: Path) -> None:
    def answered(request: Request) -> Answer:
        return premium(request) if request.query["function"] == "REALTIME_BULK_QUOTES" else FAKE_API(request)

    premium = recorded_answer("bulk_premium.json")
    found, requests = fetch(tmp_path, answered, ["AAPL", "BRK.B"], per_minute=BULK)
    assert prices(found) == {"AAPL": Decimal("229.87"), "BRK.B": Decimal("476.57")}
    assert [request.query["symbol"] for request in requests] == ["AAPL,BRK-B", "AAPL", "BRK-B"]


@pytest.mark.parametrize("limits", [{"per_minute": PAID}, {"per_minute": BULK}])
def test_a_rejected_key_stops_all_requests(tmp_path: Path, limits: dict[str, int]) -> None:
    symbols = [f"S{number}" for number in range(50)]
    found, requests = fetch(tmp_path, FAKE_API, symbols, key="wrong-secret", **limits)
    assert len(requests) == 1
    assert {type(error) for error in found.values()} == {AuthenticationFailed}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("limit_day.json", RateLimited),
        ("limit_burst.json", RateLimited),
        ("limit_minute.json", RateLimited),
        ("premium.json", UnknownSymbol),
        ("error_demo.json", AuthenticationFailed),
        ("error_symbol.json", UnknownSymbol),
        ("challenge.html", UnreadableResponse),
    ],
)
def test_the_message_with_status_200_is_the_error(tmp_path: Path, name: str, kind: type[ProviderError]) -> None:
    found, _ = fetch(tmp_path, recorded_answer(name), ["AAPL"], per_minute=PAID)
    assert type(found["AAPL"]) is kind


def test_a_quoted_key_is_redacted(tmp_path: Path) -> None:
    found, _ = fetch(tmp_path, recorded_answer("limit_day.json"), ["AAPL"], key="TEST-KEY", per_minute=PAID)
    assert "detected your API key as ***" in str(found["AAPL"])


def test_one_request_returns_all_past_days(tmp_path: Path) -> None:
    now = utc_now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with fake_http_server(FAKE_API) as server:
        paid = provider(tmp_path, server.url, per_minute=PAID)
        quotes = paid.history("BRK.B", Interval.DAY, today - timedelta(days=150), now)
    assert [quote.as_of for quote in quotes] == [today - timedelta(days=ago) for ago in range(150, 0, -1)]
    (request,) = server.requests
    assert (request.query["outputsize"], request.query["symbol"]) == ("full", "BRK-B")


def test_the_free_plan_names_the_first_day_that_it_has(tmp_path: Path) -> None:
    now = utc_now()
    with fake_http_server(FAKE_API) as server:
        free = provider(tmp_path, server.url, per_day=25)
        with pytest.raises(UnknownSymbol, match=f"use --since {now - timedelta(days=99):%Y-%m-%d}"):
            free.history("AAPL", Interval.DAY, now - timedelta(days=150), now)
