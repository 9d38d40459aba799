"""Twelve Data: the requests, and the meaning of the answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.providers.base import Interval, InvalidBar, Quote
from producer.providers.http.apis.twelvedata import TwelveData
from producer.providers.http.parsing import parse_json
from shared.accounts import Account
from shared.errors import (
    AuthenticationFailed,
    InvalidResponse,
    NoPrices,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnknownSymbol,
)
from tests.event_factories import NOW, property_test
from tests.fake_apis.malformed import any_json, check_reading, corrupted, names_in
from tests.fake_http_server import recorded

API = TwelveData()
AAPL = Quote(
    price=Decimal("229.87"),
    as_of=datetime(2026, 11, 20, 20, 59, tzinfo=UTC),
    currency="USD",
    volume=38168252,
    open=Decimal("228.06"),
    high=Decimal("230.72"),
    low=Decimal("227.41"),
    previous_close=Decimal("228.52"),
    market_state="closed",
)
NEXT_MINUTE = datetime(2024, 11, 20, 10, 1, tzinfo=UTC)
NEXT_DAY = datetime(2024, 11, 21, tzinfo=UTC)
SINCE, UNTIL = datetime(2026, 11, 17, tzinfo=UTC), datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


def recorded_json(name: str) -> Any:
    return parse_json(recorded("twelvedata", name))


def read(answer: Any, *symbols: str) -> dict[str, Quote | ProviderError]:
    (call,) = API.quote_requests(symbols, NOW)
    return dict(call.read(answer))


def read_one(**changes: Any) -> Quote:
    found = read({**recorded_json("quote.json"), **changes}, "AAPL")["AAPL"]
    if isinstance(found, ProviderError):
        raise found
    return found


def read_history(name: str, symbol: str, interval: Interval) -> list[Quote]:
    return list(API.history_request(symbol, interval, SINCE, UNTIL).read(recorded_json(name)))


def test_the_key_is_in_a_header_and_not_in_the_url() -> None:
    signature = API.authenticate(Account("https://api.twelvedata.com", "k"))
    assert (signature.headers, signature.query) == ({"Authorization": "apikey k"}, {})


def test_through_rapidapi_the_key_is_in_rapidapi_s_headers() -> None:
    host = "twelve-data1.p.rapidapi.com"
    signature = API.authenticate(Account(f"https://{host}", "k"))
    assert (signature.headers, signature.query) == ({"X-RapidAPI-Key": "k", "X-RapidAPI-Host": host}, {})


def test_a_host_with_a_name_similar_to_rapidapi_gets_the_usual_header() -> None:
    assert "Authorization" in API.authenticate(Account("https://notrapidapi.com", "k")).headers


def test_a_request_takes_120_symbols() -> None:
    calls = API.quote_requests([f"S{number}" for number in range(250)], NOW)
    assert [len(call.symbols) for call in calls] == [120, 120, 10]
    assert [call.query["symbol"].count(",") + 1 for call in calls] == [120, 120, 10]
    assert {call.path for call in calls} == {"/quote"}


def test_one_symbol_s_quote_is_the_answer_itself() -> None:
    assert read(recorded_json("quote.json"), "AAPL") == {"AAPL": AAPL}


def test_several_quotes_are_listed_by_symbol() -> None:
    quotes = read(recorded_json("quote_batch.json"), "AAPL", "BRK.B")
    assert quotes["AAPL"] == AAPL
    assert isinstance(quotes["BRK.B"], Quote)
    assert (quotes["BRK.B"].price, quotes["BRK.B"].market_state) == (Decimal("476.57001"), "open")


def test_an_error_in_a_batch_fails_only_its_symbol() -> None:
    quotes = read(recorded_json("quote_batch_error.json"), "AAPL", "NOPE", "BRK.B", "MISSING")
    assert isinstance(quotes["AAPL"], Quote)
    assert isinstance(quotes["BRK.B"], Quote)
    assert type(quotes["NOPE"]) is UnknownSymbol
    assert str(quotes["NOPE"]).startswith("**symbol** not found: NOPE.")
    assert "MISSING" not in quotes


def test_the_answer_has_a_symbol_without_its_exchange() -> None:
    quote = {**recorded_json("quote.json"), "symbol": "SBIN", "currency": "INR"}
    assert isinstance(read(quote, "SBIN:NSE")["SBIN:NSE"], Quote)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"symbol": "MSFT"}, "another symbol: 'MSFT'"),
        ({"symbol": 1}, "another symbol: '1'"),
        ({"close": None}, "the price is missing"),
        ({"close": "0.00000"}, "the price"),
        ({"close": "NaN"}, "the price"),
        ({"close": "-1.0"}, "the price"),
        ({"last_quote_at": None, "timestamp": None}, "the time is missing"),
        ({"last_quote_at": "soon"}, "the time is 'soon'"),
    ],
)
def test_an_invalid_quote_has_no_price(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidResponse, match=message):
        read_one(**changes)


def test_a_quote_without_a_symbol_is_accepted() -> None:
    assert read_one(symbol=None) == read_one()


def test_without_a_last_minute_the_time_is_that_of_the_bar() -> None:
    opening = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    assert read_one(last_quote_at=None).as_of == opening
    assert read_one(last_quote_at=0).as_of == opening


def test_missing_optional_fields_are_none() -> None:
    quote = read_one(volume=None, open="", high=None, low=[], previous_close="0", currency="GBp", is_market_open=None)
    assert quote == Quote(AAPL.price, AAPL.as_of)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("error_symbol.json", UnknownSymbol, "symbol or figi parameter is missing"),
        ("error_plan.json", UnknownSymbol, "available starting with the Grow"),
        ("error_forbidden.json", UnknownSymbol, "has no permissions"),
        (
            "error_key.json",
            AuthenticationFailed,
            "apikey parameter",
        ),
        ("error_minute.json", RateLimited, "You have run out of API credits for the current minute"),
        ("error_day.json", RateLimited, "run out of API credits for the day"),
        ("error_too_long.json", InvalidResponse, "accepts multiple values"),
        ("error_server.json", ProviderUnavailable, "error on the server-side"),
        ("no_trading.json", NoPrices, "No data is available"),
    ],
)
def test_an_error_is_found_with_any_status(name: str, kind: type[ProviderError], message: str, status: int) -> None:
    error = API.read_error(status, recorded_json(name), NOW)
    assert type(error) is kind
    assert message in str(error)


@pytest.mark.parametrize(
    ("name", "until"),
    [
        ("error_minute.json", NEXT_MINUTE),
        ("error_day.json", NEXT_DAY),
        ("rapidapi_minute.json", NEXT_MINUTE),
        ("rapidapi_day.json", NEXT_DAY),
    ],
)
def test_a_rate_limit_ends_with_its_minute_or_day(name: str, until: datetime) -> None:
    error = API.read_error(429, recorded_json(name), NOW)
    assert isinstance(error, RateLimited)
    assert error.retry_at == until


def test_a_rate_limit_instead_of_a_quote_is_found() -> None:
    found = read({"AAPL": recorded_json("quote.json"), "IBM": recorded_json("error_minute.json")}, "AAPL", "IBM")["IBM"]
    assert isinstance(found, RateLimited)
    assert found.retry_at == NEXT_MINUTE


@pytest.mark.parametrize("name", ["quote.json", "quote_batch_error.json", "time_series_1day.json"])
def test_a_valid_answer_is_not_an_error(name: str) -> None:
    assert API.read_error(200, recorded_json(name), NOW) is None


def test_the_status_decides_about_a_gateway_s_message() -> None:
    assert API.read_error(403, recorded_json("rapidapi_not_subscribed.json"), NOW) is None


def test_an_error_without_a_message_names_its_code() -> None:
    assert str(API.read_error(200, {"code": 503, "status": "error"}, NOW)) == "error 503 without a message"


def test_five_minute_bars_are_requested_in_utc_from_the_bar_that_ends_first() -> None:
    assert API.history_request("BRK.B", Interval.FIVE_MINUTES, SINCE, UNTIL).query == {
        "symbol": "BRK.B",
        "interval": "5min",
        "timezone": "UTC",
        "start_date": "2026-11-16T23:55:00",
        "end_date": "2026-11-21T08:30:00",
        "outputsize": "5000",
        "order": "ASC",
        "adjust": "none",
    }


def test_daily_bars_are_requested_by_the_exchange_s_dates() -> None:
    query = API.history_request("AAPL", Interval.DAY, SINCE, UNTIL).query
    assert (query["start_date"], query["end_date"]) == ("2026-11-17", "2026-11-21T23:59:59")
    assert "timezone" not in query


def test_a_five_minute_bar_has_the_time_of_its_end() -> None:
    quotes = read_history("time_series_5min.json", "AAPL", Interval.FIVE_MINUTES)
    start = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
    assert [quote.as_of for quote in quotes] == [start + timedelta(minutes=5 * step) for step in range(3)]
    assert quotes[0] == Quote(
        Decimal("228.545"), start, "USD", 1764190, Decimal("228.06"), Decimal("228.88"), Decimal("227.41")
    )


def test_a_daily_bar_has_midnight_utc_of_its_date() -> None:
    quotes = read_history("time_series_1day.json", "BRK.B", Interval.DAY)
    assert [quote.as_of for quote in quotes] == [datetime(2026, 11, day, tzinfo=UTC) for day in (18, 19, 20)]
    assert quotes[-1].price == Decimal("476.57001")


def test_past_prices_of_another_symbol_are_an_invalid_response() -> None:
    with pytest.raises(InvalidResponse, match="another symbol"):
        read_history("time_series_5min.json", "MSFT", Interval.FIVE_MINUTES)


def test_a_bar_without_a_price_is_invalid_and_so_is_an_answer_of_such_bars() -> None:
    series = recorded_json("time_series_1day.json")
    series["values"][0]["close"] = "0.00000"
    call = API.history_request("BRK.B", Interval.DAY, SINCE, UNTIL)
    _, *rest = call.read(series)
    assert [type(each) for each in call.read(series)] == [InvalidBar, Quote, Quote]
    assert rest == list(call.read({**series, "values": series["values"][1:]}))
    series["values"] = series["values"][:1]
    with pytest.raises(InvalidResponse, match="the price"):
        call.read(series)


@pytest.mark.parametrize(("interval", "a_day"), [(Interval.DAY, 1), (Interval.FIVE_MINUTES, 288)])
def test_the_longest_range_fits_into_one_answer(interval: Interval, a_day: int) -> None:
    assert API.max_range(interval).days * a_day + 1 <= 5000


VALID = [
    recorded_json(name) for name in ("quote.json", "quote_batch.json", "time_series_5min.json", "time_series_1day.json")
]
NAMES = sorted({"status", "code", "message", *(name for good in VALID for name in names_in(good))})
ANSWERS = st.one_of(any_json(NAMES), *(corrupted(good, NAMES) for good in VALID))


@property_test
@given(answer=ANSWERS, status=st.sampled_from([200, 400, 401, 429, 500]))
def test_only_prices_in_the_answer_are_read(answer: Any, status: int) -> None:
    check_reading(API, ["AAPL", "BRK.B"], status, answer)
