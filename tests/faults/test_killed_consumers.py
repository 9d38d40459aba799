"""kill -9 of consumers at random moments under load: nothing lost, nothing doubled, each alert once."""

import random
import signal
import time
from contextlib import ExitStack

import pytest

from tests.faults.ledger import PromiseBroken
from tests.faults.load import Load, prices
from tests.faults.marks import control, fault
from tests.faults.promises import promised
from tests.faults.world import BROKEN, World, restarting, short_name
from tests.processes import Process, until

# So many events a kill, and a second, that the queue is seldom dry.
EVENTS = 1000
# In seconds: how long a consumer lives, mostly from when it consumes; sometimes it is killed while it starts.
LONGEST = 0.7
AT_WORK = 0.8
# In seconds: a standby took over in 0.2 on an idle machine.
TAKEOVER = 10.0


def kill(world: World, kills: int, chaos: random.Random, *consumers: str) -> Load:
    """Kill any of these consumers, one at a time, while events come in; ends when all of those are dealt with."""
    names = [short_name(consumer) for consumer in consumers]
    world.declare(*names)
    events = prices(EVENTS * kills)
    with Load(world.address, events, rate=EVENTS) as load, ExitStack() as stack:
        victims = [stack.enter_context(restarting(world, consumer)) for consumer in consumers]
        for _ in range(kills):
            victim = chaos.choice(victims)
            if chaos.random() < AT_WORK:
                victim.process.wait_for("consuming")
            time.sleep(chaos.uniform(0, LONGEST))
            victim.kill()
        load.finish()
        for name, victim in zip(names, victims, strict=True):
            world.drain(name, victim.process)
    return load


def kill_history(world: World, kills: int, chaos: random.Random, consumer: str = "history") -> int:
    """Says how many redeliveries were absorbed."""
    return world.check_history(kill(world, kills, chaos, consumer).ledger)


def kill_alerts(world: World, kills: int, chaos: random.Random, consumer: str = "alerts") -> None:
    world.add_rules()
    world.listen()
    world.check_alerts(kill(world, kills, chaos, consumer).ledger)


def share_a_queue(world: World, kills: int, chaos: random.Random, consumer: str = "history") -> None:
    """Two history consumers at once, one of which is killed again and again: both store, and the other goes on."""
    world.declare("history")
    with (
        Load(world.address, prices(1_000_000), rate=4 * EVENTS) as load,
        restarting(world, consumer) as victim,
        world.consuming(consumer) as other,
    ):
        for _ in range(kills):
            for process in (victim.process, other):
                process.wait_for("stored ")
            time.sleep(chaos.uniform(0, LONGEST))
            victim.kill()
            before = world.stored()
            promised(lambda before=before: world.stored() > before, "the other one to go on", TAKEOVER)
        ledger = load.stop()
        world.drain("history", victim.process, other)
    print(f"{world.check_history(ledger)} redeliveries absorbed")


def take_over(world: World, kills: int, chaos: random.Random, consumer: str = "alerts") -> None:
    """Two alert consumers at once: one works, and when it is killed the other does."""
    world.add_rules()
    world.listen()
    with ExitStack() as stack:
        active = stack.enter_context(world.consuming(consumer))
        load = stack.enter_context(Load(world.address, prices(1_000_000), rate=EVENTS))
        for _ in range(kills):
            standby = stack.enter_context(world.consuming(consumer))
            raised = world.raised()
            until(lambda raised=raised: world.raised() > raised, "the active one to raise an alert")
            time.sleep(chaos.uniform(0, LONGEST))
            if "crossing" in standby.output:
                raise PromiseBroken("the standby worked beside the active one")
            kill_and_time(active, standby)
            active = standby
        ledger = load.stop()
        world.drain("alerts", active)
    world.check_alerts(ledger)


def kill_and_time(active: Process, standby: Process) -> None:
    killed = time.monotonic()
    active.stop(signal.SIGKILL)
    promised(lambda: "crossing" in standby.output, "the standby to raise an alert", TAKEOVER)
    print(f"the standby raised an alert after {time.monotonic() - killed:.1f} s")


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=fault)])
def test_history_killed_at_random_loses_and_doubles_nothing(world: World, chaos: random.Random, kills: int) -> None:
    print(f"{kill_history(world, kills, chaos)} redeliveries absorbed")


@fault
def test_alerts_killed_at_random_raises_and_publishes_each_alert(world: World, chaos: random.Random) -> None:
    kill_alerts(world, 50, chaos)


@fault
def test_both_consumers_killed_in_turn_keep_their_promises(world: World, chaos: random.Random) -> None:
    world.add_rules()
    world.listen()
    ledger = kill(world, 20, chaos, "history", "alerts").ledger
    world.check_history(ledger)
    world.check_alerts(ledger)


@fault
def test_two_history_consumers_share_a_queue_and_each_goes_on_without_the_other(
    world: World, chaos: random.Random
) -> None:
    share_a_queue(world, 3, chaos)


@fault
def test_a_second_alerts_consumer_stands_by_and_takes_over(world: World, chaos: random.Random) -> None:
    take_over(world, 4, chaos)


@control
@pytest.mark.parametrize("broken", ["history_acknowledging_first", "history_without_dedupe"])
def test_control(world: World, chaos: random.Random, broken: str) -> None:
    kill_history(world, 10, chaos, f"{BROKEN}:{broken}")


@control
@pytest.mark.parametrize("broken", ["alerts_acknowledging_first", "alerts_without_watermarks"])
def test_control_of_alerts(world: World, chaos: random.Random, broken: str) -> None:
    kill_alerts(world, 10, chaos, f"{BROKEN}:{broken}")


@control
def test_control_of_sharing(world: World, chaos: random.Random) -> None:
    share_a_queue(world, 3, chaos, f"{BROKEN}:history_acknowledging_first")


@control
def test_control_of_standing_by(world: World, chaos: random.Random) -> None:
    take_over(world, 4, chaos, f"{BROKEN}:alerts_all_at_once")
