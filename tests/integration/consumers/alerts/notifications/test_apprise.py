"""Targets of apprise: the real library, sending to an HTTP server of the test."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from consumers.alerts.notifications.apprise import AppriseChannel, check_apprise_url
from consumers.alerts.notifications.channel import DELIVERED, Notification, Result
from consumers.alerts.notifications.targets import Target
from infra.up.rabbitmq import free_port
from shared.errors import SettingsError
from shared.settings import ROOT
from tests.event_factories import price_alert
from tests.fake_http_server import Answer, FakeHttpServer, Request, always, fake_http_server, one_after_the_other
from tests.polling import eventually

ALERT = price_alert()
NOTIFICATION = Notification(ALERT.id, ALERT.encode())
OTHER = Notification("another", price_alert(rule_name="another").encode())


@pytest.fixture
def server() -> Iterator[FakeHttpServer]:
    with fake_http_server(always(Answer("ok"))) as server:
        yield server


def channel(server: FakeHttpServer, query: str = "", timeout: float = 10) -> AppriseChannel:
    return AppriseChannel(Target(1, "push", f"{server.url.replace('http', 'json')}/a-secret{query}"), timeout)


def test_an_alert_arrives_as_text(server: FakeHttpServer) -> None:
    assert channel(server).send(NOTIFICATION) == DELIVERED
    [request] = server.requests
    message = json.loads(request.body)
    assert message["title"] == "AAPL: target"
    assert message["message"] == ALERT.data.message


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_refusal_is_a_failure_that_names_the_scheme_alone(server: FakeHttpServer, status: int) -> None:
    server.answer = always(Answer("a-secret", status))
    assert channel(server).send(NOTIFICATION) == Result("json did not take the message")


@pytest.mark.parametrize("query", ["", "?redirect=yes"])
def test_a_redirect_is_a_failure_and_is_not_followed(server: FakeHttpServer, query: str) -> None:
    server.answer = always(Answer("", 302, {"Location": "/elsewhere"}))
    assert channel(server, query).send(NOTIFICATION).error
    assert [request.path for request in server.requests] == ["/a-secret"]


def test_a_service_that_is_away_is_a_failure() -> None:
    target = Target(1, "push", f"json://127.0.0.1:{free_port()}/a-secret")
    assert AppriseChannel(target).send(NOTIFICATION) == Result("json did not take the message")


def test_a_slow_service_gets_a_message_once(server: FakeHttpServer) -> None:
    go = threading.Event()

    def answer_late(_: Request) -> Answer:
        go.wait(10)
        return Answer("ok")

    server.answer = answer_late
    slow = channel(server, timeout=0.1)
    assert slow.send(NOTIFICATION) == slow.send(NOTIFICATION) == Result("json took longer than 0.1 s")
    go.set()
    eventually(lambda: slow.send(NOTIFICATION) == DELIVERED)
    assert len(server.requests) == 1


def test_a_late_failure_is_tried_again_and_a_late_success_counts_only_for_its_own_message(
    server: FakeHttpServer,
) -> None:
    server.answer = one_after_the_other(Answer("", 500, delay=0.3), Answer("ok", delay=0.3), Answer("ok"))
    slow = channel(server, timeout=0.1)
    assert slow.send(NOTIFICATION).error
    eventually(lambda: slow.send(NOTIFICATION).error is None)
    assert len(server.requests) == 2
    server.answer = one_after_the_other(Answer("ok", delay=0.3), Answer("ok"))
    assert slow.send(NOTIFICATION).error
    eventually(lambda: slow.send(OTHER) == DELIVERED)
    assert len(server.requests) == 4


@pytest.mark.parametrize("url", ["nope://a-secret", "tgram://a-secret", "json://"])
def test_an_unknown_url_is_one_line_without_it(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SettingsError, match="apprise does not know a URL of this form") as raised:
        check_apprise_url(url)
    assert "a-secret" not in f"{raised.value} {caplog.text}"


def test_nothing_of_the_url_is_logged(server: FakeHttpServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer = one_after_the_other(Answer("a-secret", 500), Answer("ok"))
    push = channel(server)
    results = [push.send(NOTIFICATION), push.send(NOTIFICATION)]
    assert "a-secret" not in f"{caplog.text} {results}"


def test_without_the_library_the_error_says_how_to_install_it() -> None:
    script = """
import sys
sys.modules["apprise"] = None
from consumers.alerts.notifications.apprise import check_apprise_url
from shared.errors import SettingsError
try:
    check_apprise_url("ntfy://topic")
except SettingsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ".venv/bin/python -m pip install -r requirements-notify.txt" in done.stdout
