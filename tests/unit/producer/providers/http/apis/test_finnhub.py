"""Finnhub: the requests, and the meaning of quotes and errors."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.providers.base import Quote
from producer.providers.http.apis.base import Api, HistoricalApi
from producer.providers.http.apis.finnhub import Finnhub
from producer.providers.http.client import Response
from producer.providers.http.parsing import parse_json
from producer.providers.http.responses import read_response
from shared.accounts import Account
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnknownSymbol,
    UnreadableResponse,
)
from tests.event_factories import property_test
from tests.fake_apis.malformed import any_json, check_reading, corrupted, names_in
from tests.fake_http_server import recorded

FINNHUB: Api = Finnhub()
AT = datetime(2024, 11, 20, 14, 54, tzinfo=UTC)


def recorded_json(name: str) -> Any:
    return parse_json(recorded("finnhub", name))


def read(answer: Any, symbol: str = "AAPL") -> Quote | ProviderError:
    (call,) = FINNHUB.quote_requests([symbol], AT)
    return call.read(answer)[symbol]


def test_a_quote_has_the_prices_of_the_day() -> None:
    assert read(recorded_json("quote.json")) == Quote(
        price=Decimal("228.87"),
        as_of=datetime(2024, 11, 20, 14, 53, 38, tzinfo=UTC),
        open=Decimal("228.06"),
        high=Decimal("228.91"),
        low=Decimal("227.41"),
        previous_close=Decimal("228.28"),
    )


def test_a_share_class_has_a_dot() -> None:
    (call,) = FINNHUB.quote_requests(["BRK.B"], AT)
    assert (call.path, call.query) == ("/quote", {"symbol": "BRK.B"})
    answer = call.read(recorded_json("quote_brk_b.json"))["BRK.B"]
    assert isinstance(answer, Quote)
    assert answer.price == Decimal("469.95")


def test_a_quote_of_zeros_means_an_unknown_symbol() -> None:
    assert isinstance(read(recorded_json("unknown.json")), UnknownSymbol)
    assert isinstance(read(parse_json('{"c": 0.0, "t": 0}')), UnknownSymbol)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        recorded_json("nulls.json"),
        {"c": 0, "t": 1732114418},
        {"c": Decimal("228.87"), "t": 0},
        {"c": Decimal("228.87")},
        {"c": Decimal("-1.5"), "t": 1732114418},
    ],
)
def test_a_quote_needs_a_price_and_a_time(answer: Any) -> None:
    assert isinstance(read(answer), InvalidResponse)


@pytest.mark.parametrize(
    ("name", "status", "kind", "message"),
    [
        ("invalid_key.json", 401, AuthenticationFailed, "Invalid API key."),
        ("invalid_key.json", 200, AuthenticationFailed, "Invalid API key."),
        ("no_access.json", 403, UnknownSymbol, "You don't have access to this resource."),
        ("no_access.json", 401, UnknownSymbol, "You don't have access to this resource."),
        ("no_access.json", 200, UnknownSymbol, "You don't have access to this resource."),
        ("limit.json", 429, RateLimited, "API limit reached. Please try again later."),
        ("limit.json", 200, RateLimited, "API limit reached. Please try again later."),
        ("challenge.html", 200, UnreadableResponse, "an HTML page ('Just a moment...')"),
        ("challenge.html", 503, ProviderUnavailable, "an HTML page ('Just a moment...')"),
    ],
)
def test_the_message_decides_about_the_error_with_any_status(
    name: str, status: int, kind: type[ProviderError], message: str
) -> None:
    with pytest.raises(ProviderError) as error:
        read_response(FINNHUB, Response(status, "", recorded("finnhub", name), None), AT)
    assert type(error.value) is kind
    assert message in str(error.value)


def test_other_errors_with_status_200_quote_the_message() -> None:
    assert str(FINNHUB.read_error(200, {"error": "Please try again."}, AT)) == "Please try again."
    assert isinstance(FINNHUB.read_error(200, {"error": None}, AT), InvalidResponse)
    assert FINNHUB.read_error(200, recorded_json("quote.json"), AT) is None
    assert FINNHUB.read_error(200, recorded_json("unknown.json"), AT) is None


def test_the_key_is_in_a_header_and_there_is_no_history() -> None:
    assert FINNHUB.authenticate(Account("https://here", "k")).headers == {"X-Finnhub-Token": "k"}
    assert not isinstance(FINNHUB, HistoricalApi)


VALID = recorded_json("quote.json")
NAMES = names_in(VALID)
ERRORS = [recorded_json(f"{name}.json") for name in ("unknown", "nulls", "no_access", "limit")]
ANSWERS = st.one_of(any_json(NAMES), *(corrupted(answer, NAMES) for answer in [VALID, *ERRORS]))


@given(answer=ANSWERS, status=st.integers(200, 599))
@property_test
def test_only_prices_in_the_answer_are_read(answer: Any, status: int) -> None:
    check_reading(FINNHUB, ["AAPL"], status, answer)
