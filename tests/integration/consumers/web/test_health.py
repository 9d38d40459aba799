"""GET /v1/health and the routes of dead letters: a real server, a real RabbitMQ, the real functions of infra."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.history.tables import SCHEMA
from infra.web import make_services
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.messaging.address import BrokerAddress
from shared.messaging.dead_letters import dead_letter
from shared.settings import Settings
from tests.event_factories import NOW, delivery
from tests.queues import declare, publish, waiting
from tests.web_server import Client, services, serving, settings_in

QUEUE = "stockwire.history"
# A reason and a body that would be HTML, and that would turn the letters around them.
HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture
def settings(broker: BrokerAddress, tmp_path: Path) -> Settings:
    found = settings_in(tmp_path, amqp_url=broker)
    with opened(found.history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
    return found


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    declare(settings.amqp_url, name="history")
    made = make_services(settings)
    with serving(settings, made) as found:
        yield found
    made.close()


def bury(broker: BrokerAddress, *bodies: bytes) -> None:
    publish(broker, *(dead_letter(delivery(body), QUEUE, HOSTILE, NOW) for body in bodies))


def test_the_health_has_every_part(client: Client, settings: Settings) -> None:
    bury(settings.amqp_url, b"1")
    found = client.json("/v1/health")
    assert {
        "checked_at",
        "problems",
        "schedule",
        "next_sync",
        "last_sync",
        "market",
        "worker",
        "beat",
        "providers",
        "broker",
        "queues",
        "databases",
        "targets",
        "versions",
    } == set(found)
    assert found["broker"]["available"] is True
    assert found["queues"][0] == {"queue": QUEUE, "waiting": 0, "consumers": 0, "dead": 1}
    assert f"{QUEUE} has 1 dead letter" in " ".join(each["text"] for each in found["problems"])
    assert found["worker"] == {"alive": False, "text": found["worker"]["text"]}


def test_the_server_is_ready_while_its_databases_and_rabbitmq_answer(client: Client, settings: Settings) -> None:
    # Who watches the process may be elsewhere, and has no token.
    answer = client.get("/readyz", headers={"X-Forwarded-For": "192.0.2.1"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert settings.history_url.sqlite_file
    settings.history_url.sqlite_file.unlink()
    assert client.get("/readyz").status_code == 503


def test_a_broker_that_is_away_is_told_within_two_seconds(settings: Settings) -> None:
    away = replace(settings, amqp_url=replace(settings.amqp_url, port=1))
    with serving(away, make_services(away)) as client:
        started = time.monotonic()
        found = client.json("/v1/health")
        assert time.monotonic() - started < 2
        assert found["broker"]["available"] is False
        assert found["problems"][0]["text"].startswith("RabbitMQ does not answer at")
        answer = client.get("/v1/dead")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.json()["detail"].startswith("RabbitMQ does not answer at")
        assert client.get("/readyz").status_code == 503


def test_a_broker_that_never_says_a_word_is_told_too(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = replace(settings, amqp_url=replace(settings.amqp_url, port=listener.getsockname()[1]))
        with serving(silent, make_services(silent)) as client:
            started = time.monotonic()
            found = client.json("/v1/health")
            # A second and a half for the broker, and the rest for a busy machine.
            assert time.monotonic() - started < 5
            assert found["problems"][0]["text"].startswith("RabbitMQ has not answered within 1.5 s")
            assert client.get("/v1/dead/history").status_code == 503
            started = time.monotonic()
            assert client.get("/readyz").status_code == 503
            assert time.monotonic() - started < 5


def test_dead_letters_are_listed_and_shown_as_they_are(client: Client, settings: Settings) -> None:
    bury(settings.amqp_url, HOSTILE.encode(), b"{}")
    assert client.json("/v1/dead") == {"queues": [{"queue": QUEUE, "dead": 2}]}
    found = client.json("/v1/dead/history", limit=1)
    assert (found["queue"], found["dead"]) == (QUEUE, 2)
    [letter] = found["letters"]
    assert letter["reason"] == HOSTILE
    assert letter["routing_key"] == "stock.AAPL.price"
    assert letter["body"] in (HOSTILE, "{}")


def test_dead_letters_are_sent_back_and_dropped_only_with_the_token(client: Client, settings: Settings) -> None:
    bury(settings.amqp_url, b"1", b"2")
    for action in ("requeue", "drop"):
        assert client("POST", f"/v1/dead/history/{action}").status_code == 401
    assert client.json("/v1/dead/history")["dead"] == 2
    trusted = client.with_token()
    assert trusted("POST", "/v1/dead/history/requeue").json() == {"queue": QUEUE, "sent": 2, "left": 0}
    assert waiting(settings.amqp_url, QUEUE) == 2
    bury(settings.amqp_url, b"3")
    assert trusted("POST", f"/v1/dead/{QUEUE}/drop").json() == {"queue": QUEUE, "dropped": 1}
    assert client.json("/v1/dead/history")["letters"] == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/dead/nobody", 404),
        ("POST", "/v1/dead/nobody/requeue", 404),
        ("POST", "/v1/dead/a/queue/with/slashes/drop", 404),
        ("GET", "/v1/dead/%E2%80%AE", 404),
        ("GET", "/v1/dead/history?limit=0", 422),
        ("GET", "/v1/dead/history?limit=101", 422),
        ("POST", "/v1/dead/history", 405),
        ("GET", f"/v1/dead/{'x' * 300}", 422),
    ],
)
def test_what_cannot_be_is_a_problem_document(client: Client, method: str, path: str, status: int) -> None:
    answer = client.with_token()(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"]


def test_an_error_of_the_health_itself_is_no_traceback(settings: Settings) -> None:
    with serving(settings, services()) as client:
        assert client.get("/v1/health").status_code == 500
