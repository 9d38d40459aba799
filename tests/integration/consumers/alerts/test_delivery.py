"""The alerts consumer as a process that sends to a webhook: killed, stopped, and beside another consumer."""

from collections.abc import Iterator

import pytest

from consumers.alerts.notifications.signing import generate_secret
from consumers.alerts.notifications.target_store import add_target
from consumers.alerts.notifications.targets import Target
from consumers.alerts.notifications.undelivered import count_deliveries
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from shared.database.engine import reading, writing
from tests.alerts_environment import AlertsEnvironment, wait_until
from tests.event_factories import NOW, price_series
from tests.fake_http_server import Answer, FakeHttpServer, always, fake_http_server
from tests.webhook_receiver import first_of_each, ids, verify

SECRET = generate_secret()


@pytest.fixture
def hook(environment: AlertsEnvironment, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHttpServer]:
    """A webhook, and a rule that sends to it."""
    monkeypatch.setenv("NO_PROXY", "*")
    with fake_http_server(always(Answer("ok"))) as server:
        with writing(environment.engine) as connection:
            add_target(connection, Target(0, "hook", f"{server.url}/a-secret-token", SECRET), NOW)
        add_rule(environment.engine, "up", parse_terms("AAPL crossing up 200"), NOW, Options(notify=("hook",)))
        yield server


def is_delivered(environment: AlertsEnvironment, alerts: int) -> bool:
    with reading(environment.engine) as connection:
        return len(environment.alerts()) == alerts and not count_deliveries(connection)


def test_an_alert_reaches_its_target_as_it_was_published(environment: AlertsEnvironment, hook: FakeHttpServer) -> None:
    with environment.consuming():
        environment.publish(price_series(["199", "201", "198", "202"]))
        wait_until(lambda: is_delivered(environment, 2))
    bodies = [each.body for each in environment.received(environment.alerts()[-1].id)]
    assert [request.body for request in hook.requests] == bodies
    assert ids(hook.requests) == [alert.id for alert in environment.alerts()]
    for request in hook.requests:
        verify(request, SECRET)
    log = environment.output.with_suffix(".log").read_text()
    assert "a-secret-token" not in log + environment.output.read_text()


def test_a_kill_changes_nothing_but_repetitions(environment: AlertsEnvironment, hook: FakeHttpServer) -> None:
    hook.answer = always(Answer("ok", delay=0.01))
    events = price_series(["199", "201"] * 60)
    environment.publish(events)
    process = environment.start()
    wait_until(lambda: len(hook.requests) >= 15)
    process.kill()
    process.wait()
    with environment.consuming():
        wait_until(lambda: is_delivered(environment, 60))
    assert first_of_each(hook.requests) == [alert.id for alert in environment.alerts()]
    for request in hook.requests:
        verify(request, SECRET)


def test_two_consumers_send_each_alert_once(environment: AlertsEnvironment, hook: FakeHttpServer) -> None:
    events = price_series(["199", "201"] * 20)
    with environment.consuming(), environment.consuming():
        environment.publish(events)
        wait_until(lambda: is_delivered(environment, 20))
    assert ids(hook.requests) == [alert.id for alert in environment.alerts()]
