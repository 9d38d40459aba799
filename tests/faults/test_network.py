"""Connections are reset or fall silent under load: both sides notice, and nothing is lost or doubled."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from threading import Event

import pytest

from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connect
from shared.messaging.amqp.subscription import Subscription
from shared.messaging.topology import queue_name
from tests.faults import naive_clients, slow_consumers
from tests.faults.assertions import assert_eventually
from tests.faults.ledger import PromiseBroken
from tests.faults.load import Load, OpenPublisher, confirmed_publisher, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import SABOTAGED, Pipeline
from tests.faults.sabotaged_consumers import without_confirms
from tests.processes import Process, until
from tests.proxy import Proxy, proxy

OpenConsumer = Callable[[Pipeline], AbstractContextManager[Process]]

RATE = 1000
HEARTBEAT = 2
# In seconds: a client notices after at most 1.5 heartbeats, RabbitMQ after 3.
NOTICED = 3.75 * HEARTBEAT
HOLE = 8.0
LOST = "connecting again"
# Alerts print this first if they were about to publish an alert.
TRYING = "trying again"


def our_history(pipeline: Pipeline) -> AbstractContextManager[Process]:
    return pipeline.consuming("history")


@contextmanager
def behind(pipeline: Pipeline) -> Iterator[Proxy]:
    """Yield a proxy that the consumers connect to with a short heartbeat."""
    with proxy(replace(pipeline.address, heartbeat=HEARTBEAT)) as between:
        pipeline.through = between.address
        yield between


@contextmanager
def switched_on(*failures: Event) -> Iterator[None]:
    for failure in failures:
        failure.set()
    try:
        yield
    finally:
        for failure in failures:
            failure.clear()


def reset(
    pipeline: Pipeline,
    chaos: random.Random,
    times: int,
    *,
    history: OpenConsumer = our_history,
    publisher: OpenPublisher = confirmed_publisher,
) -> None:
    """Close the connections of publisher and consumers at random, by FIN or by RST."""
    pipeline.add_rules()
    pipeline.declare("history", "alerts")
    with (
        behind(pipeline) as between,
        history(pipeline) as stores,
        pipeline.consuming("alerts") as alerts,
        Load(between.address, prices(1_000_000), rate=RATE, publisher=publisher) as load,
    ):
        for _ in range(times):
            time.sleep(chaos.uniform(0, 1))
            chaos.choice((between.cut, between.reset))()
        ledger = load.stop()
        pipeline.drain("history", stores)
        pipeline.drain("alerts", alerts)
        assert between.accepted > times
    print(f"{pipeline.check_history(ledger)} redeliveries absorbed")
    pipeline.check_alerts(ledger)


def fall_silent(
    pipeline: Pipeline,
    chaos: random.Random,
    way: str = "stuck",
    *,
    history: OpenConsumer = our_history,
    publisher: OpenPublisher = confirmed_publisher,
) -> None:
    """Stop all traffic, both ways or one way, without closing anything: both sides notice, and recover afterwards."""
    pipeline.add_rules()
    pipeline.declare("history", "alerts")
    with (
        behind(pipeline) as between,
        proxy(between.address) as before,
        history(pipeline) as stores,
        pipeline.consuming("alerts") as alerts,
        Load(before.address, prices(1_000_000), rate=RATE, publisher=publisher) as load,
    ):
        until(lambda: pipeline.stored() > RATE, "prices to be stored")
        time.sleep(chaos.uniform(0, HEARTBEAT))
        begun, accepted = time.monotonic(), before.accepted
        with switched_on(getattr(between, way)):
            assert_eventually(lambda: before.accepted > accepted, "the publisher to notice", NOTICED)
            assert_eventually(lambda: LOST in stores.output, "history to notice", NOTICED)
            assert_eventually(lambda: LOST in alerts.output or TRYING in alerts.output, "alerts to notice", NOTICED)
            print(f"all have noticed after {time.monotonic() - begun:.1f} s")
            time.sleep(max(0.0, begun + HOLE - time.monotonic()))
        confirmed, stored = load.confirmed, pipeline.stored()
        assert_eventually(lambda: load.confirmed > confirmed, "the publisher to go on")
        assert_eventually(lambda: pipeline.stored() > stored, "history to go on")
        ledger = load.stop()
        pipeline.drain("history", stores)
        pipeline.drain("alerts", alerts)
    print(f"{pipeline.check_history(ledger)} redeliveries absorbed")
    pipeline.check_alerts(ledger)


def refund(pipeline: Pipeline, heartbeat: int = HEARTBEAT) -> None:
    """Cut a consumer off: by its heartbeat, RabbitMQ notices and gives the messages to another consumer."""
    pipeline.declare("history")
    with Load(pipeline.address, prices(500)) as load:
        ledger = load.finish()
    with (
        proxy(replace(pipeline.address, heartbeat=heartbeat)) as between,
        holding(between.address, len(ledger.confirmed)),
        pipeline.consuming("history") as stores,
        switched_on(between.stuck),
    ):
        assert_eventually(
            lambda: pipeline.stored() == len(ledger.confirmed), "them to be stored by another", 2 * NOTICED
        )
        pipeline.drain("history", stores)
    assert pipeline.check_history(ledger) == 0


@contextmanager
def holding(address: BrokerAddress, count: int) -> Iterator[None]:
    """Run a consumer that takes messages from the queue of history and does nothing with them."""
    connection = connect(address, "test")
    try:
        subscription = Subscription(connection, connection.open_channel())
        subscription.start(queue_name("history"), count)
        taken = 0
        while taken < count:
            taken += len(subscription.take(count))
        yield
    finally:
        connection.abort()


def hang_in_handshake(pipeline: Pipeline, chaos: random.Random) -> None:
    """Stop the network while a connection is made, for a moment and for longer than the timeout."""
    pipeline.declare("history")
    with (
        behind(pipeline) as between,
        pipeline.consuming("history") as stores,
        Load(between.address, prices(1_000_000), rate=RATE) as load,
    ):
        for seconds in (1, 1, 1, 10):
            stored, confirmed, accepted = pipeline.stored(), load.confirmed, between.accepted
            assert_eventually(lambda stored=stored: pipeline.stored() > stored, "history to go on")
            assert_eventually(lambda confirmed=confirmed: load.confirmed > confirmed, "the publisher to go on")
            between.reset()
            until(lambda accepted=accepted: between.accepted > accepted, "a connection to be made")
            time.sleep(chaos.uniform(0, 0.05))
            with switched_on(between.stuck):
                time.sleep(seconds)
        ledger = load.stop()
        pipeline.drain("history", stores)
    print(f"{pipeline.check_history(ledger)} redeliveries absorbed")


def take_long(pipeline: Pipeline, consumer: str) -> None:
    """Handle one batch for as long as several heartbeats."""
    pipeline.declare("history")
    with Load(pipeline.address, prices(100)) as load:
        ledger = load.finish()
    with behind(pipeline), pipeline.consuming(f"{slow_consumers.__name__}:{consumer}") as stores:
        until(lambda: pipeline.stored() == len(ledger.confirmed) or LOST in stores.output, "the slow handler")
        if LOST in stores.output:
            raise PromiseBroken(f"a slow handler lost its connection:\n{stores.output}")
        pipeline.drain("history", stores)
    assert pipeline.check_history(ledger) == 0


@fault
def test_connections_reset_at_random_lose_and_double_nothing(pipeline: Pipeline, chaos: random.Random) -> None:
    reset(pipeline, chaos, 30)


@fault
@pytest.mark.parametrize("way", ["stuck", "stuck_in", "stuck_out"])
def test_a_connection_that_hangs_is_noticed_within_the_heartbeat_and_loses_nothing(
    pipeline: Pipeline, chaos: random.Random, way: str
) -> None:
    fall_silent(pipeline, chaos, way)


@fault
def test_rabbitmq_takes_back_the_messages_of_an_unreachable_consumer(pipeline: Pipeline) -> None:
    refund(pipeline)


@fault
def test_a_connection_that_hangs_while_it_is_made_is_given_up(pipeline: Pipeline, chaos: random.Random) -> None:
    hang_in_handshake(pipeline, chaos)


@fault
def test_a_handler_that_takes_long_keeps_its_connection(pipeline: Pipeline) -> None:
    take_long(pipeline, "history")


@control
def test_control_of_resets_without_confirms(pipeline: Pipeline, chaos: random.Random) -> None:
    reset(pipeline, chaos, 10, publisher=without_confirms)


@control
def test_control_of_resets_without_dedupe(pipeline: Pipeline, chaos: random.Random) -> None:
    reset(pipeline, chaos, 10, history=partial(Pipeline.consuming, consumer=f"{SABOTAGED}:history_without_dedupe"))


@control
@pytest.mark.parametrize("publisher", [without_confirms, naive_clients.without_heartbeat])
def test_control_of_a_hanging_publisher(pipeline: Pipeline, chaos: random.Random, publisher: OpenPublisher) -> None:
    fall_silent(pipeline, chaos, publisher=publisher)


@control
@pytest.mark.parametrize("history", [naive_clients.consuming, naive_clients.consuming_without_heartbeat])
def test_control_of_a_hanging_consumer(pipeline: Pipeline, chaos: random.Random, history: OpenConsumer) -> None:
    fall_silent(pipeline, chaos, history=history)


@control
def test_control_of_taking_back(pipeline: Pipeline) -> None:
    refund(pipeline, heartbeat=0)


@control
def test_control_of_a_slow_handler(pipeline: Pipeline) -> None:
    take_long(pipeline, "history_without_heartbeats")
