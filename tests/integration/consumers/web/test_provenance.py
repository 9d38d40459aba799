"""The events that prices came from, and the closes that changes count from, over HTTP."""

from datetime import timedelta
from pathlib import Path

from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.events import stock_data_id
from shared.times import parse_instant
from tests.event_factories import AS_OF, price_series, stock_data
from tests.web_server import Client, serving, settings_in


def test_each_price_has_the_id_of_its_event(client: Client) -> None:
    rows = client.json("/v1/provenance/AAPL", limit=3)["prices"]
    assert [row["price"] for row in rows] == ["349", "348", "347"]
    for row in rows:
        assert row["id"] == stock_data_id(row["provider"], "AAPL", parse_instant(row["as_of"]), row["interval"])
    prices = client.json("/v1/prices/AAPL", sort="desc", limit=3)["prices"]
    assert [{key: row[key] for key in prices[0]} for row in rows] == prices


def test_the_prices_of_a_candle_lie_between_two_instants(client: Client) -> None:
    start, end = "2024-11-18T14:31:00Z", "2024-11-18T14:33:00Z"
    rows = client.json("/v1/provenance/BTC/USD", start=start, end=end, sort="asc")["prices"]
    assert [row["price"] for row in rows] == ["60001", "60002"]


def test_an_unknown_symbol_has_no_provenance(client: Client) -> None:
    answer = client.get("/v1/provenance/MSFTT")
    assert answer.status_code == 404
    assert answer.json()["nearest"] == ["MSFT"]


def test_previous_closes_are_of_the_day_before(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with opened(settings.history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        PriceStore(engine).save(
            [*price_series(["187.5"], start=AS_OF - timedelta(days=1)), stock_data(), stock_data("MSFT")]
        )
    with serving(settings) as client:
        assert client.json("/v1/previous-closes") == {"previous_closes": {"AAPL": "187.5"}}
        assert client.json("/v1/previous-closes", symbols="msft") == {"previous_closes": {}}
        assert client.get("/v1/previous-closes", params={"symbols": "a b;c"}).status_code == 422
