"""kill -9 of consumers at random moments under load: nothing is lost or doubled, each alert is raised once."""

import random
import signal
import time
from contextlib import ExitStack

import pytest

from tests.faults.assertions import assert_eventually
from tests.faults.ledger import PromiseBroken
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import SABOTAGED, Pipeline, restarting, short_name
from tests.processes import Process, until

# Events per kill and per second, so that the queue is seldom empty.
EVENTS = 1000
# LONGEST is the longest life of a consumer in seconds. The share AT_WORK is counted from when it takes messages,
# because on a busy machine it would not get to work at all.
LONGEST = 0.7
AT_WORK = 0.8
# After 14 fruitless deliveries, messages may come in another order (docs/reliability.md, Limits). On a busy machine a
# consumer handles so few events in a life that those it holds come this far. From these on, it may catch up.
MOST_ATTEMPTS = 9
# In seconds: on an idle machine a standby took over after 0.2 s.
TAKEOVER = 10.0


def kill(pipeline: Pipeline, kills: int, chaos: random.Random, *consumers: str) -> Load:
    """Kill one of these consumers at a time while events come in; return when all events are processed."""
    names = [short_name(consumer) for consumer in consumers]
    pipeline.declare(*names)
    events = prices(EVENTS * kills)
    with Load(pipeline.address, events, rate=EVENTS) as load, ExitStack() as stack:
        started = [stack.enter_context(restarting(pipeline, consumer)) for consumer in consumers]
        victims = dict(zip(names, started, strict=True))
        for _ in range(kills):
            name = chaos.choice(names)
            if chaos.random() < AT_WORK:
                wait_for_work(pipeline, name, victims[name].process, load)
            time.sleep(chaos.uniform(0, LONGEST))
            victims[name].kill()
        load.finish()
        for name, victim in victims.items():
            pipeline.drain(name, victim.process)
    return load


def wait_for_work(pipeline: Pipeline, name: str, process: Process, load: Load) -> None:
    """Wait until a consumer takes messages, while there are more to come."""
    before = len(pipeline.deliveries(name))
    process.wait_for("consuming")
    until(lambda: len(pipeline.deliveries(name)) > before or not load.running, f"{name} to take a message")
    until(lambda: pipeline.last_attempts(name) <= MOST_ATTEMPTS or not load.running, f"{name} to catch up")


def kill_history(pipeline: Pipeline, kills: int, chaos: random.Random, consumer: str = "history") -> int:
    """Return the number of redeliveries."""
    return pipeline.check_history(kill(pipeline, kills, chaos, consumer).ledger)


def kill_alerts(pipeline: Pipeline, kills: int, chaos: random.Random, consumer: str = "alerts") -> None:
    pipeline.add_rules()
    pipeline.listen()
    pipeline.check_alerts(kill(pipeline, kills, chaos, consumer).ledger)


def share_a_queue(pipeline: Pipeline, kills: int, chaos: random.Random, consumer: str = "history") -> None:
    """Run two history consumers and kill one again and again: both store, and the other one continues."""
    pipeline.declare("history")
    with (
        Load(pipeline.address, prices(1_000_000), rate=4 * EVENTS) as load,
        restarting(pipeline, consumer) as victim,
        pipeline.consuming(consumer) as other,
    ):
        for _ in range(kills):
            for process in (victim.process, other):
                process.wait_for("stored ")
            time.sleep(chaos.uniform(0, LONGEST))
            victim.kill()
            before = pipeline.stored()
            assert_eventually(lambda before=before: pipeline.stored() > before, "the other one to go on", TAKEOVER)
        ledger = load.stop()
        pipeline.drain("history", victim.process, other)
    print(f"{pipeline.check_history(ledger)} redeliveries absorbed")


def take_over(pipeline: Pipeline, kills: int, chaos: random.Random, consumer: str = "alerts") -> None:
    """Run two alert consumers: one is active, and the other takes over when it is killed."""
    pipeline.add_rules()
    pipeline.listen()
    with ExitStack() as stack:
        active = stack.enter_context(pipeline.consuming(consumer))
        load = stack.enter_context(Load(pipeline.address, prices(1_000_000), rate=EVENTS))
        for _ in range(kills):
            standby = stack.enter_context(pipeline.consuming(consumer))
            raised = pipeline.raised()
            until(lambda raised=raised: pipeline.raised() > raised, "the active one to raise an alert")
            time.sleep(chaos.uniform(0, LONGEST))
            if "crossing" in standby.output:
                raise PromiseBroken("the standby worked beside the active one")
            kill_and_time(active, standby)
            active = standby
        ledger = load.stop()
        pipeline.drain("alerts", active)
    pipeline.check_alerts(ledger)


def kill_and_time(active: Process, standby: Process) -> None:
    killed = time.monotonic()
    active.stop(signal.SIGKILL)
    assert_eventually(lambda: "crossing" in standby.output, "the standby to raise an alert", TAKEOVER)
    print(f"the standby raised an alert after {time.monotonic() - killed:.1f} s")


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=fault)])
def test_history_killed_at_random_loses_and_doubles_nothing(
    pipeline: Pipeline, chaos: random.Random, kills: int
) -> None:
    print(f"{kill_history(pipeline, kills, chaos)} redeliveries absorbed")


@fault
def test_alerts_killed_at_random_raises_and_publishes_each_alert(pipeline: Pipeline, chaos: random.Random) -> None:
    kill_alerts(pipeline, 50, chaos)


@fault
def test_both_consumers_killed_in_turn_keep_their_promises(pipeline: Pipeline, chaos: random.Random) -> None:
    pipeline.add_rules()
    pipeline.listen()
    ledger = kill(pipeline, 20, chaos, "history", "alerts").ledger
    pipeline.check_history(ledger)
    pipeline.check_alerts(ledger)


@fault
def test_two_history_consumers_share_a_queue_and_each_goes_on_without_the_other(
    pipeline: Pipeline, chaos: random.Random
) -> None:
    share_a_queue(pipeline, 3, chaos)


@fault
def test_a_second_alerts_consumer_stands_by_and_takes_over(pipeline: Pipeline, chaos: random.Random) -> None:
    take_over(pipeline, 4, chaos)


@control
@pytest.mark.parametrize("sabotage", ["history_acknowledging_first", "history_without_dedupe"])
def test_control(pipeline: Pipeline, chaos: random.Random, sabotage: str) -> None:
    kill_history(pipeline, 10, chaos, f"{SABOTAGED}:{sabotage}")


@control
@pytest.mark.parametrize("sabotage", ["alerts_acknowledging_first", "alerts_without_watermarks"])
def test_control_of_alerts(pipeline: Pipeline, chaos: random.Random, sabotage: str) -> None:
    kill_alerts(pipeline, 10, chaos, f"{SABOTAGED}:{sabotage}")


@control
def test_control_of_sharing(pipeline: Pipeline, chaos: random.Random) -> None:
    share_a_queue(pipeline, 3, chaos, f"{SABOTAGED}:history_acknowledging_first")


@control
def test_control_of_standing_by(pipeline: Pipeline, chaos: random.Random) -> None:
    take_over(pipeline, 4, chaos, f"{SABOTAGED}:alerts_all_at_once")
