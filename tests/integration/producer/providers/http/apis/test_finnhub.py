"""Finnhub over HTTP: the requests as sent, and the effect of failures."""

from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, RateLimited, UnknownSymbol
from tests.fake_apis.finnhub import KEY, answer
from tests.fake_http_server import Answer, always, recorded
from tests.fake_provider_requests import fetch_quotes, prices

PRICES = {"AAPL": "228.87", "BRK.B": "469.95"}
FAKE_API = partial(answer, prices=PRICES)
fetch = partial(fetch_quotes, "finnhub")


def test_each_symbol_is_one_request_with_the_key_only_in_a_header(tmp_path: Path) -> None:
    found, requests = fetch(tmp_path, FAKE_API, ["AAPL", "BRK.B", "NOSUCH"])
    assert prices(found) == {symbol: Decimal(price) for symbol, price in PRICES.items()}
    assert isinstance(found["NOSUCH"], UnknownSymbol)
    assert {request.path for request in requests} == {"/quote"}
    assert sorted(request.query["symbol"] for request in requests) == ["AAPL", "BRK.B", "NOSUCH"]
    assert all(request.query.keys() == {"symbol"} for request in requests)
    assert {request.headers["x-finnhub-token"] for request in requests} == {KEY}


def test_a_market_outside_the_plan_does_not_affect_other_symbols(tmp_path: Path) -> None:
    barred = Answer(recorded("finnhub", "no_access.json"), 403)
    found, _ = fetch(
        tmp_path,
        lambda request: barred if request.query["symbol"] == "VOD.L" else FAKE_API(request),
        ["VOD.L", *PRICES],
    )
    assert list(prices(found)) == ["AAPL", "BRK.B"]
    assert isinstance(found["VOD.L"], UnknownSymbol)
    assert "You don't have access to this resource" in str(found["VOD.L"])


def test_a_rejected_key_stops_all_requests_and_is_not_revealed(tmp_path: Path) -> None:
    found, requests = fetch(tmp_path, FAKE_API, [f"S{number}" for number in range(40)], key="wrong-key")
    assert {type(error) for error in found.values()} == {AuthenticationFailed}
    assert "Invalid API key" in str(found["S39"])
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (Answer(recorded("finnhub", "limit.json"), 429), RateLimited, "API limit reached"),
        (Answer(recorded("finnhub", "limit.json")), RateLimited, "API limit reached"),
        (Answer(recorded("finnhub", "invalid_key.json")), AuthenticationFailed, "Invalid API key"),
        (Answer({"error": f"{KEY} is not an api key"}), AuthenticationFailed, "*** is not an api key"),
    ],
)
def test_a_rate_limit_or_rejected_key_quotes_finnhub_and_stops_all_requests(
    tmp_path: Path, failure: Answer, kind: type[ProviderError], message: str
) -> None:
    found, requests = fetch(tmp_path, always(failure), list(PRICES))
    assert {type(error) for error in found.values()} == {kind}
    assert all(message in str(error) for error in found.values())
    assert len(requests) == 1


@pytest.mark.parametrize("body", [recorded("finnhub", "challenge.html"), recorded("finnhub", "nulls.json"), "{", ""])
def test_anything_but_a_quote_is_an_invalid_response(tmp_path: Path, body: str) -> None:
    found, _ = fetch(tmp_path, always(Answer(body)), ["AAPL"])
    assert isinstance(found["AAPL"], InvalidResponse)
