"""Yahoo Finance: the requests for quotes, and the meaning of charts, sparks and errors."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.providers.base import Quote
from producer.providers.http.apis.yahoo_symbols import yahoo_symbol
from producer.providers.http.client import Response
from producer.providers.http.responses import read_response
from shared.errors import (
    InvalidResponse,
    NoPrices,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    UnknownSymbol,
    UnreadableResponse,
)
from tests.event_factories import property_test
from tests.fake_apis.malformed import any_json, check_reading, corrupted, names_in
from tests.fake_apis.yahoo_answers import AT, MANY, YAHOO, read_chart, read_spark, recorded_json, with_meta
from tests.fake_http_server import recorded

TRADED = datetime(2024, 11, 20, 14, 53, 38, tzinfo=UTC)


def read_error_of(name: str, status: int) -> ProviderError:
    with pytest.raises(ProviderError) as error:
        read_response(YAHOO, Response(status, "", recorded("yahoo", name), None), AT)
    return error.value


def test_a_chart_has_all_fields_of_a_quote() -> None:
    assert read_chart("AAPL", recorded_json("chart.json")) == Quote(
        price=Decimal("228.87"),
        as_of=TRADED,
        currency="USD",
        volume=4218154,
        open=Decimal("228.06"),
        high=Decimal("228.91"),
        low=Decimal("227.41"),
        previous_close=Decimal("228.28"),
        market_state="open",
        delayed=None,
    )


def test_a_dot_in_our_symbols_is_a_dash_at_yahoo() -> None:
    (call,) = YAHOO.quote_requests(["BRK.B"], AT)
    assert call.path == "/v8/finance/chart/BRK-B"
    answer = call.read(recorded_json("chart_brk_b.json"))["BRK.B"]
    assert isinstance(answer, Quote)
    assert answer.price == Decimal("469.95")


def test_pence_are_not_a_currency_and_a_delay_is_reported() -> None:
    answer = read_chart("VOD.L", recorded_json("chart_vod_l.json"))
    assert isinstance(answer, Quote)
    assert (answer.price, answer.currency, answer.delayed, answer.market_state) == (
        Decimal("68.82"),
        None,
        True,
        "open",
    )


@pytest.mark.parametrize(
    ("symbol", "yahoo_name"),
    [
        ("AAPL", "AAPL"),
        ("BRK.B", "BRK-B"),
        ("BRK-B", "BRK-B"),
        ("BF.A", "BF-A"),
        ("VOD.L", "VOD.L"),
        ("SAP.DE", "SAP.DE"),
        ("7203.T", "7203.T"),
        ("TECK.B.TO", "TECK-B.TO"),
        ("NOVO-B.CO", "NOVO-B.CO"),
        (".L", ".L"),
        ("^GSPC", "^GSPC"),
        ("EURUSD=X", "EURUSD=X"),
    ],
)
def test_symbols_are_converted_to_yahoo_s_spelling(symbol: str, yahoo_name: str) -> None:
    assert yahoo_symbol(symbol) == yahoo_name


def test_special_characters_are_escaped_in_a_path() -> None:
    paths = [call.path.rpartition("/")[2] for call in YAHOO.quote_requests(["^GSPC", "EURUSD=X", "A/B"], AT)]
    assert paths == ["%5EGSPC", "EURUSD%3DX", "A%2FB"]


@pytest.mark.parametrize(
    ("at", "state"),
    [
        ("08:59", "closed"),
        ("09:00", "pre"),
        ("14:29", "pre"),
        ("14:30", "open"),
        ("20:59", "open"),
        ("21:00", "post"),
        ("01:00", "closed"),
    ],
)
def test_the_market_state_is_that_of_the_current_time(at: str, state: str) -> None:
    hour, minute = map(int, at.split(":"))
    answer = read_chart("AAPL", recorded_json("chart.json"), AT.replace(hour=hour, minute=minute))
    assert isinstance(answer, Quote)
    assert answer.market_state == state


def test_a_missing_market_state_is_none() -> None:
    answer = read_chart("AAPL", with_meta("chart.json", currentTradingPeriod=None, exchangeDataDelayedBy=0))
    assert isinstance(answer, Quote)
    assert (answer.market_state, answer.delayed) == (None, False)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"symbol": "MSFT"}, "the answer has 'MSFT' instead of 'AAPL'"),
        ({"symbol": None}, "instead of"),
        ({"regularMarketPrice": None}, "price is missing"),
        ({"regularMarketPrice": 0}, "more than zero"),
        ({"regularMarketPrice": Decimal("228.8712345678901")}, "significant digits"),
        ({"regularMarketTime": None}, "time is missing"),
        ({"regularMarketTime": 0}, "time is '0'"),
    ],
)
def test_a_chart_without_a_price_of_its_symbol_is_invalid(fields: dict[str, Any], why: str) -> None:
    answer = read_chart("AAPL", with_meta("chart.json", **fields))
    assert isinstance(answer, InvalidResponse)
    assert why in str(answer)


def test_a_chart_of_nulls_is_invalid() -> None:
    assert isinstance(read_chart("AAPL", recorded_json("chart_nulls.json")), InvalidResponse)


@pytest.mark.parametrize("answer", [{}, [], None, {"chart": None}, {"chart": {"result": []}}, {"chart": {"result": 1}}])
def test_anything_but_a_chart_is_an_invalid_response(answer: Any) -> None:
    with pytest.raises(InvalidResponse):
        read_chart("AAPL", answer)


def test_up_to_twenty_symbols_are_charts_and_more_are_sparks() -> None:
    charts = YAHOO.quote_requests([*MANY, "BRK.B"], AT)
    assert [call.symbols for call in charts] == [[symbol] for symbol in [*MANY, "BRK.B"]]
    first, second = YAHOO.quote_requests([*MANY, "BRK.B", "AAPL"], AT)
    assert (first.path, first.query["symbols"]) == ("/v8/finance/spark", ",".join([*MANY, "BRK-B"]))
    assert [call.path for call in first.fallback] == [call.path for call in charts]
    assert second.symbols == ["AAPL"]


def test_sparks_have_the_last_close_and_its_time() -> None:
    answers = read_spark(["AAPL", "BRK.B", "HALT", "NONE"], recorded_json("spark.json"))
    assert answers["AAPL"] == Quote(Decimal("228.87"), TRADED, previous_close=Decimal("228.28"))
    assert answers["BRK.B"] == Quote(Decimal("469.95"), TRADED, previous_close=Decimal("470.05"))
    assert isinstance(answers["HALT"], InvalidResponse)
    assert isinstance(answers["NONE"], UnknownSymbol)


def test_sparks_that_are_small_charts_are_read_as_charts() -> None:
    answers = read_spark(["AAPL", "BRK.B", "HALT", "NONE"], recorded_json("spark_results.json"))
    apple, berkshire = answers["AAPL"], answers["BRK.B"]
    assert isinstance(apple, Quote)
    assert isinstance(berkshire, Quote)
    assert (apple.price, apple.as_of, apple.currency, apple.market_state) == (Decimal("228.87"), TRADED, "USD", "open")
    assert (berkshire.price, berkshire.volume) == (Decimal("469.95"), 160613)
    assert isinstance(answers["HALT"], InvalidResponse)
    assert isinstance(answers["NONE"], UnknownSymbol)


@pytest.mark.parametrize("answer", [{}, {"OTHER": {}}, {"spark": {"result": []}}, {"spark": {"result": None}}, []])
def test_sparks_without_any_requested_symbol_are_an_invalid_response(answer: Any) -> None:
    with pytest.raises(InvalidResponse):
        read_spark(["AAPL"], answer)


@pytest.mark.parametrize(
    "changes",
    [{"symbol": "MSFT"}, {"close": [1, 2]}, {"close": None}, {"timestamp": [None] * 5}, {"close": [0] * 5}],
)
def test_an_invalid_spark_does_not_affect_the_others(changes: dict[str, Any]) -> None:
    sparks = recorded_json("spark.json")
    sparks["AAPL"].update(changes)
    answers = read_spark(["AAPL", "BRK.B"], sparks)
    assert isinstance(answers["AAPL"], InvalidResponse)
    assert isinstance(answers["BRK.B"], Quote)


@pytest.mark.parametrize(
    ("name", "status", "kind", "message"),
    [
        ("chart_unknown.json", 404, UnknownSymbol, "No data found, symbol may be delisted"),
        ("chart_unknown.json", 200, UnknownSymbol, "No data found, symbol may be delisted"),
        ("spark_unknown.json", 404, UnknownSymbol, "No data found for spark symbols"),
        ("past_too_old.json", 422, UnknownSymbol, "must be within the last 60 days"),
        ("past_before_the_first.json", 400, NoPrices, "Data doesn't exist for startDate"),
        ("bad_request.json", 400, InvalidResponse, "interval=7m is not supported"),
        ("unauthorized.json", 401, ProviderUnavailable, "Invalid Crumb"),
        ("unauthorized.json", 200, ProviderUnavailable, "Invalid Crumb"),
        ("failing.json", 500, ProviderUnavailable, "An internal error occurred"),
        ("throttled.json", 429, RateLimited, "Rate limited. Please try again later."),
        ("throttled.json", 200, RateLimited, "Rate limited. Please try again later."),
        ("throttled.txt", 429, RateLimited, "Edge: Too Many Requests"),
        ("throttled.txt", 200, UnreadableResponse, "Edge: Too Many Requests"),
        ("throttled.txt", 401, ProviderUnavailable, "Edge: Too Many Requests"),
        ("gone.html", 200, UnreadableResponse, "an HTML page"),
        ("gone.html", 403, ProviderUnavailable, "an HTML page"),
        ("gone.html", 404, InvalidResponse, "an HTML page"),
        ("gone.html", 503, ProviderUnavailable, "an HTML page"),
    ],
)
def test_the_message_decides_about_the_error_with_any_status(
    name: str, status: int, kind: type[ProviderError], message: str
) -> None:
    error = read_error_of(name, status)
    assert type(error) is kind
    assert message in str(error)


@pytest.mark.parametrize("name", ["chart.json", "spark.json", "spark_results.json", "past_days.json"])
def test_a_valid_answer_is_not_an_error(name: str) -> None:
    assert YAHOO.read_error(200, recorded_json(name), AT) is None


@pytest.mark.parametrize("hint", [None, "2", [], -1, 2])
def test_a_widened_float_is_read_with_and_without_a_hint_at_its_decimals(hint: Any) -> None:
    widened = Decimal("189.9499969482422")
    quote = read_chart("AAPL", with_meta("chart.json", regularMarketPrice=widened, priceHint=hint))
    assert isinstance(quote, Quote)
    assert quote.price == Decimal("189.95")
    sparks = recorded_json("spark.json")
    sparks["AAPL"]["close"][3] = widened
    spark = read_spark(["AAPL"], sparks)["AAPL"]
    assert isinstance(spark, Quote)
    assert spark.price == Decimal("189.95")


@pytest.mark.parametrize(
    ("symbol", "answered", "is_taken"),
    [
        ("USDEUR=X", "EUR=X", True),
        ("USDEUR=X", "USDEUR=X", True),
        ("EUR=X", "EUR=X", True),
        ("EUR=X", "USDEUR=X", True),
        ("GBPEUR=X", "GBPEUR=X", True),
        ("GBPEUR=X", "EUR=X", False),
        ("EURUSD=X", "USD=X", False),
        ("USDEUR=X", "GBP=X", False),
        ("USDEUR=X", "eur=X", False),
        ("USDEURX", "EURX", False),
        ("AAPL", "aapl", False),
    ],
)
def test_only_a_pair_with_the_dollar_may_be_answered_without_it(symbol: str, answered: str, is_taken: bool) -> None:
    kind = Quote if is_taken else InvalidResponse
    assert isinstance(read_chart(symbol, with_meta("chart.json", symbol=answered)), kind)
    chart = with_meta("chart.json", symbol=answered)["chart"]["result"][0]
    sparks = {"spark": {"result": [{"symbol": answered, "response": [chart]}]}}
    if is_taken:
        assert isinstance(read_spark([symbol], sparks)[symbol], Quote)
    else:
        with pytest.raises(InvalidResponse, match="none of the symbols"):
            read_spark([symbol], sparks)


def test_a_first_open_that_is_zero_is_not_replaced_by_a_later_one() -> None:
    answer = recorded_json("chart.json")
    opens = answer["chart"]["result"][0]["indicators"]["quote"][0]["open"]
    opens[:] = [None, 0, 228]
    quote = read_chart("AAPL", answer)
    assert isinstance(quote, Quote)
    assert quote.open is None


VALID = [
    recorded_json(f"{name}.json")
    for name in ("chart", "chart_vod_l", "spark", "spark_results", "past_days", "past_minutes")
]
ERRORS = [
    recorded_json(f"{name}.json")
    for name in ("chart_unknown", "spark_unknown", "unauthorized", "past_before_the_first")
]
NAMES = names_in(VALID)
ANSWERS = st.one_of(any_json(NAMES), *(corrupted(answer, NAMES) for answer in [*VALID, *ERRORS]))


@given(answer=ANSWERS, status=st.integers(200, 599))
@property_test
def test_only_prices_within_a_float_s_error_of_the_answer_are_read(answer: Any, status: int) -> None:
    check_reading(YAHOO, ["AAPL", "BRK.B", "HALT", *MANY], status, answer)
