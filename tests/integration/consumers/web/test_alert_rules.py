"""The routes of alert rules and alerts, over HTTP, with a real handler that raises the alerts."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from consumers.alerts.handler import AlertHandler
from consumers.alerts.notifications.target_store import add_target
from consumers.alerts.notifications.targets import Target
from consumers.alerts.seeding import PastPrice
from consumers.alerts.tables import SCHEMA, window_prices
from shared.database.engine import opened, reading, writing
from shared.database.schema import create_schema
from shared.events import ALERT_FIELDS
from shared.settings import Settings
from tests.event_factories import AS_OF, NOW, stock_data
from tests.web_server import Client, services, serving, settings_in

JSON = "application/json"


def past_prices(symbol: str, since: datetime) -> Iterator[PastPrice]:
    yield PastPrice(max(since, NOW - timedelta(days=300)), Decimal(150), "USD", "simulated")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_in(tmp_path_factory.mktemp("rules"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    with serving(settings, services(past_prices=past_prices)) as found:
        yield found.with_token()


@pytest.fixture(autouse=True)
def no_rules(client: Client) -> Iterator[None]:
    yield
    for rule in client.json("/v1/alert-rules")["rules"]:
        assert client("DELETE", f"/v1/alert-rules/{rule['id']}").status_code == 204


def add(client: Client, **body: Any) -> dict[str, Any]:
    answer = client("POST", "/v1/alert-rules", json={"name": "aapl", "when": "AAPL above 200", **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/v1/alert-rules/{found['id']}"
    return found


def feed(settings: Settings, *prices: str, symbol: str = "AAPL", start: datetime = AS_OF) -> None:
    """Let the alerts consumer's handler see prices, a minute apart."""
    with opened(settings.alerts_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        events = [stock_data(symbol, price, start + n * timedelta(minutes=1)) for n, price in enumerate(prices)]
        AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: NOW + timedelta(days=1))(events)


def test_a_rule_is_added_shown_changed_and_removed(client: Client) -> None:
    options = {"for": "10m", "frequency": "once-per:1h", "rearm": 195, "resolved": True, "message": "{symbol} {price}"}
    rule = add(client, **options)
    assert {key: rule[key] for key in options} == options | {"rearm": "195"}
    assert (rule["when"], rule["state"], rule["enabled"], rule["notify"]) == ("AAPL above 200", "armed", True, [])
    path = f"/v1/alert-rules/{rule['id']}"
    assert client.json(path) == rule
    assert client.json("/v1/alert-rules") == {"rules": [rule], "next_page_token": None}
    changed = client("PATCH", path, json={"when": "AAPL above 210", "rearm": None, "name": "apple"}).json()
    expected = {"when": "AAPL above 210", "rearm": None, "name": "apple", "since": changed["since"]}
    assert changed == rule | expected
    assert client.json(path) == changed
    disabled = client("PATCH", path, json={"enabled": False}).json()
    assert (disabled["state"], disabled["enabled"], disabled["for"]) == ("disabled", False, "10m")
    assert client("PATCH", path, json={"enabled": True}).json()["state"] == "armed"
    assert client("DELETE", path).status_code == 204
    for method in ("GET", "DELETE", "PATCH"):
        answer = client(method, path, json={})
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"when": "AAPL flying 200"}, "#/when"),
        ({"when": "AMpB above 200"}, "#/when"),
        ({"name": " "}, "#/name"),
        ({"rearm": 205}, "#/rearm"),
        ({"rearm": True}, "#/rearm"),
        ({"rearm": "a lot"}, "#/rearm"),
        ({"for": "soon"}, "#/for"),
        ({"frequency": "seldom"}, "#/frequency"),
        ({"on_arm": "run"}, "#/on_arm"),
        ({"expires": "7d"}, "#/expires"),
        ({"notify": ["https://example.org/hook"]}, "#/notify"),
        ({"notify": [7]}, "#/notify/0"),
        ({"message": "{password}"}, "#/message"),
        ({"url": "https://example.org/hook"}, "#/url"),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/v1/alert-rules", "/v1/alert-rules/{}"])
def test_an_invalid_member_is_named(client: Client, body: dict[str, Any], pointer: str, path: str) -> None:
    if path.endswith("}"):
        answer = client("PATCH", path.format(add(client)["id"]), json=body)
    else:
        answer = client("POST", path, json={"name": "new", "when": "AAPL above 200", **body})
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json"), answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert len(client.json("/v1/alert-rules")["rules"]) == path.endswith("}")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"name": "\\ud800", "when": "AAPL above 1"}', b"\xff", b"null"])
def test_a_body_that_is_no_rule_is_refused(client: Client, body: bytes) -> None:
    answer = client("POST", "/v1/alert-rules", data=body, headers={"Content-Type": JSON})
    # A body that is not UTF-8 is no JSON at all.
    assert answer.status_code == (400 if body == b"\xff" else 422)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_long_body_is_refused(client: Client) -> None:
    body = b'{"name": "' + b"x" * 70_000 + b'"}'
    for data in (body, iter([body])):  # with its length, and in chunks
        answer = client("POST", "/v1/alert-rules", data=data, headers={"Content-Type": JSON})
        assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")


def test_a_name_that_is_taken_is_a_conflict(client: Client) -> None:
    first, second = add(client), add(client, name="other")
    for method, path in (("POST", "/v1/alert-rules"), ("PATCH", f"/v1/alert-rules/{second['id']}")):
        answer = client(method, path, json={"name": "aapl", "when": "MSFT above 1"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (409, "application/problem+json")
        assert answer.json()["id"] == first["id"]


def test_rules_name_targets_by_their_names(client: Client, settings: Settings) -> None:
    answer = client("POST", "/v1/alert-rules", json={"name": "a", "when": "AAPL above 1", "notify": ["phone"]})
    assert (answer.status_code, "phone" in answer.json()["detail"]) == (422, True)
    with opened(settings.alerts_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        with writing(engine) as connection:
            add_target(connection, Target(0, "phone", "https://example.org/secret-hook"), NOW)
    rule = add(client, notify=["phone"])
    assert rule["notify"] == ["phone"]
    assert "secret-hook" not in client.get("/v1/alert-rules").text


def test_the_window_of_a_rule_begins_with_the_stored_history(client: Client, settings: Settings) -> None:
    feed(settings, "100", symbol="XOM")
    add(client, name="high", when="XOM new high in 52w")
    with opened(settings.alerts_url.engine_url) as engine, reading(engine) as connection:
        prices = connection.execute(window_prices.select().where(window_prices.c.symbol == "XOM")).all()
    assert sorted(float(row.price) for row in prices) == [100, 150]


def test_a_rule_is_silenced_and_acknowledged(client: Client, settings: Settings) -> None:
    path = f"/v1/alert-rules/{add(client)['id']}"
    answer = client("POST", f"{path}/ack")
    assert (answer.status_code, answer.headers["Content-Type"]) == (409, "application/problem+json")
    feed(settings, "199", "205")
    assert client.json(path)["state"] == "firing"
    assert client("POST", f"{path}/ack").json()["state"] == "acknowledged"
    silenced = client("POST", f"{path}/silence", json={"until": "2h"}).json()
    assert silenced["state"] == "silenced"
    end = datetime.fromisoformat(silenced["silenced_until"]) - datetime.now(UTC)
    assert timedelta(minutes=119) < end <= timedelta(hours=2)
    for until in ("off", None):
        assert client("POST", f"{path}/silence", json={"until": until}).json()["silenced_until"] is None
    assert client("POST", f"{path}/silence", json={"until": "soon"}).status_code == 422
    assert client("POST", f"{path}/silence", json={}).status_code == 422
    for action in ("ack", "silence"):
        assert client("POST", f"/v1/alert-rules/4711/{action}", json={"until": "2h"}).status_code == 404


def test_rules_are_paged_and_found_by_symbol(client: Client) -> None:
    for number in range(5):
        add(client, name=f"r{number}", when=f"{'MSFT' if number % 2 else 'AAPL'} above {number + 1}")
    add(client, name="all", when="* above 1000000")
    first = client.json("/v1/alert-rules", limit=4)
    second = client.json("/v1/alert-rules", limit=4, page_token=first["next_page_token"])
    assert [rule["name"] for rule in first["rules"] + second["rules"]] == ["r0", "r1", "r2", "r3", "r4", "all"]
    assert second["next_page_token"] is None
    assert [rule["name"] for rule in client.json("/v1/alert-rules", symbol="msft")["rules"]] == ["r1", "r3", "all"]
    table = client.get("/v1/alert-rules", headers={"Accept": "text/csv"}).text
    assert [row["name"] for row in csv.DictReader(io.StringIO(table))] == ["r0", "r1", "r2", "r3", "r4", "all"]


def test_changes_need_the_token(client: Client) -> None:
    anybody = Client(client.url)
    path = f"/v1/alert-rules/{add(client)['id']}"
    calls = [
        ("POST", "/v1/alert-rules"),
        ("PATCH", path),
        ("DELETE", path),
        ("POST", f"{path}/silence"),
        ("POST", f"{path}/ack"),
        ("POST", "/alert-rules"),
        ("PATCH", "/alert-rules/1"),
        ("DELETE", "/alert-rules/1"),
        ("POST", "/v1/watch"),
        ("DELETE", "/v1/watch/AAPL"),
    ]
    for method, where in calls:
        answer = anybody(method, where, json={})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), (method, where)
    assert anybody.get("/v1/alert-rules").status_code == 200


def test_nothing_can_be_changed_without_a_token_in_the_settings(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with serving(settings_in(tmp_path_factory.mktemp("no-token"), api_token=None)) as found:
        answer = found.with_token("")("POST", "/v1/alert-rules", json={"name": "a", "when": "AAPL above 1"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
        assert "STOCKWIRE_API_TOKEN" in answer.json()["detail"]
        assert found.json("/v1/alert-rules") == {"rules": [], "next_page_token": None}
        assert found.json("/v1/alerts") == {"alerts": [], "next_page_token": None}
        assert found.get("/v1/alert-rules/1").status_code == 404


def test_alerts_are_listed_in_pages(client: Client, settings: Settings) -> None:
    rule = add(client, name="zigzag", when="NVDA crossing 200")
    feed(settings, "199", "201", "199", "201", "199", symbol="NVDA")
    everything = client.json("/v1/alerts", symbol="NVDA")["alerts"]
    assert [alert["price"] for alert in everything] == ["201", "199", "201", "199"]
    assert list(everything[0]) == list(ALERT_FIELDS)
    assert client.json("/v1/alerts", rule_id=rule["id"])["alerts"] == everything
    for sort, expected in (("asc", everything), ("desc", everything[::-1])):
        first = client.json("/v1/alerts", symbol="NVDA", limit=3, sort=sort)
        rest = client.json("/v1/alerts", symbol="NVDA", limit=3, sort=sort, page_token=first["next_page_token"])
        assert first["alerts"] + rest["alerts"] == expected
        assert rest["next_page_token"] is None
    assert client.json("/v1/alerts", symbol="NVDA", start="2030-01-01")["alerts"] == []
    assert client.json("/v1/alerts", symbol="NVDA", end="1999-01-01")["alerts"] == []
    answer = client.get("/v1/alerts?symbol=NVDA&limit=2", headers={"Accept": "text/csv"})
    assert [row["price"] for row in csv.DictReader(io.StringIO(answer.text))] == ["201", "199"]
    [row] = csv.DictReader(io.StringIO(client.get("/v1/alert-rules", headers={"Accept": "text/csv"}).text))
    # No formula, but a number with a sign.
    assert row["distance"] == client.json(f"/v1/alert-rules/{rule['id']}")["distance"] == "+0.50%"
    etag = client.get("/v1/alerts?symbol=NVDA").headers["ETag"]
    assert client.get("/v1/alerts?symbol=NVDA", headers={"If-None-Match": etag}).status_code == 304


def test_the_first_api_has_rules_of_one_threshold(client: Client) -> None:
    add(client, name="other", when="AAPL above 200")
    body = {"name": "first", "threshold_price": 200.50, "symbol": "aapl"}
    answer = client("POST", "/alert-rules", json=body)
    assert answer.status_code == 201
    rule = answer.json()
    assert rule == {"id": rule["id"], "name": "first", "threshold_price": "200.5", "symbol": "AAPL"}
    path = answer.headers["Location"]
    assert client.json("/alert-rules") == [rule]
    assert client.json(path) == rule
    assert client.json(f"/v1{path}")["when"] == "AAPL crossing 200.5"
    changed = client("PATCH", path, json={"threshold_price": "210", "name": "second"}).json()
    assert changed == rule | {"threshold_price": "210", "name": "second"}
    assert client("PATCH", path, json={"symbol": "MSFT"}).json()["symbol"] == "MSFT"
    for wrong in ({"threshold_price": -1}, {"threshold_price": "x"}, {"symbol": "AMpB"}, {"price": 1}, {"name": ""}):
        assert client("POST", "/alert-rules", json={**body, "name": "third", **wrong}).status_code == 422, wrong
    assert client("DELETE", path).status_code == 204
    assert client.get(path).status_code == 404
    [other] = client.json("/v1/alert-rules")["rules"]
    answer = client.get(f"/alert-rules/{other['id']}")
    assert (answer.status_code, "AAPL above 200" in answer.json()["detail"]) == (404, True)
