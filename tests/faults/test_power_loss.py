"""A power loss drops everything that was not flushed to disk: confirmed and acknowledged events survive."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from infra.up.rabbitmq import PrivateBroker, private_broker
from shared.errors import ProcessError
from tests.conftest import unavailable
from tests.faults.assertions import assert_prints
from tests.faults.ledger import PromiseBroken
from tests.faults.load import Load, OpenPublisher, confirmed_publisher, prices
from tests.faults.markers import control, fault
from tests.faults.mounts import FailingDisk, failing_disk
from tests.faults.pipeline import SABOTAGED, Pipeline, Restarting, restarting
from tests.faults.sabotaged_consumers import without_confirms
from tests.processes import DEADLINE

ROUNDS = 3
# LONGEST is the longest round in seconds before the power loss, RATE the events per second.
LONGEST = 2.0
RATE = 1000
MEGABYTES = 512
# The number of starts of RabbitMQ until a queue must be back.
STARTS = 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FailingDisk]:
    with failing_disk(tmp_path / "disk", tmp_path / "disk.image", MEGABYTES) as disk:
        yield disk


@pytest.fixture
def broker_on_disk(disk: FailingDisk) -> Iterator[PrivateBroker]:
    try:
        with private_broker(disk.folder / "rabbitmq") as broker:
            yield broker
    except ProcessError as error:
        unavailable(str(error))


def lose_power(
    disk: FailingDisk,
    broker: PrivateBroker,
    chaos: random.Random,
    consumer: str = "history",
    publisher: OpenPublisher = confirmed_publisher,
) -> None:
    pipeline = Pipeline(replace(broker.address, heartbeat=2), disk.folder.parent)
    pipeline.history = disk.folder / "history.db"
    pipeline.declare("history")
    # RabbitMQ needs some files that it writes in its first seconds without flushing them.
    disk.settle()
    events = prices(1_000_000)
    with (
        Load(pipeline.address, events, rate=RATE, publisher=publisher) as load,
        restarting(pipeline, consumer) as consuming,
    ):
        consuming.process.wait_for("consuming")
        for _ in range(ROUNDS):
            time.sleep(chaos.uniform(LONGEST / 3, LONGEST))
            cut_power(disk, broker, consuming)
            wait_for_queue(broker, consuming)
        ledger = load.stop()
        pipeline.drain("history", consuming.process)
    print(f"{pipeline.check_history(ledger)} redeliveries absorbed, {load.retried} published again")


def cut_power(disk: FailingDisk, broker: PrivateBroker, consuming: Restarting) -> None:
    """Stop all processes at once, keep only what is on disk, and start them again."""
    groups = [*(process.pid for process in broker._processes), consuming.process.pid]
    for group in groups:
        os.killpg(group, signal.SIGSTOP)
    disk.copy()

    def begin_again() -> None:
        broker.kill()
        disk.lose_power()
        broker.start()

    consuming.kill(meanwhile=begin_again)


def wait_for_queue(broker: PrivateBroker, consuming: Restarting) -> None:
    """Wait until the consumer runs, which may take another start of the broker.

    RabbitMQ 3.10 does again what a quorum queue did last, and may stumble over messages that are gone by now. After
    three times it leaves the queue alone until it is started anew, which finds the queue a step further.
    """
    for _ in range(STARTS):
        with suppress(PromiseBroken):
            return assert_prints(consuming.process, "consuming", timeout=DEADLINE / 2)
        print("the queue is not there: starting RabbitMQ again")
        broker.stop()
        broker.start()
    return assert_prints(consuming.process, "consuming")


@fault
def test_confirmed_and_acknowledged_events_survive(
    disk: FailingDisk, broker_on_disk: PrivateBroker, chaos: random.Random
) -> None:
    lose_power(disk, broker_on_disk, chaos)


# amqpstorm leaves a socket open after each failed connection.
@control
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_control_without_confirms(disk: FailingDisk, broker_on_disk: PrivateBroker, chaos: random.Random) -> None:
    lose_power(disk, broker_on_disk, chaos, publisher=without_confirms)


@control
def test_control_without_flushing_each_commit(
    disk: FailingDisk, broker_on_disk: PrivateBroker, chaos: random.Random
) -> None:
    lose_power(disk, broker_on_disk, chaos, f"{SABOTAGED}:history_not_flushed")
