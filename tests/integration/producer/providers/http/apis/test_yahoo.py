"""Yahoo over HTTP: the requests as sent, and the effect of failures."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from producer.providers.base import Interval, Quote
from shared.errors import InvalidResponse, ProviderError, ProviderUnavailable, RateLimited, UnknownSymbol
from shared.splits import Split
from shared.times import utc_now
from tests.fake_apis.yahoo import answer
from tests.fake_http_server import Answer, Request, Script, always, fake_http_server, recorded
from tests.fake_provider_requests import check_history, fetch_quotes, make_historical_provider, prices

MANY = {f"S{number}": f"{number + 1}.25" for number in range(23)}
PRICES = {"AAPL": "228.87", "BRK.B": "469.95", "VOD.L": "68.82", "^GSPC": "5917.11", "EURUSD=X": "1.0544"}
FAKE_API = partial(answer, prices={**PRICES, **MANY})
SPARK = "/v8/finance/spark"
fetch = partial(fetch_quotes, "yahoo")
provider = partial(make_historical_provider, "yahoo")


def without_sparks(gone: Answer) -> Script:
    return lambda request: gone if request.path == SPARK else FAKE_API(request)


def test_a_few_symbols_are_single_requests_with_a_browser_s_headers(tmp_path: Path) -> None:
    found, requests = fetch(tmp_path, FAKE_API, list(PRICES))
    assert prices(found) == {symbol: Decimal(price) for symbol, price in PRICES.items()}
    assert {request.path.removeprefix("/v8/finance/chart/") for request in requests} == {
        "AAPL",
        "BRK-B",
        "VOD.L",
        "%5EGSPC",
        "EURUSD%3DX",
    }
    wanted = {"range": "1d", "interval": "5m", "includePrePost": "false", "events": "div,splits"}
    assert all(request.query == wanted for request in requests)
    assert all(request.headers["user-agent"].startswith("Mozilla/5.0 ") for request in requests)


def test_many_symbols_are_requested_in_batches_of_twenty(tmp_path: Path) -> None:
    found, requests = fetch(tmp_path, FAKE_API, ["BRK.B", *MANY, "NOSUCH"])
    assert len(prices(found)) == 24
    assert isinstance(found["NOSUCH"], UnknownSymbol)
    assert [request.path for request in requests] == [SPARK, SPARK]
    assert [len(request.query["symbols"].split(",")) for request in requests] == [20, 5]
    assert requests[0].query["symbols"].startswith("BRK-B,S0,")
    assert (requests[0].query["range"], requests[0].query["interval"]) == ("1d", "5m")


@pytest.mark.parametrize(
    "gone",
    [
        Answer(recorded("yahoo", "gone.html"), 404),
        Answer(recorded("yahoo", "gone.html")),
        Answer(recorded("yahoo", "spark_unknown.json"), 404),
        Answer({}),
    ],
)
def test_charts_replace_sparks_that_are_no_longer_served(tmp_path: Path, gone: Answer) -> None:
    found, requests = fetch(tmp_path, without_sparks(gone), [*MANY, "NOSUCH"])
    assert prices(found) == {symbol: Decimal(price) for symbol, price in MANY.items()}
    assert isinstance(found["NOSUCH"], UnknownSymbol)
    assert sum(request.path != SPARK for request in requests) == 24


def test_missing_sparks_do_not_open_the_circuit(tmp_path: Path) -> None:
    many = {f"S{number}": "1.25" for number in range(121)}

    def recorded_answer(request: Request) -> Answer:
        return Answer("<html>", 404) if request.path == SPARK else answer(request, many)

    for _ in range(2):
        found, requests = fetch(tmp_path, recorded_answer, list(many))
        assert prices(found) == dict.fromkeys(many, Decimal("1.25"))
        assert len(requests) == 7 + len(many)


def test_an_unknown_symbol_does_not_affect_the_others(tmp_path: Path) -> None:
    found, _ = fetch(tmp_path, FAKE_API, ["NOSUCH", "AAPL", "BRK.B"])
    assert list(prices(found)) == ["AAPL", "BRK.B"]
    assert isinstance(found["NOSUCH"], UnknownSymbol)
    assert "may be delisted" in str(found["NOSUCH"])


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Answer(recorded("yahoo", "throttled.txt"), 429), RateLimited),
        (Answer(recorded("yahoo", "throttled.json")), RateLimited),
    ],
)
def test_a_rate_limit_stops_all_requests(tmp_path: Path, failure: Answer, kind: type[ProviderError]) -> None:
    found, requests = fetch(tmp_path, always(failure), list(PRICES))
    assert {type(error) for error in found.values()} == {kind}
    assert len(requests) == 1


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("name", ["unauthorized.json", "gone.html", "throttled.txt"])
def test_a_forbidden_request_without_a_key_is_not_a_rejected_key(tmp_path: Path, name: str, status: int) -> None:
    found, _ = fetch(tmp_path, always(Answer(recorded("yahoo", name), status)), ["AAPL"])
    assert type(found["AAPL"]) is ProviderUnavailable
    assert "key" not in str(found["AAPL"]).lower()


def test_the_chart_of_another_symbol_is_not_accepted(tmp_path: Path) -> None:
    found, _ = fetch(tmp_path, always(Answer(recorded("yahoo", "chart.json"))), ["MSFT", "AAPL"])
    assert list(prices(found)) == ["AAPL"]
    assert isinstance(found["MSFT"], InvalidResponse)


@pytest.mark.parametrize(("interval", "days"), [(Interval.DAY, 30), (Interval.FIVE_MINUTES, 10)])
def test_the_history_has_only_bars_that_have_ended(tmp_path: Path, interval: Interval, days: int) -> None:
    now = utc_now()
    since = now - timedelta(days=days)
    with fake_http_server(FAKE_API) as server:
        quotes = provider(tmp_path, server.url).history("BRK.B", interval, since, now)
    assert {quote.price for quote in quotes} == {Decimal("469.95")}
    check_history(quotes, since, now)
    assert len(quotes) > days / 2
    (request,) = server.requests
    assert (request.path, request.query["interval"]) == ("/v8/finance/chart/BRK-B", interval.value)


def test_the_splits_after_a_past_time_range_are_asked_for(tmp_path: Path) -> None:
    """A chart tells only the splits of its own time, but its prices are divided by those after it too."""
    splits = {1402320600: 7, 1598880600: 4}
    with fake_http_server(partial(answer, prices={"AAPL": "23.25"}, splits=splits)) as server:
        found = provider(tmp_path, server.url).history(
            "AAPL", Interval.DAY, datetime(2014, 6, 5, tzinfo=UTC), datetime(2014, 6, 11, tzinfo=UTC)
        )
    assert [str(each.price) for each in found if isinstance(each, Quote)] == ["651", "651", "93", "93"]
    assert [each.ratio for each in found if isinstance(each, Split)] == ["7:1", "4:1"]


def test_a_time_range_without_trading_is_empty_and_not_an_error(tmp_path: Path) -> None:
    until = utc_now()
    for answered in (
        Answer(recorded("yahoo", "past_before_the_first.json"), 400),
        Answer(recorded("yahoo", "past_nothing.json")),
    ):
        with fake_http_server(always(answered)) as server:
            quotes = provider(tmp_path, server.url).history("AAPL", Interval.DAY, until - timedelta(days=3), until)
        assert quotes == []


def test_a_time_range_that_is_too_old_quotes_yahoo_and_does_not_stop_the_quotes(tmp_path: Path) -> None:
    too_old = Answer(recorded("yahoo", "past_too_old.json"), 422)
    since, until = utc_now() - timedelta(days=90), utc_now() - timedelta(days=80)
    with fake_http_server(lambda request: too_old if "period1" in request.query else FAKE_API(request)) as server:
        asked = provider(tmp_path, server.url)
        for _ in range(6):
            with pytest.raises(ProviderError, match="within the last 60 days"):
                asked.history("AAPL", Interval.FIVE_MINUTES, since, until)
        assert prices(asked.quotes(["AAPL"], utc_now())) == {"AAPL": Decimal("228.87")}
