"""Massive: the requests, and the meaning of snapshots, bars and errors."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.providers.base import Interval, Quote, QuoteResults
from producer.providers.http.apis.base import HistoricalApi
from producer.providers.http.apis.massive import Massive
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

MASSIVE: HistoricalApi = Massive()
AT = datetime(2024, 11, 20, 14, 54, tzinfo=UTC)
TRADED = datetime(2024, 11, 20, 14, 53, 38, 123456, tzinfo=UTC)
OPENED = datetime(2024, 11, 20, 14, 30, tzinfo=UTC)
NOVEMBER = datetime(2024, 11, 1, tzinfo=UTC), datetime(2024, 12, 1, tzinfo=UTC)


def recorded_json(name: str) -> Any:
    return parse_json(recorded("massive", name))


def read(answer: Any, *symbols: str) -> QuoteResults:
    (call,) = MASSIVE.quote_requests(symbols or ["AAPL", "BRK.B"], AT)
    return call.read(answer)


def read_history(interval: Interval, answer: Any, symbol: str = "AAPL") -> Sequence[Quote]:
    return MASSIVE.history_request(symbol, interval, *NOVEMBER).read(answer)


def with_ticker(**fields: Any) -> Any:
    """Return a snapshot with only AAPL."""
    answer = recorded_json("snapshot.json")
    answer["tickers"] = [{**answer["tickers"][1], **fields}]
    return answer


def test_a_snapshot_has_the_last_trade_of_every_symbol() -> None:
    answers = read(recorded_json("snapshot.json"))
    assert answers["AAPL"] == Quote(
        price=Decimal("228.87"),
        as_of=TRADED,
        currency="USD",
        volume=4218154,
        open=Decimal("228.06"),
        high=Decimal("228.91"),
        low=Decimal("227.41"),
        previous_close=Decimal("228.28"),
    )
    berkshire = answers["BRK.B"]
    assert isinstance(berkshire, Quote)
    # This time is in milliseconds, and the other time in nanoseconds.
    assert (berkshire.price, berkshire.as_of) == (Decimal("469.95"), TRADED.replace(microsecond=123000))


def test_without_trades_the_price_is_that_of_the_day_or_the_day_before() -> None:
    answers = read(recorded_json("snapshot_delayed.json"))
    apple, berkshire = answers["AAPL"], answers["BRK.B"]
    assert isinstance(apple, Quote)
    assert isinstance(berkshire, Quote)
    updated = datetime(2024, 11, 20, 14, 38, tzinfo=UTC)
    assert (apple.price, apple.as_of, apple.delayed) == (Decimal("228.86"), updated, True)
    # Zero means unknown, for a price as well as for a volume.
    assert (berkshire.price, berkshire.open, berkshire.volume) == (Decimal("470.05"), None, None)


def test_a_cleared_snapshot_has_no_price() -> None:
    answer = read(recorded_json("snapshot_cleared.json"), "AAPL")["AAPL"]
    assert isinstance(answer, InvalidResponse)
    assert "time" in str(answer)


def test_a_missing_symbol_is_unknown_and_does_not_affect_the_others() -> None:
    answers = read(recorded_json("snapshot.json"), "AAPL", "NOSUCH")
    assert isinstance(answers["AAPL"], Quote)
    assert isinstance(answers["NOSUCH"], UnknownSymbol)
    assert isinstance(read(recorded_json("snapshot_nothing.json"), "NOSUCH")["NOSUCH"], UnknownSymbol)


@pytest.mark.parametrize(
    "fields",
    [
        {"lastTrade": {"p": Decimal("228.87"), "t": None}},
        {"lastTrade": {"p": Decimal("228.87"), "t": 0}},
        {"lastTrade": None, "day": None, "prevDay": None},
        {"lastTrade": {"p": 0}, "day": {"c": 0}, "prevDay": {"c": 0}},
        {"lastTrade": {"p": -1}, "day": {}, "prevDay": {}},
        {"lastTrade": None, "updated": None},
    ],
)
def test_a_quote_needs_a_price_and_a_time(fields: dict[str, Any]) -> None:
    assert isinstance(read(with_ticker(**fields), "AAPL")["AAPL"], InvalidResponse)


@pytest.mark.parametrize("answer", [{}, [], None, {"status": "OK"}, {"tickers": None}, {"tickers": "AAPL"}])
def test_anything_but_a_snapshot_is_an_invalid_response(answer: Any) -> None:
    with pytest.raises(InvalidResponse):
        read(answer)


def test_one_request_has_many_symbols() -> None:
    symbols = ["BRK.B", *(f"S{number}" for number in range(250))]
    first, second = MASSIVE.quote_requests(symbols, AT)
    assert first.query == {"tickers": ",".join(symbols[:250])}
    assert (second.path, second.symbols) == ("/v2/snapshot/locale/us/markets/stocks/tickers", ["S249"])
    assert MASSIVE.authenticate(Account("https://here", "k")).headers == {"Authorization": "Bearer k"}


@pytest.mark.parametrize(
    ("name", "status", "kind", "message"),
    [
        ("unknown_key.json", 401, AuthenticationFailed, "Unknown API Key"),
        ("unknown_key.json", 200, AuthenticationFailed, "Unknown API Key"),
        ("not_entitled.json", 403, UnknownSymbol, "You are not entitled to this data. Please upgrade your plan"),
        ("not_entitled.json", 200, UnknownSymbol, "You are not entitled to this data. Please upgrade your plan"),
        ("timeframe.json", 403, UnknownSymbol, "Your plan doesn't include this data timeframe"),
        ("limit.json", 429, RateLimited, "exceeded the maximum requests per minute"),
        ("limit.json", 200, RateLimited, "exceeded the maximum requests per minute"),
        ("not_found.json", 404, UnknownSymbol, "Ticker not found."),
        ("not_found.json", 200, UnknownSymbol, "Ticker not found."),
        ("error.json", 400, InvalidResponse, "The parameter 'from' cannot be empty"),
        ("error.json", 200, InvalidResponse, "The parameter 'from' cannot be empty"),
        ("error.json", 500, ProviderUnavailable, "The parameter 'from' cannot be empty"),
        ("challenge.html", 200, UnreadableResponse, "an HTML page ('Just a moment...')"),
        ("challenge.html", 503, ProviderUnavailable, "an HTML page ('Just a moment...')"),
    ],
)
def test_the_message_decides_about_the_error_with_any_status(
    name: str, status: int, kind: type[ProviderError], message: str
) -> None:
    with pytest.raises(ProviderError) as error:
        read_response(MASSIVE, Response(status, "", recorded("massive", name), None), AT)
    assert type(error.value) is kind
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["snapshot.json", "snapshot_delayed.json", "past_days.json", "past_nothing.json"])
def test_a_valid_answer_is_not_an_error(name: str) -> None:
    assert MASSIVE.read_error(200, recorded_json(name), AT) is None


def test_daily_bars_have_the_date_in_new_york() -> None:
    quotes = read_history(Interval.DAY, recorded_json("past_days.json"))
    assert [(quote.as_of.isoformat()[:19], str(quote.price)) for quote in quotes] == [
        ("2024-07-03T00:00:00", "221.55"),
        ("2024-11-18T00:00:00", "228.02"),
        ("2024-11-19T00:00:00", "228.28"),
    ]
    assert (quotes[1].currency, quotes[1].volume, quotes[1].high) == ("USD", 44686000, Decimal("229.74"))


def test_five_minute_bars_have_the_time_of_their_end() -> None:
    quotes = read_history(Interval.FIVE_MINUTES, recorded_json("past_minutes.json"))
    assert [(quote.as_of - OPENED) / timedelta(minutes=1) for quote in quotes] == [5, 10, 20]
    assert [str(quote.price) for quote in quotes] == ["228.02", "228.45", "228.77"]


def test_a_time_range_without_trading_is_empty() -> None:
    assert read_history(Interval.FIVE_MINUTES, recorded_json("past_nothing.json")) == []


@pytest.mark.parametrize(
    ("answer", "symbol", "why"),
    [
        (recorded_json("past_part.json"), "AAPL", "has a next page"),
        (recorded_json("past_minutes.json"), "MSFT", "instead of 'MSFT'"),
        ({"ticker": "AAPL"}, "AAPL", "results is missing"),
        ({"ticker": "AAPL", "results": [{"t": 1732113000000, "c": 0}]}, "AAPL", "more than zero"),
        ({}, "AAPL", "instead of 'AAPL'"),
    ],
)
def test_an_incomplete_history_is_an_invalid_response(answer: Any, symbol: str, why: str) -> None:
    with pytest.raises(InvalidResponse, match=why):
        read_history(Interval.FIVE_MINUTES, answer, symbol)


def test_the_requested_times_select_bars_by_their_beginning() -> None:
    since, until = datetime(2024, 11, 18, tzinfo=UTC), datetime(2024, 11, 19, tzinfo=UTC)
    days = MASSIVE.history_request("BRK.B", Interval.DAY, since, until)
    assert days.path == "/v2/aggs/ticker/BRK.B/range/1/day/1731888000000/1732060800000"
    minutes = MASSIVE.history_request("BRK.B", Interval.FIVE_MINUTES, since, until)
    assert minutes.path == "/v2/aggs/ticker/BRK.B/range/5/minute/1731887700000/1731974400000"
    assert minutes.query == {"adjusted": "false", "sort": "asc", "limit": "50000"}
    assert MASSIVE.max_range(Interval.FIVE_MINUTES) / timedelta(minutes=1) < 50_000
    assert MASSIVE.max_range(Interval.DAY) / timedelta(days=1) < 50_000


VALID = [recorded_json(f"{name}.json") for name in ("snapshot", "snapshot_delayed", "past_days", "past_minutes")]
ERRORS = [recorded_json(f"{name}.json") for name in ("unknown_key", "timeframe", "limit", "error")]
NAMES = names_in(VALID)
ANSWERS = st.one_of(any_json(NAMES), *(corrupted(answer, NAMES) for answer in [*VALID, *ERRORS]))


@given(answer=ANSWERS, status=st.integers(200, 599))
@property_test
def test_only_prices_in_the_answer_are_read(answer: Any, status: int) -> None:
    check_reading(MASSIVE, ["AAPL", "BRK.B"], status, answer)
