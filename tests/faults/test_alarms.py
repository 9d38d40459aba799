"""RabbitMQ blocks publishers because memory or disk is short: they wait and say so, and nothing is lost."""

import csv
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from infra.up.rabbitmq import PrivateBroker
from shared.events import StockData
from shared.messaging.address import BrokerAddress
from shared.messaging.publisher import CONFIRM_TIMEOUT, Publisher
from shared.messaging.topology import price_key, queue_name
from shared.times import format_instant
from tests.faults import naive_clients
from tests.faults.assertions import assert_eventually, assert_prints
from tests.faults.ledger import PromiseBroken, assert_none
from tests.faults.load import Load, OpenPublisher, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline
from tests.faults.sabotaged_consumers import without_confirms
from tests.processes import DEADLINE, Process, copy_checkout, running, until
from tests.queues import taken

OpenProcess = Callable[[Pipeline], AbstractContextManager[Process]]

EVENTS = 20_000
CELERY = ("python", "-m", "celery", "-A", "producer")
BLOCKED = "RabbitMQ has blocked publishers"
WAY_OUT = "free memory or disk, then publish again"
GOES_ON = "no longer blocks publishers"
# The commands that raise and clear each alarm.
ALARMS = {
    "memory": (("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.4")),
    "disk": (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "50MB")),
}
# A publisher that ignores signals.
DEAF = """
from shared.messaging.publisher import Publisher
from shared.settings import load_settings
from shared.signals import stop_on_signals
from tests.event_factories import messages

with stop_on_signals():
    Publisher(load_settings().amqp_url, "deaf", wait_while_blocked=True).publish(messages(10))
"""


@contextmanager
def alarm(node: PrivateBroker, kind: str = "memory") -> Iterator[None]:
    up, down = ALARMS[kind]
    node.rabbitmqctl(*up)
    try:
        yield
    finally:
        node.rabbitmqctl(*down)


def waiting_publisher(address: BrokerAddress) -> Publisher:
    return Publisher(address, "load", wait_while_blocked=True)


def publisher_with_timeout(address: BrokerAddress) -> Publisher:
    return Publisher(address, "load", timeout=2)


def our_history(pipeline: Pipeline) -> AbstractContextManager[Process]:
    return pipeline.consuming("history")


def block(
    node: PrivateBroker,
    pipeline: Pipeline,
    said: Callable[[], str],
    *,
    kind: str = "memory",
    publisher: OpenPublisher = waiting_publisher,
    history: OpenProcess = our_history,
) -> None:
    """Block publishers in the middle of a load, half of which then waits in the queue."""
    pipeline.declare("history")
    raised = threading.Event()
    with Load(pipeline.address, _half_before(raised), publisher=publisher) as load:
        until(lambda: load.confirmed >= EVENTS / 2, "half of the events to be confirmed")
        with alarm(node, kind):
            raised.set()
            assert_eventually(lambda: said().count(BLOCKED) == 1, "the publisher to say that it waits")
            confirmed = load.confirmed
            with history(pipeline) as stores:
                assert_eventually(lambda: pipeline.stored() >= confirmed, "history to go on")
                pipeline.drain("history", stores)
            if load.retried:
                raise PromiseBroken(f"{load.retried} events were given up")
            assert load.confirmed < EVENTS
        ledger = load.finish()
    assert len(ledger.confirmed) == EVENTS
    assert said().count(GOES_ON) == 1
    with pipeline.consuming("history") as stores:
        pipeline.drain("history", stores)
    pipeline.check_history(ledger)


def _half_before(raised: threading.Event) -> Iterator[StockData]:
    """Yield half of the events, and the others once the alarm is raised."""
    for number, event in enumerate(prices(EVENTS)):
        if number == EVENTS // 2:
            raised.wait(DEADLINE)
        yield event


def recording(folder: Path) -> Path:
    path = folder / "recording.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("date", "symbol", "price"))
        writer.writerows((format_instant(each.as_of), each.symbol, each.price) for each in prices(EVENTS))
    return path


def replaying(pipeline: Pipeline) -> AbstractContextManager[Process]:
    return running("./stockwire", "replay", str(recording(pipeline.folder)), environment=pipeline.environment)


def deaf(pipeline: Pipeline) -> AbstractContextManager[Process]:
    return running("python", "-c", DEAF, environment=pipeline.environment)


def end_blocked(
    node: PrivateBroker, pipeline: Pipeline, number: signal.Signals, publishing: OpenProcess = replaying
) -> None:
    pipeline.declare("history")
    with alarm(node), publishing(pipeline) as process:
        assert_prints(process, BLOCKED)
        process.send(number)
        assert_eventually(lambda: not process.running, "it to end", 10)
        assert process.wait() == 1
        *_, how_far, why = process.output.splitlines()
        assert how_far == "published 0 events, skipped 0 rows"
        assert why.startswith("stockwire: 1000 events were not published; the first is ")
        assert why.endswith(": stopped before RabbitMQ had confirmed the message")


def give_up(process: Process) -> None:
    assert_prints(process, BLOCKED)
    assert_eventually(lambda: not process.running, "it to give up", CONFIRM_TIMEOUT + 15)
    assert process.wait() == 1


@fault
@pytest.mark.parametrize("kind", ALARMS)
def test_a_blocked_publisher_waits_and_goes_on_while_history_consumes(
    node: PrivateBroker, own_pipeline: Pipeline, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    block(node, own_pipeline, lambda: caplog.text, kind=kind)


@fault
def test_a_replay_waits_for_as_long_as_it_takes(node: PrivateBroker, own_pipeline: Pipeline) -> None:
    own_pipeline.declare("history")
    with alarm(node), replaying(own_pipeline) as replay:
        assert_prints(replay, BLOCKED)
        time.sleep(CONFIRM_TIMEOUT + 5)
        assert replay.running
        node.rabbitmqctl(*ALARMS["memory"][1])
        assert replay.wait(60) == 0, replay.output
        assert replay.output.count(BLOCKED) == replay.output.count(GOES_ON) == 1, replay.output
        assert f"published {EVENTS} events, skipped 0 rows" in replay.output
    assert own_pipeline.waiting("history") == EVENTS


@fault
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_replay_that_is_stopped_while_it_is_blocked_ends_at_once_and_says_how_far_it_got(
    node: PrivateBroker, own_pipeline: Pipeline, number: signal.Signals
) -> None:
    end_blocked(node, own_pipeline, number)


@fault
def test_a_sync_gives_up_in_one_line_and_celery_tries_again_under_the_same_ids(
    node: PrivateBroker, own_pipeline: Pipeline, tmp_path: Path
) -> None:
    own_pipeline.declare("history")
    environment = {**own_pipeline.environment, "STOCKWIRE_SYMBOLS": "AAPL,MSFT", "STOCKWIRE_SCHEDULE": "1h"}
    mine, celerys = copy_checkout(tmp_path / "mine"), copy_checkout(tmp_path / "celerys")
    with running(*CELERY, "worker", "--loglevel=info", environment=environment, folder=celerys) as worker:
        assert_prints(worker, "ready.")
        # Blocked publishers could not send the task.
        with running(
            *CELERY, "call", "producer.sync", "--countdown=5", environment=environment, folder=celerys
        ) as call:
            assert call.wait() == 0
        with alarm(node), running("./stockwire", "sync", "TSLA", environment=environment, folder=mine) as sync:
            assert_prints(worker, BLOCKED)
            given_up = time.monotonic() + CONFIRM_TIMEOUT + 2
            give_up(sync)
            assert sync.output.splitlines()[1:] == [f"TSLA failed: {BLOCKED} (memory or disk alarm); {WAY_OUT}"]
            assert own_pipeline.waiting("history") == 0
            # The worker gives up too, but can send the retry only when it is unblocked.
            time.sleep(max(0.0, given_up - time.monotonic()))
        assert_prints(worker, "Retry in")
        assert_prints(worker, "succeeded in", timeout=60)
        assert f"{BLOCKED} (memory or disk alarm); {WAY_OUT}" in worker.output
    found = taken(own_pipeline.address, queue_name("history"), own_pipeline.waiting("history"))
    ids = {(each.routing_key, each.id) for each in found}
    assert {price_key("AAPL"), price_key("MSFT")} <= {key for key, _ in ids}
    assert_none("events under several ids", [key for key, count in Counter(key for key, _ in ids).items() if count > 1])


@control
def test_control_of_a_publisher_that_gives_up(
    node: PrivateBroker, own_pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    block(node, own_pipeline, lambda: caplog.text, publisher=publisher_with_timeout)


@control
def test_control_of_a_publisher_that_says_nothing(
    node: PrivateBroker, own_pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    block(node, own_pipeline, lambda: caplog.text, publisher=without_confirms)


@control
def test_control_of_a_consumer_that_publishes_by_the_same_connection(
    node: PrivateBroker, own_pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    block(node, own_pipeline, lambda: caplog.text, history=naive_clients.consuming_and_publishing)


@control
def test_control_of_a_publisher_that_hears_no_stop(node: PrivateBroker, own_pipeline: Pipeline) -> None:
    end_blocked(node, own_pipeline, signal.SIGTERM, deaf)


@control
def test_control_of_a_sync_that_does_not_give_up(node: PrivateBroker, own_pipeline: Pipeline) -> None:
    own_pipeline.declare("history")
    with alarm(node), deaf(own_pipeline) as process:
        give_up(process)
