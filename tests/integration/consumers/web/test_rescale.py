"""The routes of held rules and of dry runs, with the real engine on real databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumers.alerts.handler import AlertHandler
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from consumers.alerts.tables import SCHEMA
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA as HISTORY_SCHEMA
from infra.bounded_dry_run import BoundedDryRuns
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.settings import Settings
from shared.times import format_instant
from tests.event_factories import AS_OF, NOW, stock_data
from tests.web_server import Client, services, serving, settings_in

HOUR = timedelta(hours=1)
# The price of a day before, and one after a jump as in a split of 4:1.
JUMP = [("400", AS_OF - 30 * HOUR), ("101", AS_OF)]
DRY_RUN = "/v1/alert-rules/dry-run"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    found = settings_in(tmp_path)
    monkeypatch.setenv("STOCKWIRE_HISTORY_URL", found.history_url.text)
    events = [stock_data("BTC/USD", price, as_of) for price, as_of in JUMP]
    with opened(found.alerts_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        add_rule(engine, "a", parse_terms("BTC/USD above 500"), NOW)
        AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW)(events)
    with opened(found.history_url.engine_url) as engine:
        create_schema(engine, HISTORY_SCHEMA)
        days = [stock_data("AAPL", price, AS_OF + n * HOUR) for n, price in enumerate(["199", "201", "199", "205"])]
        PriceStore(engine).save(days)
    return found


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with serving(settings, services(dry_run=BoundedDryRuns(settings).run)) as found:
        yield found.with_token()


def test_a_held_symbol_is_listed_with_the_jump_and_its_rules(client: Client) -> None:
    [held] = client.json("/v1/rescale")["held"]
    assert (held["symbol"], held["previous_price"], held["price"]) == ("BTC/USD", "400", "101")
    assert (held["ratio"], held["rules"]) == ("4:1", ["a"])


@pytest.mark.parametrize(
    ("body", "answer", "when"),
    [
        ({"ratio": "4:1"}, {"symbol": "BTC/USD", "ratio": "4:1", "rules": 1}, "BTC/USD above 125"),
        ({"as_is": True}, {"symbol": "BTC/USD", "ratio": None, "rules": 0}, "BTC/USD above 500"),
    ],
)
def test_both_ways_out_release_the_rules(client: Client, body: Any, answer: Any, when: str) -> None:
    assert client("POST", "/v1/rescale/BTC/USD", json=body).json() == answer
    assert client.json("/v1/rescale") == {"held": []}
    [rule] = client.json("/v1/alert-rules")["rules"]
    assert (rule["when"], rule["state"]) == (when, "armed")
    again = client("POST", "/v1/rescale/BTC/USD", json={"as_is": True})
    assert again.status_code == 409
    assert "are not held" in again.json()["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/ratio"),
        ({"ratio": "4:1", "as_is": True}, "#/ratio"),
        ({"ratio": "4"}, "#/ratio"),
        ({"ratio": 4}, "#/ratio"),
        ({"as_is": "yes"}, "#/as_is"),
    ],
)
def test_neither_and_both_and_what_is_no_ratio_are_refused(client: Client, body: Any, pointer: str) -> None:
    answer = client("POST", "/v1/rescale/BTC/USD", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("path", ["/v1/rescale/AAPL", DRY_RUN])
def test_releasing_and_trying_need_the_token(client: Client, path: str) -> None:
    assert Client(client.url)("POST", path, json={}).status_code == 401


def test_a_dry_run_gives_the_firings_with_times_and_prices(client: Client) -> None:
    found = client("POST", DRY_RUN, json={"when": "aapl above 200", "resolved": True, "since": "2024-01-01"}).json()
    assert (found["when"], found["since"], found["cut"]) == ("AAPL above 200", "2024-01-01T00:00:00Z", None)
    assert [(each["as_of"], each["price"], each["state"]) for each in found["firings"]] == [
        (format_instant(AS_OF + n * HOUR), price, state)
        for n, price, state in ((1, "201", "firing"), (2, "199", "resolved"), (3, "205", "firing"))
    ]
    assert [(each["symbol"], each["prices"], each["firings"]) for each in found["symbols"]] == [("AAPL", 4, 2)]


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({"when": "AAPL above"}, "#/when", "price is missing"),
        ({"when": "AAPL no data for 30m"}, "#/when", "cannot be tried"),
        ({"when": "AAPL above 200", "rearm": "300"}, "#/rearm", "must lie below 200"),
        ({"when": "AAPL above 200", "since": "soon"}, "#/since", "neither a date"),
        ({"when": "AAPL above 200", "colour": "red"}, "#/colour", ""),
        ({"when": "AAPL above 200", "since": "999999999d"}, "#/since", ""),
        ({"when": "\ud800 above 200"}, "#/when", ""),
        ({"when": "AAPL above 200", "notify": ["\x00"]}, "#/notify", ""),
        ({}, "#/when", ""),
    ],
)
def test_what_cannot_be_tried_is_told_at_its_member(client: Client, body: Any, pointer: str, words: str) -> None:
    answer = client("POST", DRY_RUN, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert words in answer.json()["detail"]
