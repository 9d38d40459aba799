"""The alerts consumer as a process of its own, on a real broker: restarted, killed, without its broker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from consumers.alerts.handler import AlertHandler, open_alerts
from consumers.alerts.rules.parser import parse_condition
from consumers.alerts.rules.store import add_rule
from consumers.alerts.store import load_watermarks, pending_alerts, read_alerts
from consumers.alerts.tables import SCHEMA
from infra.up.rabbitmq import free_port
from shared.database import open_engine, reading
from shared.errors import BrokerUnavailable
from shared.events import PriceAlert, StockData
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connected
from shared.messaging.amqp.declarations import declare_queue
from shared.messaging.amqp.subscription import Subscription
from shared.messaging.messages import Delivery, price_message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import LIVE_PRICES, QueueSpec, queue_name
from shared.schema import create_schema
from shared.settings import ROOT, Settings
from tests.factories import NOW, price_series, stock_data

DEADLINE = 20.0
CONSUMER = [sys.executable, "-m", "consumers", "alerts"]

# Runs the consumer until it is about to do, or has just done, one thing; then it dies as by `kill -9`.
DOOMED = """
import os, signal, sys
from importlib import import_module
from operator import attrgetter

from consumers.alerts.handler import alerts
from shared.messaging.runner import run_consumer
from shared.settings import load_settings
from shared.signals import stop_on_signals

when, module, path = sys.argv[1:]
*parents, name = path.split(".")
owner = attrgetter(".".join(parents))(import_module(module)) if parents else import_module(module)
original = getattr(owner, name)

def die(*arguments, **options):
    if when == "after":
        original(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, die)
with stop_on_signals() as stop:
    run_consumer(alerts, load_settings(), stop)
"""


@dataclass
class World:
    """A virtual host with the consumer's queue and a listener's, and an alerts database."""

    settings: Settings
    engine: Engine
    output: Path
    deliveries: list[Delivery]
    listener: Subscription

    def publish(self, events: Sequence[StockData]) -> None:
        with Publisher(self.settings.amqp_url, "test") as publisher:
            publisher.publish(price_message(event) for event in events)

    def start(self, command: Sequence[str] = CONSUMER) -> "subprocess.Popen[bytes]":
        own = {
            "STOCKWIRE_AMQP_URL": self.settings.amqp_url.url(),
            "STOCKWIRE_ALERTS_URL": self.settings.alerts_url.render_as_string(hide_password=False),
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith("STOCKWIRE_")}
        with self.output.open("ab") as stdout, self.output.with_suffix(".log").open("ab") as stderr:
            return subprocess.Popen(command, cwd=ROOT, env=others | own, stdout=stdout, stderr=stderr)

    @contextmanager
    def consuming(self) -> Iterator[None]:
        """The consumer at work; stopped by SIGTERM, which ends it cleanly."""
        process = self.start()
        try:
            yield
            process.terminate()
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
            process.wait()

    def wait_until_seen(self, event: StockData) -> None:
        """Until the event has been evaluated and nothing is pending."""

        def seen() -> bool:
            with reading(self.engine) as connection:
                mark = load_watermarks(connection, {event.symbol}).get(event.symbol)
                return mark is not None and mark.as_of >= event.as_of and not pending_alerts(connection, 1)

        wait_until(seen)

    def alerts(self) -> list[PriceAlert]:
        with reading(self.engine) as connection:
            return list(read_alerts(connection))

    def heard(self, last: str) -> list[Delivery]:
        """All that reached the listener, once the event of this id has."""

        def arrived() -> bool:
            batch = self.listener.take(100, timeout=0.05)
            if batch:
                self.listener.acknowledge(batch[-1], and_all_before=True)
            self.deliveries += batch
            return any(each.properties["message_id"] == last for each in self.deliveries)

        wait_until(arrived)
        return self.deliveries

    def printed(self) -> list[str]:
        return self.output.read_text().splitlines()


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def world(broker: BrokerAddress, tmp_path: Path) -> Iterator[World]:
    url = make_url(f"sqlite:///{tmp_path / 'alerts.db'}")
    engine = open_engine(url)
    create_schema(engine, SCHEMA)
    with connected(broker, "test") as connection:
        channel = connection.open_channel()
        declare_queue(channel, QueueSpec(queue_name("alerts"), (LIVE_PRICES,), single_active=True))
        declare_queue(channel, QueueSpec("listener", ("alert.#",)))
        listener = Subscription(connection, channel)
        listener.start("listener", 1000)
        yield World(Settings(amqp_url=broker, alerts_url=url), engine, tmp_path / "stdout", [], listener)
    engine.dispose()


def event_ids(alerts: Sequence[PriceAlert]) -> list[str]:
    return [alert.event_id for alert in alerts]


def test_a_price_alert_reaches_whoever_listens(world: World) -> None:
    add_rule(world.engine, "up", parse_condition("* crossing up 200"), NOW)
    events = [*price_series(["199.5", "201"]), *price_series(["199", "200"], symbol="BRK.B")]
    with world.consuming():
        world.publish(events)
        world.wait_until_seen(events[-1])
    stored = world.alerts()
    assert event_ids(stored) == [events[1].id, events[3].id]
    heard = world.heard(stored[-1].id)
    assert [each.routing_key for each in heard] == ["alert.AAPL.crossing_up", "alert.BRK-B.crossing_up"]
    assert [PriceAlert.decode(each.body, NOW) for each in heard] == stored
    properties = heard[0].properties
    assert properties["message_id"] == stored[0].id
    assert properties["type"] == "PRICE_ALERT"
    assert properties["content_type"] == "application/cloudevents+json"
    assert properties["delivery_mode"] == 2
    assert properties["app_id"] == "stockwire"
    assert abs((properties["timestamp"] - stored[0].triggered_at).total_seconds()) <= 1
    assert world.printed() == [
        "2024-11-20T09:59:59Z AAPL 201 up: AAPL crossing up 200",
        "2024-11-20T09:59:59Z BRK.B 200 up: BRK.B crossing up 200",
    ]


def test_a_rule_added_while_it_runs_holds_within_two_seconds(world: World) -> None:
    first, second, third = price_series(["199", "201", "202"])
    with world.consuming():
        world.publish([first])
        world.wait_until_seen(first)
        add_rule(world.engine, "up", parse_condition("AAPL crossing up 200"), NOW)
        added = time.monotonic()
        world.publish([second])
        world.wait_until_seen(second)
        assert time.monotonic() - added < 2
        assert event_ids(world.alerts()) == [second.id]
        world.publish([third])
        world.wait_until_seen(third)
    assert event_ids(world.alerts()) == [second.id]


def test_a_restart_with_everything_published_again_raises_nothing_twice(world: World) -> None:
    add_rule(world.engine, "up", parse_condition("AAPL crossing up 200"), NOW)
    events = price_series(["199", "201"] * 20)
    with world.consuming():
        world.publish(events[:21])
        world.wait_until_seen(events[20])
    world.publish(events[:21])
    world.publish(events)
    with world.consuming():
        world.wait_until_seen(events[-1])
    assert event_ids(world.alerts()) == event_ids_of_rises(events)
    published = [each.properties["message_id"] for each in world.heard(world.alerts()[-1].id)]
    assert published == [alert.id for alert in world.alerts()]
    assert len(world.printed()) == 20


def event_ids_of_rises(events: Sequence[StockData]) -> list[str]:
    return [event.id for event in events if event.price == 201]


@pytest.mark.parametrize(
    ("when", "module", "path"),
    [
        ("after", "consumers.alerts.handler", "save_batch"),
        ("before", "consumers.alerts.outbox", "_publish"),
        ("before", "consumers.alerts.outbox", "mark_published"),
        ("before", "shared.messaging.amqp.subscription", "Subscription.acknowledge"),
    ],
    ids=["before the commit", "before publishing", "before noting the confirms", "before acknowledging"],
)
def test_killed_at_the_worst_moment_it_raises_each_alert_once(world: World, when: str, module: str, path: str) -> None:
    add_rule(world.engine, "up", parse_condition("AAPL crossing up 200"), NOW)
    events = price_series(["199", "201"] * 10)
    world.publish(events)
    doomed = world.start([sys.executable, "-c", DOOMED, when, module, path])
    assert doomed.wait(DEADLINE) == -signal.SIGKILL
    last = stock_data(price="199", as_of=events[-1].as_of.replace(year=2025))
    world.publish([last])
    with world.consuming():
        world.wait_until_seen(last)
    stored = world.alerts()
    assert event_ids(stored) == event_ids_of_rises(events)
    heard = [each.properties["message_id"] for each in world.heard(stored[-1].id)]
    # What was confirmed without being noted is published again, under the same ids.
    times = 2 if path == "mark_published" else 1
    assert heard[: times * len(stored)] == [alert.id for alert in stored] * times


def evaluating_after(world: World, event: StockData) -> Callable[[], bool]:
    """Whether an event later than this one has been evaluated."""

    def happened() -> bool:
        with reading(world.engine) as connection:
            mark = load_watermarks(connection, {event.symbol}).get(event.symbol)
            return mark is not None and mark.as_of > event.as_of

    return happened


def test_killed_at_any_moment_under_load_it_raises_each_alert_once(world: World) -> None:
    add_rule(world.engine, "up", parse_condition("AAPL crossing up 200"), NOW)
    events = price_series(["199", "201"] * 2000)
    for start in range(0, len(events), 1000):
        process = world.start()
        world.publish(events[start : start + 1000])
        # As soon as it has begun on them.
        wait_until(evaluating_after(world, events[start]))
        process.kill()
        process.wait()
    with world.consuming():
        world.wait_until_seen(events[-1])
    stored = world.alerts()
    assert event_ids(stored) == event_ids_of_rises(events)
    world.heard(stored[-1].id)
    assert {each.properties["message_id"] for each in world.deliveries} == {alert.id for alert in stored}


def test_what_is_owed_when_the_broker_is_away_is_published_at_the_next_start(world: World) -> None:
    add_rule(world.engine, "up", parse_condition("AAPL crossing up 200"), NOW)
    away = replace(world.settings, amqp_url=replace(world.settings.amqp_url, port=free_port()))
    events = price_series(["199", "201"])
    with open_alerts(away) as handle:
        for _ in range(2):
            with pytest.raises(BrokerUnavailable):
                handle(events)
    # It cannot be reached at a start either, which is no reason not to start.
    with open_alerts(away) as handle:
        assert isinstance(handle, AlertHandler)
    [alert] = world.alerts()
    for _ in range(2):
        with open_alerts(world.settings) as handle:
            handle(events)
    assert [each.properties["message_id"] for each in world.heard(alert.id)] == [alert.id]
    assert world.listener.take(10, timeout=0.2) == []
