"""Webhooks to real servers that accept, refuse, redirect, hang and drip."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path

import pytest

from consumers.alerts.notifications.channel import DELIVERED, Notification, Result
from consumers.alerts.notifications.signing import generate_secret
from consumers.alerts.notifications.targets import Target
from consumers.alerts.notifications.webhook import Webhook
from infra.up.rabbitmq import free_port
from tests.dripping_server import ANSWERS, NOTHING, dripping_server
from tests.event_factories import price_alert
from tests.fake_http_server import Answer, FakeHttpServer, always, fake_http_server
from tests.webhook_receiver import verify

ALERT = price_alert(rule_name="naïve “rule”")
NOTIFICATION = Notification(ALERT.id, ALERT.encode())
PATH = "/hook/a-secret-token"
# Seconds, instead of the 10 of a real try.
TIMEOUT = 0.5


def post(url: str, secret: str | None = None, timeout: float = TIMEOUT, path: str = PATH) -> Result:
    webhook = Webhook(Target(1, "hook", url + path, secret), timeout)
    try:
        return webhook.send(NOTIFICATION)
    finally:
        webhook.close()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_status_from_200_to_299_is_a_success(status: int) -> None:
    with fake_http_server(always(Answer("ok" if status != 204 else "", status))) as server:
        assert post(server.url, timeout=5) == DELIVERED


def test_the_request_is_the_event_with_the_headers_of_standard_webhooks() -> None:
    secret = generate_secret()
    with fake_http_server(always(Answer())) as server:
        post(server.url, secret, timeout=5)
    [request] = server.requests
    assert (request.path, request.body) == (PATH, ALERT.encode())
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["webhook-id"] == ALERT.id == json.loads(request.body)["id"]
    verify(request, secret)


def test_the_verifier_of_these_tests_notices_a_changed_body_and_another_secret() -> None:
    secret = generate_secret()
    with fake_http_server(always(Answer())) as server:
        post(server.url, secret, timeout=5)
    [request] = server.requests
    for changed, other in ((replace(request, body=request.body + b" "), secret), (request, generate_secret())):
        with pytest.raises(AssertionError):
            verify(changed, other)


def test_without_a_secret_there_is_no_signature() -> None:
    with fake_http_server(always(Answer())) as server:
        post(server.url, timeout=5)
    assert "webhook-signature" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "400 Bad Request"), (404, "404 Not Found"), (500, "500 Internal Server Error"), (599, "599")],
)
def test_any_other_status_is_a_failure_with_its_name(status: int, error: str) -> None:
    with fake_http_server(always(Answer(f"no such hook {PATH}", status))) as server:
        assert post(server.url, timeout=5) == Result(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(status: int) -> None:
    with fake_http_server(always(Answer())) as other:
        answer = Answer("", status, {"Location": f"{other.url}/stolen"})
        with fake_http_server(always(answer)) as server:
            result = post(server.url, timeout=5)
        assert other.requests == []
    assert result.error
    assert result.error.endswith(": redirects are not followed")


def test_gone_means_that_the_target_wants_no_more() -> None:
    with fake_http_server(always(Answer("", 410, {"Retry-After": "1"}))) as server:
        assert post(server.url, timeout=5) == Result("410 Gone", gone=True)


@pytest.mark.parametrize("status", [429, 503, 404])
def test_retry_after_in_seconds_is_taken_from_any_failure(status: int) -> None:
    with fake_http_server(always(Answer("", status, {"Retry-After": "120"}))) as server:
        assert post(server.url, timeout=5).retry_after == timedelta(seconds=120)


def test_retry_after_may_be_a_date() -> None:
    date = formatdate(time.time() + 90, usegmt=True)
    with fake_http_server(always(Answer("", 429, {"Retry-After": date}))) as server:
        retry_after = post(server.url, timeout=5).retry_after
    assert retry_after
    assert timedelta(seconds=60) < retry_after <= timedelta(seconds=90)


@pytest.mark.parametrize("value", ["soon", "", "-5", "9" * 5000, "Mon, 99 Foo 2026", "1e3"])
def test_an_invalid_retry_after_is_ignored(value: str) -> None:
    with fake_http_server(always(Answer("", 429, {"Retry-After": value}))) as server:
        assert post(server.url, timeout=5) == Result("429 Too Many Requests")


def test_a_date_in_the_past_means_now() -> None:
    with fake_http_server(always(Answer("", 429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}))) as server:
        assert post(server.url, timeout=5).retry_after == timedelta(0)


@pytest.mark.parametrize("name", ["status line", "headers", "one long header", "100 Continue"])
def test_a_server_that_drips_before_its_status_is_complete_fails_at_the_deadline(name: str) -> None:
    with dripping_server(ANSWERS[name], 0.1) as server:
        start = time.monotonic()
        result = post(server.url)
        assert time.monotonic() - start < TIMEOUT + 3
    assert result == Result(f"no complete answer within {TIMEOUT:g} s")


@pytest.mark.parametrize("name", ["body", "body without a length", "chunks", "trailers"])
def test_a_success_counts_even_if_its_body_never_ends(name: str) -> None:
    with dripping_server(ANSWERS[name], 0.1) as server:
        start = time.monotonic()
        assert post(server.url, timeout=30) == DELIVERED
        assert time.monotonic() - start < 10


def test_a_server_that_says_nothing_fails_at_the_deadline() -> None:
    with dripping_server(lambda: NOTHING, 60) as server:
        result = post(server.url)
    assert result.error in (f"no complete answer within {TIMEOUT:g} s", f"no answer within {TIMEOUT:g} s")


def test_a_server_that_is_away_and_an_unknown_host_are_failures_that_name_the_host() -> None:
    port = free_port()
    assert post(f"http://127.0.0.1:{port}", timeout=5) == Result(f"127.0.0.1:{port} refuses connections")
    assert post("http://host.invalid", timeout=10) == Result("host.invalid is an unknown host name")


def test_user_and_password_of_the_url_are_sent_and_those_in_netrc_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with fake_http_server(always(Answer())) as server:
        post(server.url, timeout=5)
        post(server.url.replace("//", "//us%40er:pass@"), timeout=5)
    first, second = server.requests
    assert "authorization" not in first.headers
    assert second.headers["authorization"] == "Basic dXNAZXI6cGFzcw=="


def test_no_part_of_the_url_is_logged_or_in_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers: list[Callable[[FakeHttpServer], Answer]] = [
        lambda server: Answer("", 302, {"Location": f"{server.url}{PATH}"}),
        lambda _: Answer(f"{PATH} is wrong", 404),
        lambda _: Answer("ok", cut=1),
    ]
    results = []
    with fake_http_server(always(Answer())) as server:
        for answer in answers:
            server.answer = always(answer(server))
            results.append(post(server.url, timeout=5))
    results += [post(f"http://127.0.0.1:{free_port()}"), post("http://host.invalid", timeout=10)]
    assert "a-secret-token" not in f"{caplog.text} {results}"
