"""Output that cannot be written, such as alerts printed to a file on a full disk, stops no evaluation."""

import sys

from shared.messaging.messages import price_message
from tests.faults.assertions import assert_eventually
from tests.faults.ledger import Ledger
from tests.faults.load import prices
from tests.faults.markers import control
from tests.faults.pipeline import DELIVERY_LOG, SABOTAGED, Pipeline
from tests.processes import running
from tests.queues import publish

EVENTS = 300
# In seconds; a handler that fails is tried for longer.
DEADLINE = 10


def print_to_a_full_disk(pipeline: Pipeline, consumer: str) -> None:
    pipeline.declare("alerts")
    pipeline.add_rules()
    pipeline.listen()
    events = list(prices(EVENTS))
    ledger = Ledger({event.id: event for event in events}, {event.id for event in events})
    command = ["sh", "-c", 'exec "$0" -m consumers "$1" > /dev/full', sys.executable, consumer]
    with running(*command, environment=pipeline.environment) as process:
        process.wait_for("consuming")
        publish(pipeline.address, *map(price_message, events))
        assert_eventually(lambda: pipeline.waiting("alerts") == 0, "an empty queue", DEADLINE)
        assert_eventually(lambda: len(pipeline.deliveries("alerts")) >= EVENTS, "all events", DEADLINE)
        # The output that was lost is an error.
        assert process.stop() == 1
    pipeline.check_alerts(ledger)
    assert "standard output cannot be written (No space left on device)" in process.output
    assert "./stockwire alerts lists them" in process.output


def test_alerts_are_raised_and_published_if_they_cannot_be_printed(pipeline: Pipeline) -> None:
    print_to_a_full_disk(pipeline, f"{DELIVERY_LOG}:alerts")


def test_a_consumer_that_only_prints_ends_if_it_cannot_print(pipeline: Pipeline) -> None:
    command = ["sh", "-c", 'exec "$0" -m consumers tail > /dev/full', sys.executable]
    with running(*command, environment=pipeline.environment) as process:
        process.wait_for("consuming")
        publish(pipeline.address, price_message(next(prices(1))))
        assert process.wait() == 1
    assert process.output.splitlines()[-1].startswith("stockwire: standard output cannot be written")


@control
def test_control_of_alerts_that_cannot_be_printed(pipeline: Pipeline) -> None:
    print_to_a_full_disk(pipeline, f"{SABOTAGED}:alerts_that_must_be_printed")
