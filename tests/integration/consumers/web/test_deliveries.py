"""GET /v1/deliveries and POST /v1/deliveries/redeliver on a real database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumers.alerts.notifications.deliveries import (
    Change,
    State,
    pending_deliveries,
    queue_deliveries,
    record_changes,
)
from consumers.alerts.notifications.target_store import add_target, disable_target, find_target
from consumers.alerts.notifications.targets import Target
from consumers.alerts.tables import SCHEMA
from shared.database.engine import opened, writing
from shared.database.schema import create_schema
from shared.settings import Settings
from tests.event_factories import NOW, price_alert
from tests.web_server import Client, serving, settings_in

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = settings_in(tmp_path)
    with opened(found.alerts_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        with writing(engine) as connection:
            for name in ("phone", "log"):
                add_target(connection, Target(0, name, "https://example.com/a-secret-token"), NOW)
            alerts = [price_alert(id=f"alert-{number}", rule_name=HOSTILE) for number in (1, 2, 3)]
            queue_deliveries(connection, [(alert, name) for alert in alerts for name in ("phone", "log")], NOW)
            first, second, _ = pending_deliveries(connection, "phone", 3)
            changes = [Change(first, State.SENT, 1, NOW), Change(second, State.EXPIRED, 9, NOW, "500 Server Error")]
            record_changes(connection, changes, NOW)
    return found


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with serving(settings) as found:
        yield found.with_token()


def keys(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["id"], each["target"], each["state"]) for each in found["deliveries"]]


def test_deliveries_are_listed_newest_first_with_their_reasons_and_no_secret(client: Client) -> None:
    answer = client.get("/v1/deliveries")
    found = answer.json()
    assert keys(found) == [
        ("alert-3", "log", "pending"),
        ("alert-3", "phone", "pending"),
        ("alert-2", "log", "pending"),
        ("alert-2", "phone", "expired"),
        ("alert-1", "log", "pending"),
        ("alert-1", "phone", "sent"),
    ]
    assert found["deliveries"][3]["error"] == "500 Server Error"
    assert found["deliveries"][3]["rule_name"] == HOSTILE
    assert (found["counts"], found["next_page_token"]) == ({"pending": 4, "given_up": 1}, None)
    assert "a-secret-token" not in answer.text


def test_deliveries_are_chosen_by_state_and_target_and_come_in_pages(client: Client) -> None:
    assert keys(client.json("/v1/deliveries", state="failed,expired")) == [("alert-2", "phone", "expired")]
    first = client.json("/v1/deliveries", target="log", limit=2)
    second = client.json("/v1/deliveries", target="log", limit=2, page_token=first["next_page_token"])
    assert [key[0] for key in (*keys(first), *keys(second))] == ["alert-3", "alert-2", "alert-1"]
    assert second["next_page_token"] is None


def test_a_list_that_is_known_already_is_not_sent_again(client: Client) -> None:
    etag = client.get("/v1/deliveries").headers["etag"]
    assert client.get("/v1/deliveries", headers={"If-None-Match": etag}).status_code == 304


def test_given_up_deliveries_are_sent_again_by_event_by_target_or_all(client: Client, settings: Settings) -> None:
    path = "/v1/deliveries/redeliver"
    assert client("POST", path, json={"ids": ["alert-1"]}).json() == {"count": 0}
    assert client("POST", path, json={"target": "log"}).json() == {"count": 0}
    assert client("POST", path, json={"ids": ["alert-2"], "target": "phone"}).json() == {"count": 1}
    assert client("POST", path, json={}).json() == {"count": 0}
    assert client.json("/v1/deliveries")["counts"] == {"pending": 5, "given_up": 0}


def test_nothing_is_sent_again_to_a_disabled_or_unknown_target(client: Client, settings: Settings) -> None:
    with opened(settings.alerts_url.engine_url) as engine, writing(engine) as connection:
        disable_target(connection, find_target(connection, "phone"), "410 Gone", NOW)
    for body, words in (({}, "target phone is disabled (410 Gone)"), ({"target": "x"}, "there is no target 'x'")):
        answer = client("POST", "/v1/deliveries/redeliver", json=body)
        assert answer.status_code == 409
        assert words in answer.json()["detail"]


def test_sending_again_needs_the_token(client: Client) -> None:
    assert Client(client.url)("POST", "/v1/deliveries/redeliver", json={}).status_code == 401


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("state=lost", "state"),
        ("limit=0", "limit"),
        ("page_token=x", "page_token"),
        (f"target={'x' * 65}", "target"),
        ("target=%00", "target"),
    ],
)
def test_a_wrong_question_is_answered_with_the_parameter(client: Client, query: str, place: str) -> None:
    answer = client.get(f"/v1/deliveries?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == place


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"since": "soon"}, "#/since"),
        ({"ids": [1]}, "#/ids/0"),
        ({"ids": ["\x00"]}, "#/ids/0"),
        ({"ids": ["\ud800"]}, "#/ids/0"),
        ({"target": "a\x00"}, "#/target"),
        ({"all": True}, "#/all"),
    ],
)
def test_a_wrong_body_is_answered_with_the_member(client: Client, body: Any, pointer: str) -> None:
    answer = client("POST", "/v1/deliveries/redeliver", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_without_a_database_nothing_was_delivered(tmp_path: Path) -> None:
    with serving(settings_in(tmp_path / "empty")) as client:
        assert client.json("/v1/deliveries") == {
            "deliveries": [],
            "counts": {"pending": 0, "given_up": 0},
            "next_page_token": None,
        }
        assert client.json("/v1/rescale") == {"held": []}
    assert not (tmp_path / "empty").exists()
