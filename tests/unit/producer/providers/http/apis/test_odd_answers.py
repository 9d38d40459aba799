"""Every provider's answers with odd values: what is odd costs its field or its row, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from producer.providers.base import Interval, InvalidBar, Quote
from producer.providers.http.apis.base import HistoricalApi
from producer.providers.registry import APIS
from shared.accounts import ACCOUNTS
from shared.errors import InvalidResponse, ProviderError

AT = datetime(2026, 11, 20, 15, tzinfo=UTC)
SECOND = int(AT.timestamp())
DAYS = [AT - timedelta(days=days) for days in (3, 2, 1)]
GOOD = {"price": "12.5", "open": "12", "high": "13", "low": "11", "volume": "900", "symbol": "AMPB", "currency": "USD"}

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Vendor:
    """The shape of a provider's answers: a quote, and past days if the provider has them."""

    quote: Callable[[Fields], Any]
    time: Any
    days: Callable[[Sequence[Fields]], Any] | None = None
    # The times of DAYS.
    times: Sequence[Any] = ()


def finnhub_quote(given: Fields) -> Any:
    names = {"price": "c", "open": "o", "high": "h", "low": "l", "time": "t"}
    return {name: given[field] for field, name in names.items()}


def massive_bar(given: Fields) -> Any:
    names = {"open": "o", "high": "h", "low": "l", "price": "c", "volume": "v"}
    return {name: given[field] for field, name in names.items()}


def massive_quote(given: Fields) -> Any:
    trade = {"p": given["price"], "t": given["time"]}
    previous = {"c": Decimal("17.73")}
    ticker = {"ticker": given["symbol"], "day": massive_bar(given), "lastTrade": trade, "prevDay": previous}
    return {"status": "OK", "tickers": [ticker]}


def massive_days(given: Sequence[Fields]) -> Any:
    return {"ticker": "AMPB", "results": [{**massive_bar(each), "t": each["time"]} for each in given]}


def twelvedata_bar(given: Fields) -> Any:
    return {"close": given["price"], **{name: given[name] for name in ("open", "high", "low", "volume")}}


def twelvedata_quote(given: Fields) -> Any:
    return {
        "symbol": given["symbol"], "currency": given["currency"], "timestamp": given["time"], **twelvedata_bar(given)
    }  # fmt: skip


def twelvedata_days(given: Sequence[Fields]) -> Any:
    bars = [{"datetime": each["time"], **twelvedata_bar(each)} for each in given]
    return {"meta": {"symbol": "AMPB", "currency": given[0]["currency"]}, "values": bars, "status": "ok"}


def alphavantage_quote(given: Fields) -> Any:
    fields = {"01. symbol": given["symbol"], "02. open": given["open"], "03. high": given["high"]}
    fields |= {"04. low": given["low"], "05. price": given["price"], "06. volume": given["volume"]}
    return {"Global Quote": {**fields, "07. latest trading day": given["time"]}}


def alphavantage_days(given: Sequence[Fields]) -> Any:
    names = {"open": "1. open", "high": "2. high", "low": "3. low", "price": "4. close", "volume": "5. volume"}
    days = {each["time"]: {name: each[field] for field, name in names.items()} for each in given}
    return {"Meta Data": {"2. Symbol": "AMPB"}, "Time Series (Daily)": days}


def yahoo_chart(given: Fields, **chart: Any) -> Any:
    meta = {"symbol": given["symbol"], "currency": given["currency"], "priceHint": 2, "gmtoffset": -18_000}
    meta |= {"regularMarketPrice": given["price"], "regularMarketTime": given["time"]}
    meta |= {"regularMarketDayHigh": given["high"], "regularMarketDayLow": given["low"]}
    meta |= {"regularMarketVolume": given["volume"]}
    quote = {"open": [given["open"]]}
    return {"chart": {"result": [{"meta": meta, "indicators": {"quote": [quote]}, **chart}], "error": None}}


def yahoo_days(given: Sequence[Fields]) -> Any:
    table = {name: [each[name] for each in given] for name in ("open", "high", "low", "volume")}
    table["close"] = [each["price"] for each in given]
    latest = {**GOOD, "currency": given[0]["currency"], "time": SECOND}
    return yahoo_chart(latest, timestamp=[each["time"] for each in given], indicators={"quote": [table]})


STARTS = [int(day.replace(hour=14, minute=30).timestamp()) for day in DAYS]
MIDNIGHTS = [int(day.replace(hour=5).timestamp()) * 1000 for day in DAYS]
DATES = [f"{day:%Y-%m-%d}" for day in DAYS]
VENDORS = {
    "finnhub": Vendor(finnhub_quote, SECOND),
    "massive": Vendor(massive_quote, SECOND * 10**9, massive_days, MIDNIGHTS),
    "twelvedata": Vendor(twelvedata_quote, SECOND, twelvedata_days, DATES),
    "alphavantage": Vendor(alphavantage_quote, "2026-11-20", alphavantage_days, DATES),
    "yahoo": Vendor(yahoo_chart, SECOND, yahoo_days, STARTS),
}
every_vendor = pytest.mark.parametrize("name", VENDORS)
every_history = pytest.mark.parametrize("name", [name for name, vendor in VENDORS.items() if vendor.days])
every_volume = pytest.mark.parametrize("name", [name for name in VENDORS if name != "finnhub"])
every_symbol = every_volume
every_currency = pytest.mark.parametrize("name", ["twelvedata", "yahoo"])


def test_every_provider_is_tested() -> None:
    assert VENDORS.keys() == APIS.keys()


def read(name: str, **odd: Any) -> Quote | ProviderError:
    call = APIS[name](ACCOUNTS[name]).quote_requests(["AMPB"], AT)[0]
    found = call.read(VENDORS[name].quote({**GOOD, "time": VENDORS[name].time, **odd}))
    return found["AMPB"]


def read_good(name: str, **odd: Any) -> Quote:
    quote = read(name, **odd)
    assert isinstance(quote, Quote), quote
    return quote


def read_days(name: str, **odd: Any) -> Sequence[Any]:
    """Return what is read of three days, of which the second has odd values."""
    vendor, api = VENDORS[name], APIS[name](ACCOUNTS[name])
    assert vendor.days
    assert isinstance(api, HistoricalApi)
    days: list[Fields] = [{**GOOD, "time": time} for time in vendor.times]
    days[1] = {**days[1], **odd}
    return api.history_request("AMPB", Interval.DAY, DAYS[0], AT).read(vendor.days(days))


@every_vendor
def test_a_good_answer_is_read(name: str) -> None:
    quote = read_good(name)
    assert (quote.price, quote.open, quote.high, quote.low) == (Decimal("12.5"), 12, 13, 11)
    assert quote.volume == (None if name == "finnhub" else 900)
    assert quote.remarks == ()


@every_history
def test_good_past_prices_are_read(name: str) -> None:
    assert [(bar.price, bar.volume, f"{bar.as_of:%Y-%m-%d}") for bar in read_days(name)] == [
        (Decimal("12.5"), 900, date) for date in DATES
    ]


FRACTIONS = [Decimal("24306145.87"), "24306145.87", Decimal("2.430614587e7"), "2.430614587E+07"]


@every_volume
@pytest.mark.parametrize("volume", FRACTIONS, ids=str)
def test_a_fraction_of_a_share_is_cut_off(name: str, volume: Any) -> None:
    assert read_good(name, volume=volume).volume == 24306145


@every_history
@pytest.mark.parametrize("volume", FRACTIONS, ids=str)
def test_a_fraction_of_a_share_is_cut_off_in_past_prices(name: str, volume: Any) -> None:
    assert [bar.volume for bar in read_days(name, volume=volume)] == [900, 24306145, 900]


@every_vendor
@pytest.mark.parametrize(
    ("price", "why"),
    [
        (Decimal("-37.63"), "negative"),
        ("-37.63", "negative"),
        (-37, "negative"),
        ("12,5", "not a decimal number"),
        ([12], "an array"),
        (True, "'True'"),
    ],
)
def test_a_negative_or_odd_price_is_refused_and_named(name: str, price: Any, why: str) -> None:
    error = read(name, price=price)
    assert isinstance(error, InvalidResponse)
    assert why in str(error)


@pytest.mark.parametrize("name", [name for name in VENDORS if name != "massive"])
@pytest.mark.parametrize("price", [0, "0.00", None])
def test_a_price_of_zero_is_refused(name: str, price: Any) -> None:
    assert isinstance(read(name, price=price), InvalidResponse)


@every_history
@pytest.mark.parametrize("price", [Decimal("-37.63"), "-37.63", -37, 0, "0.00", "12,5", [12], True])
def test_a_bad_price_among_past_prices_is_named_and_its_neighbours_are_read(name: str, price: Any) -> None:
    first, invalid, last = read_days(name, price=price)
    assert first.price == last.price == Decimal("12.5")
    assert isinstance(invalid, InvalidBar)
    assert f"{invalid.as_of:%Y-%m-%d}" == DATES[1]
    assert invalid.reason.startswith("the price ")


@every_vendor
@pytest.mark.parametrize("time", [None, 0, -1, "", "soon", [], {}, True, 20261120, "14840101", 10**25, "1e300"])
def test_an_absurd_time_is_refused(name: str, time: Any) -> None:
    error = read(name, time=time)
    assert isinstance(error, InvalidResponse)
    assert str(error).startswith(("the time is ", "the latest trading day is "))


@pytest.mark.parametrize("name", ["finnhub", "massive", "twelvedata", "yahoo"])
@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_the_digits_of_a_time_tell_its_unit(name: str, unit: int) -> None:
    assert read_good(name, time=SECOND * unit).as_of == read_good(name, time=str(SECOND * unit)).as_of == AT


@every_history
@pytest.mark.parametrize("time", ["soon", "14840101", "", "2026-11-32"])
def test_an_absurd_time_costs_only_its_bar(name: str, time: Any) -> None:
    first, invalid, last = read_days(name, time=time)
    assert first.price == last.price == Decimal("12.5")
    assert isinstance(invalid, InvalidBar)
    assert invalid.as_of is None


@every_vendor
@pytest.mark.parametrize(
    ("odd", "kept"),
    [
        ({"open": 0, "high": 0, "low": 0}, (None, None, None)),
        ({"open": "0.00", "high": None, "low": "-11"}, (None, None, None)),
        ({"high": "11", "low": "13"}, (12, None, None)),
        ({"high": "12.4"}, (12, None, 11)),
        ({"low": "12.6", "open": "12.7"}, (Decimal("12.7"), 13, None)),
        ({"open": "99"}, (None, 13, 11)),
        ({"open": [], "high": {}, "low": True}, (None, None, None)),
        ({"open": "n/a", "high": "-", "low": ""}, (None, None, None)),
    ],
)
def test_what_cannot_be_is_left_out_and_the_price_stays(name: str, odd: Any, kept: Any) -> None:
    quote = read_good(name, **odd)
    assert (quote.price, quote.open, quote.high, quote.low) == (Decimal("12.5"), *kept)
    if VENDORS[name].days:
        bar = read_days(name, **odd)[1]
        assert (bar.price, bar.open, bar.high, bar.low) == (Decimal("12.5"), *kept)


@every_volume
@pytest.mark.parametrize("volume", [None, "", "n/a", -1, [], {}, True, 10**40, "1_000"])
def test_an_odd_volume_costs_only_the_volume(name: str, volume: Any) -> None:
    quote = read_good(name, volume=volume)
    assert (quote.price, quote.volume) == (Decimal("12.5"), None)
    assert [bar.volume for bar in read_days(name, volume=volume)] == [900, None, 900]


@every_vendor
@pytest.mark.parametrize(
    "price",
    [
        Decimal("12.450000000000001"),
        "12.449999999999999",
        Decimal("12.449999999999999289457264239899814128875732421875"),
    ],
)
def test_the_noise_of_a_float_is_no_part_of_the_price(name: str, price: Any) -> None:
    assert read_good(name, price=price).price == Decimal("12.45")
    if VENDORS[name].days:
        assert read_days(name, price=price)[1].price == Decimal("12.45")


@every_vendor
@pytest.mark.parametrize("price", [Decimal("2.31e-05"), "2.31E-05"])
def test_a_tiny_price_may_have_an_exponent(name: str, price: Any) -> None:
    assert read_good(name, price=price, low=price).price == Decimal("0.0000231")


@every_symbol
@pytest.mark.parametrize("symbol", ["AMpB", "ampb", "AMP", "AMPB2"])
def test_the_answer_for_another_security_is_refused_with_the_reason(name: str, symbol: str) -> None:
    error = read(name, symbol=symbol)
    assert isinstance(error, ProviderError)
    assert symbol in str(error) or "does not have it" in str(error)


@every_currency
@pytest.mark.parametrize("currency", ["GBp", "GBX", "ILA", "ZAc", "ZAC", "USX", "KWF", "gbx", None, 1, ["USD"]])
def test_hundredths_have_no_currency(name: str, currency: Any) -> None:
    quotes = [read_good(name, currency=currency), *read_days_in(name, currency)]
    assert {(quote.currency, quote.remarks) for quote in quotes} == {(None, ())}


@every_currency
@pytest.mark.parametrize("currency", ["DEM", "USDT", "Usd"])
def test_an_unknown_currency_is_left_out_with_a_remark(name: str, currency: str) -> None:
    for quote in [read_good(name, currency=currency), *read_days_in(name, currency)]:
        assert quote.currency is None
        assert repr(currency) in quote.remarks[0]


def read_days_in(name: str, currency: Any) -> Sequence[Any]:
    vendor, api = VENDORS[name], APIS[name](ACCOUNTS[name])
    assert vendor.days
    assert isinstance(api, HistoricalApi)
    days = [{**GOOD, "time": time, "currency": currency} for time in vendor.times]
    return api.history_request("AMPB", Interval.DAY, DAYS[0], AT).read(vendor.days(days))
