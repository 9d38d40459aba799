"""A permission is missing: the alerts consumer goes on evaluating, every other process ends and says what to run."""

from dataclasses import replace

import pytest

from consumers.alerts.handler import alerts as real_alerts
from consumers.history.handler import history as real_history
from infra.up.rabbitmq import PrivateBroker
from shared.messaging.messages import price_message
from shared.messaging.permissions import Permissions
from shared.messaging.topology import DEAD_EXCHANGE, EXCHANGE
from tests.broker_users import BrokerUsers
from tests.event_factories import price_series, raw_message
from tests.faults.assertions import assert_eventually
from tests.faults.markers import control, fault
from tests.faults.pipeline import SABOTAGED, Pipeline
from tests.processes import Process, until
from tests.queues import dead_letters, declare, publish, waiting

# Crosses 100 and 97 again and again.
PRICES = ["96", "101"] * 20


@pytest.fixture
def users(rabbitmq: PrivateBroker, pipeline: Pipeline) -> BrokerUsers:
    return BrokerUsers(rabbitmq, pipeline.address)


def without(permissions: Permissions, name: str) -> Permissions:
    return replace(permissions, write=tuple(each for each in permissions.write if each != name))


def refusals(process: Process) -> list[str]:
    return [line for line in process.output.splitlines() if "refused user" in line]


def refuse_alerts(pipeline: Pipeline, users: BrokerUsers, consumer: str = "alerts") -> None:
    """Let alerts run as a user who may not publish, and then let it publish. Every alert must be raised and arrive."""
    pipeline.declare("alerts")
    listener = declare(pipeline.address, "alert.#", name="listener")
    pipeline.add_rules()
    pipeline.through = users.add(without(real_alerts.permissions(real_alerts.queue_spec()), EXCHANGE))
    *events, last = price_series(PRICES)
    expected = 2 * (len(PRICES) - 1)
    with pipeline.consuming(consumer) as process:
        for event in events:
            publish(pipeline.address, price_message(event))
        assert_eventually(lambda: pipeline.raised() == expected - 2, "the alerts of all prices", 20)
        assert len(refusals(process)) == 1
        assert waiting(pipeline.address, listener) == 0
        users.run_named_command(refusals(process)[0])

        def published() -> bool:
            publish(pipeline.address, price_message(last))
            return waiting(pipeline.address, listener) == expected

        assert_eventually(published, "every alert to be published", 30)
        assert process.stop() == 0


@fault
def test_alerts_that_may_not_be_published_stay_pending_while_rules_are_evaluated(
    pipeline: Pipeline, users: BrokerUsers
) -> None:
    refuse_alerts(pipeline, users)


@control
def test_control_of_pending_alerts(pipeline: Pipeline, users: BrokerUsers) -> None:
    refuse_alerts(pipeline, users, f"{SABOTAGED}:alerts_that_repeat_refusals")


def refuse_dead_letter(pipeline: Pipeline, users: BrokerUsers, consumer: str = "history") -> Process:
    """Let history run as a user who may not publish dead letters, and then as one who may. Return the first process."""
    pipeline.declare("history")
    needed = real_history.permissions(real_history.queue_spec())
    pipeline.through = users.add(without(needed, DEAD_EXCHANGE.replace(".", r"\.")))
    publish(pipeline.address, raw_message(b"?"))
    with pipeline.consuming(consumer) as process:
        until(lambda: not process.running or "dead-lettered" in process.output, "the message to be handled")
    pipeline.through = None
    with pipeline.consuming("history") as another:
        assert_eventually(lambda: dead_letters(pipeline.address, "stockwire.history"), "the dead letter", 10)
        assert another.stop() == 0
    return process


@fault
def test_a_dead_letter_that_is_refused_ends_history_and_is_neither_lost_nor_acknowledged(
    pipeline: Pipeline, users: BrokerUsers
) -> None:
    process = refuse_dead_letter(pipeline, users)
    assert process.wait() == 1
    users.run_named_command(process.output.splitlines()[-1])


@control
def test_control_of_a_refused_dead_letter(pipeline: Pipeline, users: BrokerUsers) -> None:
    refuse_dead_letter(pipeline, users, f"{SABOTAGED}:history_dropping_dead_letters")
