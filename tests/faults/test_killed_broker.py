"""The broker is killed or restarted under load: everything reconnects, and no confirmed event is lost."""

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import pytest

from infra.up.rabbitmq import PrivateBroker
from tests.faults.assertions import assert_eventually
from tests.faults.ledger import PromiseBroken
from tests.faults.load import Load, OpenPublisher, confirmed_publisher, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline, restarting
from tests.faults.sabotaged_consumers import without_confirms
from tests.processes import running, until

Fall = Callable[[PrivateBroker], None]

RATE = 2000
REPLAYED = 60_000
# In seconds, from the moment when the broker accepts connections again.
GAP = 10.0
# In seconds: RabbitMQ 3.10 may lose a younger quorum queue when its node is killed.
SETTLED = 2.0


def kill(node: PrivateBroker) -> None:
    node.kill()


def stop(node: PrivateBroker) -> None:
    node.stop()


def fell(
    pipeline: Pipeline,
    node: PrivateBroker,
    chaos: random.Random,
    times: int,
    fall: Fall,
    *,
    rate: float | None = RATE,
    gap: float = GAP,
    publisher: OpenPublisher = confirmed_publisher,
) -> None:
    """Stop the broker and start it again under a publisher and both consumers, then check all rows and alerts."""
    pipeline.add_rules()
    pipeline.declare("history", "alerts")
    with (
        pipeline.consuming("history") as history,
        pipeline.consuming("alerts") as alerts,
        Load(pipeline.address, prices(1_000_000), rate=rate, publisher=publisher) as load,
    ):
        until(lambda: pipeline.stored() > RATE, "prices to be stored")
        time.sleep(SETTLED)
        for _ in range(times):
            time.sleep(chaos.uniform(0, 1))
            fall(node)
            node.start()
            confirmed, stored, raised = load.confirmed, pipeline.stored(), pipeline.raised()
            assert_eventually(lambda confirmed=confirmed: load.confirmed > confirmed, "the publisher to go on", gap)
            assert_eventually(lambda stored=stored: pipeline.stored() > stored, "history to go on", gap)
            assert_eventually(lambda raised=raised: pipeline.raised() > raised, "alerts to go on", gap)
        ledger = load.stop()
        pipeline.drain("history", history)
        pipeline.drain("alerts", alerts)
    print(f"{len(ledger.confirmed)} confirmed, {load.retried} published again")
    print(f"{pipeline.check_history(ledger)} redeliveries absorbed")
    pipeline.check_alerts(ledger)


def fell_with_its_consumers(
    pipeline: Pipeline,
    node: PrivateBroker,
    chaos: random.Random,
    times: int,
    publisher: OpenPublisher = confirmed_publisher,
) -> None:
    """Kill broker and consumers at nearly the same moment."""
    pipeline.add_rules()
    pipeline.declare("history", "alerts")
    with ExitStack() as stack:
        load = stack.enter_context(Load(pipeline.address, prices(1_000_000), rate=RATE, publisher=publisher))
        victims = {name: stack.enter_context(restarting(pipeline, name)) for name in ("history", "alerts")}
        until(lambda: pipeline.stored() > RATE, "prices to be stored")
        time.sleep(SETTLED)
        for _ in range(times):
            time.sleep(chaos.uniform(0, 1))
            for fall in chaos.sample([node.kill, *(victim.die for victim in victims.values())], 3):
                time.sleep(chaos.uniform(0, 0.1))
                fall()
            node.start()
            for victim in victims.values():
                victim.revive()
                victim.process.wait_for("consuming")
        ledger = load.stop()
        for name, victim in victims.items():
            pipeline.drain(name, victim.process)
    print(f"{pipeline.check_history(ledger)} redeliveries absorbed")
    pipeline.check_alerts(ledger)


def fell_under_full_load(
    pipeline: Pipeline,
    node: PrivateBroker,
    chaos: random.Random,
    times: int,
    publisher: OpenPublisher = confirmed_publisher,
) -> None:
    """Kill the broker while a publisher sends as fast as it can."""
    pipeline.declare("history")
    load = Load(pipeline.address, prices(100_000 * times), batch=5000, publisher=publisher)
    with pipeline.consuming("history") as history, load:
        until(lambda: pipeline.stored() > RATE, "prices to be stored")
        time.sleep(SETTLED)
        for _ in range(times):
            assert load.running
            node.kill()
            node.start()
            time.sleep(chaos.uniform(0.5, 1.5))
        ledger = load.finish()
        pipeline.drain("history", history)
    print(f"{load.retried} published again, {pipeline.check_history(ledger)} redeliveries absorbed")


def fell_under_a_replay(pipeline: Pipeline, node: PrivateBroker, *command: str) -> None:
    """Kill the broker during a replay, which must go on by itself and end with exit status 0."""
    file = pipeline.folder / "prices.csv"
    rows = (f"{event.as_of.isoformat()},{event.symbol},{event.price}" for event in prices(REPLAYED))
    file.write_text("\n".join(("date,symbol,price", *rows)))
    pipeline.declare("history")
    with (
        pipeline.consuming("consumers.history.handler:history") as history,
        running(*command, "replay", str(file), "--rate", "5000", environment=pipeline.environment) as replay,
    ):
        until(lambda: pipeline.stored() > RATE, "prices to be stored")
        time.sleep(SETTLED)
        node.kill()
        node.start()
        assert replay.wait(60) == 0, replay.output
        assert "connecting again" in replay.output
        assert f"published {REPLAYED} events" in replay.output
        pipeline.drain("history", history)
    if pipeline.stored() != REPLAYED:
        raise PromiseBroken(f"{pipeline.stored()} of {REPLAYED} prices are stored")


@fault
def test_a_restart_under_load_interrupts_everybody_and_loses_nothing(
    own_pipeline: Pipeline, node: PrivateBroker, chaos: random.Random
) -> None:
    fell(own_pipeline, node, chaos, 1, stop, rate=RATE / 2, gap=3 * GAP)


@fault
def test_a_broker_killed_again_and_again_under_load_loses_nothing_that_it_confirmed(
    own_pipeline: Pipeline, node: PrivateBroker, chaos: random.Random
) -> None:
    fell(own_pipeline, node, chaos, 4, kill)


@fault
def test_a_broker_killed_under_all_that_a_publisher_can_send_loses_nothing_that_it_confirmed(
    own_pipeline: Pipeline, node: PrivateBroker, chaos: random.Random
) -> None:
    fell_under_full_load(own_pipeline, node, chaos, 2)


@fault
def test_a_broker_killed_together_with_its_consumers_loses_and_doubles_nothing(
    own_pipeline: Pipeline, node: PrivateBroker, chaos: random.Random
) -> None:
    fell_with_its_consumers(own_pipeline, node, chaos, 3)


@fault
def test_a_replay_goes_on_after_its_broker_was_killed(own_pipeline: Pipeline, node: PrivateBroker) -> None:
    fell_under_a_replay(own_pipeline, node, "./stockwire")


CONTROLS = {
    "again": partial(fell, fall=kill),
    "with its consumers": fell_with_its_consumers,
    "full load": fell_under_full_load,
}


# amqpstorm leaves a socket open after each failed connection.
@control
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scenario", CONTROLS.values(), ids=CONTROLS)
def test_control(
    own_pipeline: Pipeline, node: PrivateBroker, chaos: random.Random, scenario: Callable[..., object]
) -> None:
    scenario(own_pipeline, node, chaos, 2, publisher=without_confirms)


@control
def test_control_of_a_replay(own_pipeline: Pipeline, node: PrivateBroker) -> None:
    fell_under_a_replay(own_pipeline, node, "python", "-m", "tests.faults.sabotaged_replay")
