"""Yahoo Finance: the requests, and the meaning of charts, sparks and errors."""

import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.providers.base import Interval, InvalidBar, Quote, QuoteResults
from producer.providers.http.apis.base import HistoricalApi
from producer.providers.http.apis.yahoo import Yahoo
from producer.providers.http.apis.yahoo_splits import restore_price
from producer.providers.http.apis.yahoo_symbols import yahoo_symbol
from producer.providers.http.client import Response
from producer.providers.http.parsing import parse_json
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
from shared.splits import Split
from tests.event_factories import property_test
from tests.fake_apis.malformed import any_json, check_reading, corrupted, names_in
from tests.fake_http_server import recorded

YAHOO: HistoricalApi = Yahoo()
AT = datetime(2024, 11, 20, 14, 54, tzinfo=UTC)
TRADED = datetime(2024, 11, 20, 14, 53, 38, tzinfo=UTC)
NOVEMBER = datetime(2024, 11, 1, tzinfo=UTC), datetime(2024, 12, 1, tzinfo=UTC)
MANY = [f"S{number}" for number in range(19)]
OPENED = datetime(2024, 11, 20, 14, 30, tzinfo=UTC)


def recorded_json(name: str) -> Any:
    return parse_json(recorded("yahoo", name))


def read_chart(symbol: str, answer: Any, at: datetime = AT) -> Quote | ProviderError:
    (call,) = YAHOO.quote_requests([symbol], at)
    return call.read(answer)[symbol]


def read_spark(symbols: Sequence[str], answer: Any) -> QuoteResults:
    first, _ = YAHOO.quote_requests([*symbols, *MANY[: 20 - len(symbols)], "LAST"], AT)
    found = first.read(answer)
    return {symbol: found[symbol] for symbol in symbols}


def read_history(interval: Interval, answer: Any, symbol: str = "AAPL") -> Sequence[Any]:
    return YAHOO.history_request(symbol, interval, *NOVEMBER).read(answer)


def read_error_of(name: str, status: int) -> ProviderError:
    with pytest.raises(ProviderError) as error:
        read_response(YAHOO, Response(status, "", recorded("yahoo", name), None), AT)
    return error.value


def with_meta(name: str, **fields: Any) -> Any:
    answer = recorded_json(name)
    answer["chart"]["result"][0]["meta"].update(fields)
    return answer


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


def test_daily_bars_have_midnight_utc_of_the_exchange_s_date_without_today() -> None:
    quotes = read_history(Interval.DAY, recorded_json("past_days.json"))
    assert [(quote.as_of.isoformat()[:19], str(quote.price)) for quote in quotes] == [
        ("2024-11-15T00:00:00", "225"),
        ("2024-11-18T00:00:00", "228.02"),
        ("2024-11-19T00:00:00", "228.28"),
    ]
    assert (quotes[1].currency, quotes[1].volume, quotes[1].high) == ("USD", 44686000, Decimal("229.74"))


def test_today_s_bar_is_included_after_the_session() -> None:
    closed = int(datetime(2024, 11, 20, 21, 0, 1, tzinfo=UTC).timestamp())
    assert len(read_history(Interval.DAY, with_meta("past_days.json", regularMarketTime=closed))) == 4
    untold = with_meta("past_days.json", regularMarketTime=closed, currentTradingPeriod=None)
    assert len(read_history(Interval.DAY, untold)) == 3


@pytest.mark.parametrize(
    ("start", "offset", "date"),
    [
        # A summer day in New York requested in winter, and the reverse.
        ("2024-07-03T13:30", -18_000, "2024-07-03"),
        ("2024-11-18T14:30", -14_400, "2024-11-18"),
        ("2024-11-19T00:00", 32_400, "2024-11-19"),  # Tokyo
        ("2024-11-18T23:00", 39_600, "2024-11-19"),  # Sydney
        # Currencies begin at midnight in London, also in summer.
        ("2024-07-02T23:00", 0, "2024-07-03"),
        ("2024-11-19T00:00", 0, "2024-11-19"),
        ("2024-11-19T00:00", 3_600, "2024-11-19"),
    ],
)
def test_a_day_is_a_date_at_the_exchange(start: str, offset: int, date: str) -> None:
    answer = with_meta("past_days.json", gmtoffset=offset)
    moment = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp())
    answer["chart"]["result"][0]["timestamp"][0] = moment
    assert f"{read_history(Interval.DAY, answer)[0].as_of:%Y-%m-%d}" == date


def test_five_minute_bars_have_the_time_of_their_end_and_unfinished_bars_are_left_out() -> None:
    quotes = read_history(Interval.FIVE_MINUTES, recorded_json("past_minutes.json"))
    minutes = [(quote.as_of - OPENED) / timedelta(minutes=1) for quote in quotes]
    assert minutes == [5, 10, 20]
    assert [str(quote.price) for quote in quotes] == ["228.02", "228.45", "228.77"]


def test_a_time_range_without_trading_is_empty() -> None:
    assert read_history(Interval.FIVE_MINUTES, recorded_json("past_nothing.json")) == []


@pytest.mark.parametrize("interval", Interval)
def test_past_prices_of_another_symbol_are_an_invalid_response(interval: Interval) -> None:
    with pytest.raises(InvalidResponse, match="instead of 'MSFT'"):
        read_history(interval, recorded_json("past_days.json"), "MSFT")


def with_columns(**columns: Any) -> Any:
    """Return a chart of three finished days with these columns, and without those that are None."""
    days = [datetime(2024, 11, day, 14, 30, tzinfo=UTC) for day in (13, 14, 15)]
    answer = recorded_json("past_days.json")
    chart = answer["chart"]["result"][0]
    table = {
        "open": [20, 21, 22],
        "high": [25, 26, 27],
        "low": [19, 20, 21],
        "close": [23, 24, 25],
        "volume": [1, 2, 3],
    }
    chart["timestamp"] = columns.pop("timestamp", [int(day.timestamp()) for day in days])
    table.update(columns)
    chart["indicators"]["quote"] = [{name: column for name, column in table.items() if column is not None}]
    return answer


@pytest.mark.parametrize("column", ["open", "high", "low", "volume"])
@pytest.mark.parametrize("ragged", [[], None, "abc", {"0": 1}, [None, None, None], [[1], {}, "x"]], ids=str)
def test_a_column_without_its_values_costs_only_its_field(column: str, ragged: Any) -> None:
    bars = read_history(Interval.DAY, with_columns(**{column: ragged}))
    assert [bar.price for bar in bars] == [23, 24, 25]
    assert [getattr(bar, column) for bar in bars] == [None] * 3
    for other in {"open", "high", "low", "volume"} - {column}:
        assert all(getattr(bar, other) is not None for bar in bars)


def test_a_short_column_costs_only_the_fields_that_it_lacks() -> None:
    bars = read_history(Interval.DAY, with_columns(high=[25, 26], volume=[1, 2, 3, 4]))
    assert [(bar.price, bar.high, bar.volume) for bar in bars] == [(23, 25, 1), (24, 26, 2), (25, None, 3)]


def test_a_price_column_of_another_length_is_read_if_all_its_prices_are_within_their_bars() -> None:
    short = read_history(Interval.DAY, with_columns(close=[23, 24]))
    assert [(bar.price, bar.as_of.day) for bar in short] == [(23, 13), (24, 14)]
    # The first price is missing. Some of the others are within the bars before theirs.
    shifted = with_columns(close=[24, 28], high=[25, 27, 28])
    with pytest.raises(InvalidResponse, match="the columns have different lengths"):
        read_history(Interval.DAY, shifted)
    first, *others = read_history(Interval.DAY, with_columns(close=[23, 24, 25, 26]))
    assert first.price == 23
    assert others[-1] == InvalidBar(None, "the time is missing")


@pytest.mark.parametrize("time", [None, 0, -1, "20241115", 20241115, "x", [], 10**11 - 1, 10**20])
def test_a_bar_without_a_time_costs_no_other_bar(time: Any) -> None:
    answer = with_columns()
    answer["chart"]["result"][0]["timestamp"][1] = time
    first, invalid, last = read_history(Interval.DAY, answer)
    assert (first.price, last.price) == (23, 25)
    assert isinstance(invalid, InvalidBar)
    assert invalid.reason.startswith("the time is ")


@pytest.mark.parametrize("fields", [{"regularMarketTime": None}, {"regularMarketTime": "x"}, {"priceHint": "2"}])
def test_an_odd_field_of_the_meta_costs_no_bar(fields: dict[str, Any]) -> None:
    answer = with_columns()
    answer["chart"]["result"][0]["meta"].update(fields)
    assert [bar.price for bar in read_history(Interval.DAY, answer)] == [23, 24, 25]


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


def test_a_bar_in_the_far_future_is_not_taken_for_an_unfinished_one() -> None:
    answer = with_columns()
    answer["chart"]["result"][0]["timestamp"][2] = 4_102_444_800
    assert [bar.as_of.year for bar in read_history(Interval.DAY, answer)] == [2024, 2024, 2099]


def test_bars_before_1973_are_read_if_they_were_asked_for() -> None:
    since = datetime(1970, 1, 1, tzinfo=UTC)
    answer = with_columns(timestamp=[52_200, 138_600, 225_000])
    bars = YAHOO.history_request("AAPL", Interval.DAY, since, since + timedelta(days=4)).read(answer)
    assert [bar.as_of for bar in bars] == [since + timedelta(days=days) for days in range(3)]
    with pytest.raises(InvalidResponse, match="the time is '52200'"):
        read_history(Interval.DAY, answer)


def test_an_ambiguous_float_is_invalid() -> None:
    answer = recorded_json("past_days.json")
    answer["chart"]["result"][0]["indicators"]["quote"][0]["close"][1] = Decimal("228.0212345678901")
    first, invalid, last = read_history(Interval.DAY, answer)
    assert [str(first.price), str(last.price)] == ["225", "228.28"]
    assert isinstance(invalid, InvalidBar)
    assert (invalid.as_of, invalid.reason[:10]) == (datetime(2024, 11, 18, tzinfo=UTC), "the price ")


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


def test_the_requested_times_select_bars_by_their_beginning() -> None:
    since, until = datetime(2024, 11, 18, tzinfo=UTC), datetime(2024, 11, 19, tzinfo=UTC)
    days = YAHOO.history_request("BRK.B", Interval.DAY, since, until)
    assert (days.path, days.query["interval"]) == ("/v8/finance/chart/BRK-B", "1d")
    assert int(days.query["period1"]) == since.timestamp() - 86_400
    assert int(days.query["period2"]) == until.timestamp() + 86_400
    minutes = YAHOO.history_request("BRK.B", Interval.FIVE_MINUTES, since, until)
    assert (int(minutes.query["period1"]), int(minutes.query["period2"])) == (
        since.timestamp() - 300,
        until.timestamp(),
    )
    assert YAHOO.max_range(Interval.FIVE_MINUTES) < timedelta(days=60)


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


def test_past_prices_are_multiplied_back_by_all_later_splits() -> None:
    """Yahoo has divided AAPL's prices of 2014 by 28, and those of August 2020 by 4."""
    splits, bars = split_history(recorded_json("past_splits.json"))
    assert splits == [Split("AAPL", date(2014, 6, 9), 7, 1), Split("AAPL", date(2020, 8, 31), 4, 1)]
    assert [(f"{bar.as_of:%Y-%m-%d}", bar.open, bar.high, bar.low, bar.price, bar.volume) for bar in bars] == [
        (day, *map(Decimal, prices.split()), volume)
        for day, prices, volume in [
            ("2014-06-05", "646.2 649.37 642.61 647.35", 10850163),
            ("2014-06-06", "649.9 651.26 644.47 645.57", 12497848),
            ("2014-06-09", "92.7 93.88 91.75 93.7", 75415041),
            ("2020-08-27", "508.57 509.94 495.33 500.04", 38888096),
            ("2020-08-28", "504.05 505.77 498.31 499.23", 46907479),
            ("2020-08-31", "127.58 131 126 129.04", 225702700),
            ("2020-09-01", "132.76 134.8 130.53 134.18", 151948100),
            ("2024-11-19", "226.98 230.16 226.66 228.28", 36211800),
        ]
    ]


def test_five_minute_bars_are_multiplied_back_by_the_date_at_the_exchange() -> None:
    answer = recorded_json("past_minutes.json")
    day = {"date": 1732113000, "numerator": 2, "denominator": 1, "splitRatio": "2:1"}
    answer["chart"]["result"][0]["events"] = {"splits": {"1732113000": day}}
    [split, *bars] = read_history(Interval.FIVE_MINUTES, answer)
    assert (split.ratio, bars[0].price, bars[0].volume) == ("2:1", Decimal("228.02"), 1954812)
    answer["chart"]["result"][0]["events"]["splits"]["1732113000"]["date"] = 1732199400
    [split, *bars] = read_history(Interval.FIVE_MINUTES, answer)
    assert (split.day, bars[0].price, bars[0].volume) == (date(2024, 11, 21), Decimal("456.04"), 977406)


@pytest.mark.parametrize(
    ("entry", "ratio"),
    [
        ({"numerator": 1, "denominator": 10}, "1:10"),
        ({"numerator": 1487, "denominator": 1000}, "1487:1000"),
        ({"numerator": Decimal("1.5"), "denominator": Decimal("1.0")}, "3:2"),
        ({"numerator": 1, "denominator": 1}, None),
    ],
)
def test_splits_of_any_ratio_are_read(entry: dict[str, Any], ratio: str | None) -> None:
    answer = recorded_json("past_splits.json")
    answer["chart"]["result"][0]["events"]["splits"] = {"1598880600": {"date": 1598880600, **entry}}
    splits, _ = split_history(answer)
    assert [split.ratio for split in splits] == ([] if ratio is None else [ratio])


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "4:1",
        {},
        {"date": 1598880600},
        {"date": 1598880600, "numerator": 4, "denominator": 0},
        {"date": 1598880600, "numerator": -4, "denominator": 1},
        {"date": 1598880600, "numerator": 4_000_000, "denominator": 1},
        {"date": "soon", "numerator": 4, "denominator": 1},
    ],
)
def test_prices_are_refused_if_a_later_split_is_unreadable(entry: Any) -> None:
    answer = recorded_json("past_splits.json")
    answer["chart"]["result"][0]["events"]["splits"]["1598880600"] = entry
    with pytest.raises(InvalidResponse, match="so the prices as traded are unknown"):
        read_history(Interval.DAY, answer)


@pytest.mark.parametrize("decimals", [2, None])
@given(
    price=st.decimals(Decimal("0.5"), Decimal(5000), places=2),
    factor=st.sampled_from(["4", "7", "28", "1/10", "3/2", "1487/1000", "20"]),
    form=st.sampled_from(["float32", "float64"]),
)
@property_test
def test_a_price_that_was_divided_and_stored_as_a_float_is_restored(
    decimals: int | None, price: Decimal, factor: str, form: str
) -> None:
    ratio = Fraction(factor)
    divided = float(Fraction(price) / ratio)
    sent = struct.unpack("f", struct.pack("f", divided))[0] if form == "float32" else divided
    assert restore_price(Decimal(repr(sent)), ratio, decimals) == price


@pytest.mark.parametrize(
    ("value", "factor", "price"),
    [
        # A fraction of a dollar, as before 2001.
        ("2.334821462631226", 28, "65.375"),
        ("124.8075", 4, "499.23"),
        ("17.829643", 28, "499.23"),
        # The product itself, if the value has too few digits to tell.
        ("12.5", 4, "50"),
        ("124.81", 4, "499.24"),
    ],
)
def test_the_product_with_the_fewest_decimals_is_taken(value: str, factor: int, price: str) -> None:
    assert restore_price(Decimal(value), Fraction(factor), 2) == Decimal(price)


def split_history(answer: Any) -> tuple[list[Split], list[Quote]]:
    found = read_history(Interval.DAY, answer)
    return [each for each in found if isinstance(each, Split)], [each for each in found if isinstance(each, Quote)]
