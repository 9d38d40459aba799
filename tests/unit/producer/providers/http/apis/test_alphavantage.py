"""Alpha Vantage: the requests, and the meaning of the answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.providers.base import Interval, Quote
from producer.providers.http.apis.alphavantage import AlphaVantage
from producer.providers.http.parsing import parse_json
from shared.accounts import ACCOUNTS, Account
from shared.errors import AuthenticationFailed, InvalidResponse, ProviderError, RateLimited, UnknownSymbol
from tests.event_factories import NOW, property_test
from tests.fake_apis.malformed import any_json, check_reading, corrupted, names_in
from tests.fake_http_server import recorded

FREE = AlphaVantage(ACCOUNTS["alphavantage"])
PAID = AlphaVantage(Account("https://www.alphavantage.co", "k", per_minute=75))
BULK = AlphaVantage(Account("https://www.alphavantage.co", "k", per_minute=600))
DAY = datetime(2026, 11, 20, tzinfo=UTC)
SINCE, UNTIL = datetime(2026, 11, 17, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
AAPL = Quote(
    price=Decimal("229.87"),
    as_of=DAY,
    volume=38168252,
    open=Decimal("228.06"),
    high=Decimal("230.72"),
    low=Decimal("227.41"),
    previous_close=Decimal("228.52"),
)


def recorded_json(name: str) -> Any:
    return parse_json(recorded("alphavantage", name))


def read(api: AlphaVantage, answer: Any, *symbols: str) -> dict[str, Quote | ProviderError]:
    (call,) = api.quote_requests(symbols, NOW)
    return dict(call.read(answer))


def read_bulk(**changes: Any) -> Quote:
    bulk = recorded_json("bulk.json")
    bulk["data"][0].update(changes)
    found = read(BULK, bulk, "AAPL")["AAPL"]
    if isinstance(found, ProviderError):
        raise found
    return found


def read_days(api: AlphaVantage, answer: Any, since: datetime = SINCE) -> list[Quote]:
    return list(api.history_request("BRK.B", Interval.DAY, since, UNTIL).read(answer))


def compact(first: datetime, count: int = 100) -> Any:
    """Return the daily answer for a free plan with `count` days from `first` on."""
    answer = recorded_json("daily.json")
    bar = answer["Time Series (Daily)"]["2026-11-20"]
    answer["Time Series (Daily)"] = {f"{first + timedelta(days=each):%Y-%m-%d}": bar for each in range(count)}
    return answer


def test_the_key_is_in_the_query() -> None:
    signature = FREE.authenticate(Account("https://www.alphavantage.co", "k"))
    assert (signature.headers, signature.query) == ({}, {"apikey": "k"})


@pytest.mark.parametrize(
    ("per_minute", "per_day", "batch", "requests_per_second"),
    [(5, 25, 1, 1), (None, 25, 1, 1), (75, None, 1, None), (600, None, 100, None), (None, None, 100, None)],
)
def test_the_plan_s_limits_tell_its_features(
    per_minute: int | None, per_day: int | None, batch: int, requests_per_second: float | None
) -> None:
    api = AlphaVantage(Account("http://localhost", per_minute=per_minute, per_day=per_day))
    assert (api.batch_size, api.requests_per_second) == (batch, requests_per_second)


def test_a_share_class_has_a_dash_and_an_exchange_has_a_dot() -> None:
    calls = FREE.quote_requests(["BRK.B", "TSCO.LON", "AAPL"], NOW)
    assert [call.query["symbol"] for call in calls] == ["BRK-B", "TSCO.LON", "AAPL"]
    assert {call.query["function"] for call in calls} == {"GLOBAL_QUOTE"}


def test_a_bulk_request_takes_100_symbols() -> None:
    calls = BULK.quote_requests([f"S{number}" for number in range(250)], NOW)
    assert [len(call.symbols) for call in calls] == [100, 100, 50]
    assert {call.query["function"] for call in calls} == {"REALTIME_BULK_QUOTES"}


def test_the_time_of_a_quote_is_midnight_utc_of_its_trading_day() -> None:
    assert read(FREE, recorded_json("global_quote.json"), "AAPL") == {"AAPL": AAPL}


def test_results_have_our_spelling_of_a_share_class() -> None:
    quote = read(FREE, recorded_json("global_quote_class.json"), "BRK.B")["BRK.B"]
    assert isinstance(quote, Quote)
    assert quote.price == Decimal("476.57")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("01. symbol", "MSFT", "another symbol: 'MSFT'"),
        ("05. price", "0.0000", "the price"),
        ("05. price", None, "the price is missing"),
        ("07. latest trading day", "", "the latest trading day is ''"),
    ],
)
def test_an_invalid_quote_has_no_price(field: str, value: Any, message: str) -> None:
    answer = recorded_json("global_quote.json")
    answer["Global Quote"][field] = value
    found = read(FREE, answer, "AAPL")["AAPL"]
    assert type(found) is InvalidResponse
    assert message in str(found)


def test_an_empty_quote_means_an_unknown_symbol() -> None:
    assert type(read(FREE, recorded_json("global_quote_unknown.json"), "NOPE")["NOPE"]) is UnknownSymbol


def test_an_empty_answer_is_an_invalid_response() -> None:
    assert type(read(FREE, {}, "AAPL")["AAPL"]) is InvalidResponse


def test_in_trading_hours_the_price_is_the_close_at_new_york_time() -> None:
    quote = read_bulk()
    assert quote == Quote(
        price=Decimal("229.87"),
        as_of=datetime(2026, 11, 20, 20, 59, 58, 641000, tzinfo=UTC),
        volume=38168252,
        open=Decimal("228.06"),
        high=Decimal("230.72"),
        low=Decimal("227.41"),
        previous_close=Decimal("228.52"),
    )
    assert read_bulk(timestamp="2026-07-20 10:00:00").as_of == datetime(2026, 7, 20, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("clock", "price"),
    [
        ("04:00:01", "227.9"),
        ("09:29:59.999", "227.9"),
        ("09:30:00", "229.87"),
        ("15:59:59.999", "229.87"),
        ("16:00:00", "227.9"),
        ("19:59:57.644", "227.9"),
    ],
)
def test_outside_trading_hours_the_price_is_the_extended_hours_quote(clock: str, price: str) -> None:
    assert read_bulk(timestamp=f"2026-11-20 {clock}").price == Decimal(price)


@pytest.mark.parametrize("nothing", ["", None, "0", "N/A"])
def test_without_an_extended_hours_quote_the_price_is_the_close(nothing: str | None) -> None:
    quote = read_bulk(timestamp="2026-11-20 16:00:00", extended_hours_quote=nothing)
    assert quote.price == Decimal("229.87")


@pytest.mark.parametrize(
    "time",
    [
        None,
        "",
        5,
        "2026-11-20",
        "20261120",
        "2026-13-20 15:59:58",
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59",
    ],
)
def test_an_invalid_new_york_time_is_an_invalid_response(time: Any) -> None:
    with pytest.raises(InvalidResponse, match="the time"):
        read_bulk(timestamp=time)


def test_an_empty_or_missing_row_fails_only_its_symbol() -> None:
    quotes = read(BULK, recorded_json("bulk_empty_row.json"), "AAPL", "GONE", "BRK.B", "MISSING")
    assert isinstance(quotes["AAPL"], Quote)
    assert isinstance(quotes["BRK.B"], Quote)
    assert type(quotes["GONE"]) is InvalidResponse
    assert "MISSING" not in quotes


def test_sample_quotes_of_a_plan_without_bulk_quotes_are_not_prices() -> None:
    with pytest.raises(UnknownSymbol, match=r"the plan has no bulk quotes: .* premium endpoint"):
        read(BULK, recorded_json("bulk_premium.json"), "AAPL", "BRK.B")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("error_key.json", AuthenticationFailed, "the parameter apikey"),
        ("error_demo.json", AuthenticationFailed, "for demo purposes only"),
        ("premium.json", UnknownSymbol, "This is a premium endpoint"),
        ("premium_full.json", UnknownSymbol, "outputsize=full parameter value is a premium feature"),
        ("error_symbol.json", UnknownSymbol, "Invalid API call"),
        ("error_function.json", InvalidResponse, "does not exist"),
        ("limit_day.json", RateLimited, "25 requests per day"),
        ("limit_burst.json", RateLimited, "1 request per second"),
        ("limit_minute.json", RateLimited, "5 calls per minute"),
    ],
)
def test_an_error_with_status_200_is_found(name: str, kind: type[ProviderError], message: str) -> None:
    error = FREE.read_error(200, recorded_json(name), NOW)
    assert type(error) is kind
    assert message in str(error)


@pytest.mark.parametrize(
    ("name", "until"),
    [
        ("limit_day.json", datetime(2024, 11, 21, tzinfo=UTC)),
        ("limit_burst.json", datetime(2024, 11, 20, 10, 1, tzinfo=UTC)),
        ("limit_minute.json", datetime(2024, 11, 20, 10, 1, tzinfo=UTC)),
    ],
)
def test_a_rate_limit_ends_with_its_minute_or_day(name: str, until: datetime) -> None:
    error = FREE.read_error(200, recorded_json(name), NOW)
    assert isinstance(error, RateLimited)
    assert error.retry_at == until


@pytest.mark.parametrize("name", ["global_quote.json", "global_quote_unknown.json", "bulk.json", "daily.json"])
def test_a_valid_answer_is_not_an_error(name: str) -> None:
    assert FREE.read_error(200, recorded_json(name), NOW) is None


def test_daily_bars_have_the_close_and_midnight_utc_of_their_date() -> None:
    quotes = read_days(FREE, recorded_json("daily.json"))
    assert [quote.as_of.day for quote in quotes] == [20, 19, 18]
    assert quotes[0] == Quote(
        price=Decimal("476.57"),
        as_of=DAY,
        volume=3947265,
        open=Decimal("468.9"),
        high=Decimal("476.81"),
        low=Decimal("468.11"),
    )


@pytest.mark.parametrize(("api", "size"), [(FREE, "compact"), (PAID, "full")])
def test_the_free_plan_requests_only_the_days_that_it_has(api: AlphaVantage, size: str) -> None:
    query = api.history_request("BRK.B", Interval.DAY, SINCE, UNTIL).query
    assert query == {"function": "TIME_SERIES_DAILY", "symbol": "BRK-B", "outputsize": size}


def test_days_that_the_free_plan_lacks_are_not_days_without_trading() -> None:
    first = SINCE + timedelta(days=1)
    with pytest.raises(UnknownSymbol, match="the free plan has only the last 100 days; use --since 2026-11-18"):
        read_days(FREE, compact(first))
    assert len(read_days(FREE, compact(first), since=first)) == 100
    assert len(read_days(PAID, compact(first))) == 100
    assert len(read_days(FREE, compact(first, count=99))) == 99


def test_past_prices_of_another_symbol_are_an_invalid_response() -> None:
    answer = recorded_json("daily.json")
    answer["Meta Data"]["2. Symbol"] = "BRK-A"
    with pytest.raises(InvalidResponse, match="another symbol"):
        read_days(FREE, answer)


def test_there_are_no_five_minute_prices() -> None:
    with pytest.raises(ProviderError, match="use --interval 1d"):
        FREE.max_range(Interval.FIVE_MINUTES)
    with pytest.raises(ProviderError, match="use --interval 1d"):
        FREE.history_request("AAPL", Interval.FIVE_MINUTES, SINCE, UNTIL)
    assert FREE.max_range(Interval.DAY) > timedelta(days=365)


VALID = [recorded_json(name) for name in ("global_quote.json", "bulk.json", "daily.json")]
NAMES = sorted({"Information", "Note", "Error Message", *(name for good in VALID for name in names_in(good))})
ANSWERS = st.one_of(any_json(NAMES), *(corrupted(good, NAMES) for good in VALID))


@property_test
@given(answer=ANSWERS, api=st.sampled_from([FREE, PAID, BULK]))
def test_only_prices_in_the_answer_are_read(answer: Any, api: AlphaVantage) -> None:
    for symbol in ("AAPL", "BRK.B"):
        check_reading(api, [symbol], 200, answer)
    check_reading(BULK, ["AAPL", "BRK.B"], 200, answer)
