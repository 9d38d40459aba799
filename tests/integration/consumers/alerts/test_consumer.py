"""The alerts consumer as a process on a real broker: restarted, killed, and without its broker."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from consumers.alerts.handler import REFUSED_INTERVAL, alerts, open_alerts
from consumers.alerts.rules.options import Options
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from consumers.alerts.store import load_watermarks, pending_alerts
from infra.up.rabbitmq import PrivateBroker, free_port
from shared.database.engine import reading
from shared.errors import BrokerUnavailable
from shared.events import PriceAlert, StockData
from shared.messaging.topology import EXCHANGE
from shared.times import utc_now
from tests.alerts_environment import DEADLINE, AlertsEnvironment, wait_until
from tests.broker_users import BrokerUsers
from tests.event_factories import NOW, price_series, stock_data


def event_ids(alerts: Sequence[PriceAlert]) -> list[str | None]:
    return [alert.event_id for alert in alerts]


def test_a_price_alert_reaches_a_listener(environment: AlertsEnvironment) -> None:
    add_rule(environment.engine, "up", parse_terms("* crossing up 200"), NOW)
    events = [*price_series(["199.5", "201"]), *price_series(["199", "200"], symbol="BRK.B")]
    with environment.consuming():
        environment.publish(events)
        environment.wait_until_evaluated(events[-1])
    stored = environment.alerts()
    assert event_ids(stored) == [events[1].id, events[3].id]
    received = environment.received(stored[-1].id)
    assert [each.routing_key for each in received] == ["alert.AAPL.crossing_up", "alert.BRK-B.crossing_up"]
    assert [PriceAlert.decode(each.body, utc_now()) for each in received] == stored
    properties = received[0].properties
    assert properties["message_id"] == stored[0].id
    assert properties["type"] == "PRICE_ALERT"
    assert properties["content_type"] == "application/cloudevents+json"
    assert properties["delivery_mode"] == 2
    assert properties["app_id"] == "stockwire"
    assert abs((properties["timestamp"] - stored[0].triggered_at).total_seconds()) <= 1
    assert environment.printed_lines() == [
        "2024-11-20T09:59:59Z AAPL 201 up: AAPL crossing up 200",
        "2024-11-20T09:59:59Z BRK.B 200 up: BRK.B crossing up 200",
    ]


def test_a_rule_added_to_a_running_consumer_applies_within_two_seconds(environment: AlertsEnvironment) -> None:
    first, second, third = price_series(["199", "201", "202"])
    with environment.consuming():
        environment.publish([first])
        environment.wait_until_evaluated(first)
        add_rule(environment.engine, "up", parse_terms("AAPL crossing up 200"), NOW)
        added = time.monotonic()
        environment.publish([second])
        environment.wait_until_evaluated(second)
        assert time.monotonic() - added < 2
        assert event_ids(environment.alerts()) == [second.id]
        environment.publish([third])
        environment.wait_until_evaluated(third)
    assert event_ids(environment.alerts()) == [second.id]


def test_missing_data_is_told_while_other_symbols_go_on(environment: AlertsEnvironment) -> None:
    first, later = price_series(["199", "201"])
    others = iter(price_series(["1"] * 1000, symbol="MSFT"))

    def told() -> bool:
        environment.publish([next(others)])
        return bool(environment.alerts())

    with environment.consuming():
        environment.publish([first])
        environment.wait_until_evaluated(first)
        add_rule(environment.engine, "feed", parse_terms("AAPL no data for 1s"), utc_now(), Options(resolved=True))
        wait_until(told)
        environment.publish([later])
        environment.wait_until_evaluated(later)
    alerts = environment.alerts()
    assert [(each.state, each.event_id) for each in alerts] == [("firing", None), ("resolved", later.id)]
    keys = {each.routing_key for each in environment.received(alerts[-1].id)}
    assert keys == {"alert.AAPL.no_data"}


def test_after_a_restart_repeated_events_raise_no_second_alert(environment: AlertsEnvironment) -> None:
    add_rule(environment.engine, "up", parse_terms("AAPL crossing up 200"), NOW)
    events = price_series(["199", "201"] * 20)
    with environment.consuming():
        environment.publish(events[:21])
        environment.wait_until_evaluated(events[20])
    environment.publish(events[:21])
    environment.publish(events)
    with environment.consuming():
        environment.wait_until_evaluated(events[-1])
    assert event_ids(environment.alerts()) == event_ids_at_201(events)
    published = [each.properties["message_id"] for each in environment.received(environment.alerts()[-1].id)]
    assert published == [alert.id for alert in environment.alerts()]
    assert len(environment.printed_lines()) == 20


def event_ids_at_201(events: Sequence[StockData]) -> list[str | None]:
    return [event.id for event in events if event.price == 201]


@pytest.mark.parametrize(
    ("when", "module", "path"),
    [
        ("after", "consumers.alerts.batch", "raise_alerts"),
        ("before", "consumers.alerts.outbox", "_publish"),
        ("before", "consumers.alerts.outbox", "mark_published"),
        ("before", "shared.messaging.amqp.subscription", "Subscription.acknowledge"),
    ],
    ids=["before the commit", "before publishing", "before marking alerts as published", "before acknowledging"],
)
def test_killed_at_any_step_it_raises_each_alert_once(
    environment: AlertsEnvironment, when: str, module: str, path: str
) -> None:
    add_rule(environment.engine, "up", parse_terms("AAPL crossing up 200"), NOW)
    events = price_series(["199", "201"] * 10)
    environment.publish(events)
    doomed = environment.start(["python", "-m", "tests.doomed_consumer", when, module, path])
    assert doomed.wait(DEADLINE) == -signal.SIGKILL
    last = stock_data(price="199", as_of=events[-1].as_of.replace(year=2025))
    environment.publish([last])
    with environment.consuming():
        environment.wait_until_evaluated(last)
    stored = environment.alerts()
    assert event_ids(stored) == event_ids_at_201(events)
    received = [each.properties["message_id"] for each in environment.received(stored[-1].id)]
    # Alerts that were confirmed but not marked are published again under the same ids.
    times = 2 if path == "mark_published" else 1
    assert received[: times * len(stored)] == [alert.id for alert in stored] * times


def has_evaluated_after(environment: AlertsEnvironment, event: StockData) -> Callable[[], bool]:
    """Return a function that returns True once a later event has been evaluated."""

    def has_evaluated() -> bool:
        with reading(environment.engine) as connection:
            watermark = load_watermarks(connection, {event.symbol}).get(event.symbol)
            return watermark is not None and watermark.as_of > event.as_of

    return has_evaluated


def test_killed_at_any_moment_under_load_it_raises_each_alert_once(environment: AlertsEnvironment) -> None:
    add_rule(environment.engine, "up", parse_terms("AAPL crossing up 200"), NOW)
    events = price_series(["199", "201"] * 2000)
    for start in range(0, len(events), 1000):
        process = environment.start()
        environment.publish(events[start : start + 1000])
        # Kill the consumer while it works on these events.
        wait_until(has_evaluated_after(environment, events[start]))
        process.kill()
        process.wait()
    with environment.consuming():
        environment.wait_until_evaluated(events[-1])
    stored = environment.alerts()
    assert event_ids(stored) == event_ids_at_201(events)
    environment.received(stored[-1].id)
    assert {each.properties["message_id"] for each in environment.deliveries} == {alert.id for alert in stored}


def test_alerts_that_are_pending_without_a_broker_are_published_at_the_next_start(
    environment: AlertsEnvironment,
) -> None:
    add_rule(environment.engine, "up", parse_terms("AAPL crossing up 200"), NOW)
    away = replace(environment.settings, amqp_url=replace(environment.settings.amqp_url, port=free_port()))
    events = price_series(["199", "201"])
    with open_alerts(away) as handle:
        for _ in range(2):
            with pytest.raises(BrokerUnavailable):
                handle(events)
    # The consumer also starts without a broker.
    with open_alerts(away) as handle:
        assert callable(handle)
    [alert] = environment.alerts()
    for _ in range(2):
        with open_alerts(environment.settings) as handle:
            handle(events)
    assert [each.properties["message_id"] for each in environment.received(alert.id)] == [alert.id]
    assert environment.listener.take(10, timeout=0.2) == []


def test_a_consumer_that_may_not_publish_goes_on_evaluating_and_publishes_as_soon_as_it_may(
    environment: AlertsEnvironment, rabbitmq: PrivateBroker
) -> None:
    add_rule(environment.engine, "up", parse_terms("AAPL crossing up 200"), NOW)
    users = BrokerUsers(rabbitmq, environment.settings.amqp_url)
    needed = alerts.permissions(alerts.queue_spec())
    address = users.add(replace(needed, write=tuple(name for name in needed.write if name != EXCHANGE)))
    log = environment.output.with_suffix(".log")
    events = price_series(["199", "201", "198", "202", "197", "203"])
    with replace(environment, settings=replace(environment.settings, amqp_url=address)).consuming():
        for event in events[:4]:
            environment.publish([event])
            wait_until(lambda event=event: evaluated_until(environment) == event.as_of)  # type: ignore[misc]
        with reading(environment.engine) as connection:
            assert len(pending_alerts(connection, 10)) == 2
        refusals = [line for line in log.read_text().splitlines() if "refused user" in line]
        assert len(refusals) == 1
        users.run_named_command(refusals[0])
        time.sleep(REFUSED_INTERVAL)
        environment.publish(events[4:])
        environment.wait_until_evaluated(events[-1])
    stored = environment.alerts()
    assert event_ids(stored) == [events[1].id, events[3].id, events[5].id]
    assert [each.properties["message_id"] for each in environment.received(stored[-1].id)] == [a.id for a in stored]


def evaluated_until(environment: AlertsEnvironment) -> datetime | None:
    with reading(environment.engine) as connection:
        watermark = load_watermarks(connection, {"AAPL"}).get("AAPL")
    return watermark.as_of if watermark else None
