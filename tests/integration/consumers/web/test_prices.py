"""The routes of prices, candles and symbols, over HTTP."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from consumers.history.queries.buckets import make_buckets
from consumers.history.queries.candles import read_candles
from consumers.history.queries.prices import history_reader, read_prices
from consumers.history.queries.rows import CANDLE_COLUMNS, PRICE_HISTORY_COLUMNS
from consumers.history.queries.symbols import latest_prices
from consumers.history.store import PriceStore
from consumers.history.timeframes import Timeframe
from consumers.web.page_tokens import encode_page_token
from shared.database.engine import opened
from shared.settings import Settings
from tests.event_factories import stock_data
from tests.integration.consumers.web.conftest import FIRST, MINUTE
from tests.web_server import Client, serving, settings_in


def stored(settings: Settings, symbol: str) -> list[dict[str, Any]]:
    with history_reader(settings) as reader:
        return [row.fields() for row in read_prices(reader, symbol)]


def pages(client: Client, path: str, member: str, **parameters: Any) -> Iterator[list[dict[str, Any]]]:
    token = None
    while True:
        found = client.json(path, **parameters, **({"page_token": token} if token else {}))
        yield found[member]
        token = found["next_page_token"]
        if token is None:
            return


def rows(client: Client, path: str, member: str, **parameters: Any) -> list[dict[str, Any]]:
    return [row for page in pages(client, path, member, **parameters) for row in page]


def test_prices_are_those_of_the_command_line(client: Client, settings: Settings) -> None:
    assert client.json("/v1/prices/AAPL") == {"prices": stored(settings, "AAPL"), "next_page_token": None}
    assert client.json("/v1/prices/aapl")["prices"][0]["price"] == "100"


def test_a_symbol_with_a_slash_is_the_rest_of_the_path(client: Client) -> None:
    for path in ("/v1/prices/BTC/USD", "/v1/prices/BTC%2FUSD"):
        assert client.json(path, limit=1)["prices"][0]["symbol"] == "BTC/USD"
    assert client.json("/v1/candles/BTC/USD")["candles"][0]["symbol"] == "BTC/USD"


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 7, 250, 251, 252])
def test_pages_have_every_row_once(client: Client, settings: Settings, sort: str, limit: int) -> None:
    expected = stored(settings, "AAPL")
    found = list(pages(client, "/v1/prices/AAPL", "prices", sort=sort, limit=limit))
    assert [row for page in found for row in page] == (expected if sort == "asc" else expected[::-1])
    assert all(len(page) == limit for page in found[:-1])


def test_start_is_inclusive_and_end_exclusive(client: Client) -> None:
    start, end = (FIRST + 20 * MINUTE).isoformat(), (FIRST + 23 * MINUTE).isoformat()
    for sort, expected in (("asc", ["120", "121", "122"]), ("desc", ["122", "121", "120"])):
        found = rows(client, "/v1/prices/AAPL", "prices", start=start, end=end, sort=sort, limit=2)
        assert [row["price"] for row in found] == expected


def test_a_span_without_data_is_an_empty_list(client: Client) -> None:
    for path, member in (("/v1/prices/AAPL", "prices"), ("/v1/candles/AAPL", "candles")):
        assert client.json(path, start="2030-01-01") == {member: [], "next_page_token": None}
        assert client.json(path, end="1999-01-01", sort="desc") == {member: [], "next_page_token": None}
        assert client.json(path, start="1h") == {member: [], "next_page_token": None}
        assert client.json(path, start="9999-12-31T23:59:59.999999Z") == {member: [], "next_page_token": None}


def test_a_page_stays_the_same_while_rows_are_added(tmp_path_factory: pytest.TempPathFactory) -> None:
    own = settings_in(tmp_path_factory.mktemp("growing"))
    with opened(own.history_url.engine_url) as engine:
        from consumers.history.tables import SCHEMA
        from shared.database.schema import create_schema

        create_schema(engine, SCHEMA)
        store = PriceStore(engine)
        store.save([stock_data(price=str(100 + n), as_of=FIRST + n * MINUTE) for n in range(10)])
        with serving(own) as client:
            for sort, then in (("asc", ["104", "105", "106"]), ("desc", ["105", "104", "103"])):
                first = client.json("/v1/prices/AAPL", limit=4, sort=sort)
                store.save([stock_data(price="5", as_of=FIRST - timedelta(days=1))])
                store.save([stock_data(price="200", as_of=FIRST + timedelta(days=1))])
                second = client.json("/v1/prices/AAPL", limit=3, sort=sort, page_token=first["next_page_token"])
                assert [row["price"] for row in second["prices"]] == then
                with engine.begin() as connection:
                    connection.exec_driver_sql("delete from quote where price in (5, 200)")


@pytest.mark.parametrize("timeframe", ["1Min", "5Min", "1Hour", "1Day", "1Week", "1Month", "5m", "1h", "1d", "1mo"])
@pytest.mark.parametrize("tz", [None, "America/New_York"])
def test_candles_are_those_of_the_command_line(
    client: Client, settings: Settings, timeframe: str, tz: str | None
) -> None:
    with history_reader(settings) as reader:
        buckets = make_buckets(Timeframe.parse(timeframe), tz, None)
        expected = [row.fields() for row in read_candles(reader, "MSFT", buckets)]
    given = {"timeframe": timeframe, **({"tz": tz} if tz else {})}
    assert rows(client, "/v1/candles/MSFT", "candles", **given) == expected
    assert rows(client, "/v1/candles/MSFT", "candles", limit=60, **given) == expected
    assert rows(client, "/v1/candles/MSFT", "candles", limit=60, sort="desc", **given) == expected[::-1]


def test_latest_has_the_newest_price_of_each_symbol(client: Client, settings: Settings) -> None:
    with history_reader(settings) as reader:
        expected = [row.fields() for row in latest_prices(reader)]
    assert client.json("/v1/latest") == {"prices": expected, "next_page_token": None}
    found = client.json("/v1/latest", symbols="msft,BTC/USD")["prices"]
    assert [row["symbol"] for row in found] == ["BTC/USD", "MSFT"]


def test_symbols_are_listed_with_their_times(client: Client) -> None:
    found = {(row["symbol"], row["provider"]): row for row in client.json("/v1/symbols")["symbols"]}
    assert set(found) == {
        ("AAPL", "=other"),
        ("AAPL", "simulated"),
        ("BRK.B", "simulated"),
        ("BTC/USD", "simulated"),
        ("MSFT", "simulated"),
    }
    assert found["MSFT", "simulated"]["first"] == "2024-11-18T14:30:00.000000Z"


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/v1/prices/APPL", ["AAPL"]),
        ("/v1/candles/BRK", ["BRK.B"]),
        ("/v1/latest?symbols=AAPL,MSTF", ["MSFT"]),
        ("/v1/prices/ZZZZ", []),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_an_unknown_symbol_names_the_nearest_known_ones(
    client: Client, path: str, nearest: list[str], accept: str
) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["nearest"] == nearest
    assert all(name in answer.json()["detail"] for name in nearest)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/v1/prices/AMpB", "symbol"),
        ("/v1/prices/AAPL?limit=0", "limit"),
        ("/v1/prices/AAPL?limit=10001", "limit"),
        ("/v1/prices/AAPL?start=yesterday", "start"),
        ("/v1/prices/AAPL?end=07/05/2024", "end"),
        ("/v1/prices/AAPL?sort=up", "sort"),
        ("/v1/prices/AAPL?adjustment=all", "adjustment"),
        ("/v1/prices/AAPL?page_token=abc", "page_token"),
        ("/v1/candles/AAPL?timeframe=1M", "timeframe"),
        ("/v1/candles/AAPL?tz=Mars", "tz"),
        ("/v1/candles/AAPL?tz=market", "tz"),
        ("/v1/latest?symbols=AMpB", "symbols"),
    ],
)
def test_an_invalid_parameter_is_named(client: Client, path: str, parameter: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


@pytest.mark.parametrize("path", ["/v1/latest", "/v1/previous-closes"])
def test_at_most_a_thousand_symbols_are_asked_for_at_once(client: Client, path: str) -> None:
    answer = client.get(path, params={"symbols": ",".join(f"S{n}" for n in range(1001))})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "symbols")


def test_a_page_token_of_another_question_is_refused(client: Client) -> None:
    token = client.json("/v1/prices/AAPL", limit=1)["next_page_token"]
    for path in ("/v1/prices/AAPL?sort=desc", "/v1/candles/AAPL?sort=asc"):
        assert client.get(path, params={"page_token": token}).status_code == 422


def test_a_page_token_of_no_candle_is_refused(client: Client) -> None:
    for start in ("9999-12-31T23:59:59.999999Z", "yesterday"):
        token = encode_page_token("candles-asc", [start])
        assert client.get("/v1/candles/AAPL", params={"page_token": token}).status_code == 422


def test_csv_has_the_same_rows(client: Client, settings: Settings) -> None:
    answer = client.get("/v1/prices/AAPL", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    found = list(csv.DictReader(io.StringIO(answer.text)))
    expected = [{name: str(row[name] or "") for name in PRICE_HISTORY_COLUMNS} for row in stored(settings, "AAPL")]
    assert [row | {"provider": row["provider"].removeprefix("'")} for row in found] == expected
    assert {row["provider"] for row in found} == {"simulated", "'=other"}
    candles = client.get("/v1/candles/AAPL?limit=1", headers={"Accept": "text/csv;q=0.9, application/json"}).text
    assert candles.splitlines()[0] == ",".join(CANDLE_COLUMNS)
    assert len(candles.splitlines()) == 2


def test_a_caller_that_has_the_answer_gets_no_second_copy(client: Client, settings: Settings) -> None:
    answer = client.get("/v1/latest")
    etag = answer.headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get("/v1/latest", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert client.get("/v1/latest", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_kept_answer_ends_with_the_next_price(client: Client, settings: Settings) -> None:
    before = client.get("/v1/latest?symbols=BRK.B")
    with opened(settings.history_url.engine_url) as engine:
        PriceStore(engine).save([stock_data("BRK.B", "500", FIRST + timedelta(days=30), currency="USD")])
    after = client.get("/v1/latest?symbols=BRK.B", headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, after.json()["prices"][0]["price"]) == (200, "500")


def test_a_database_that_is_not_there_yet_is_a_problem_until_it_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    own = settings_in(tmp_path_factory.mktemp("empty"))
    with serving(own) as client:
        answer = client.get("/v1/latest")
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
        with opened(own.history_url.engine_url) as engine:
            from consumers.history.tables import SCHEMA
            from shared.database.schema import create_schema

            create_schema(engine, SCHEMA)
        assert client.json("/v1/latest")["prices"] == []


def test_market_prices_are_a_list_of_symbols_and_prices(client: Client) -> None:
    answer = client.get("/market-prices")
    assert {"symbol": "MSFT", "price": "649"} in answer.json()
    assert client.get("/market-prices", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
