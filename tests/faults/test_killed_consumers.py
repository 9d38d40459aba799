"""kill -9 of consumers at random moments under load: nothing lost, nothing doubled, each alert once."""

import random
import time

import pytest

from tests.faults.load import Load, prices
from tests.faults.marks import control, fault
from tests.faults.world import BROKEN, World, restarting

# So many events a kill, and a second, that the queue is seldom dry; a consumer is up after about half of LONGEST.
EVENTS = 1000
LONGEST = 1.5


def kill_history(world: World, kills: int, chaos: random.Random, consumer: str = "history") -> int:
    """Says how many redeliveries were absorbed."""
    world.declare("history")
    events = prices(round(EVENTS * kills * LONGEST))
    with Load(world.address, events, rate=2 * EVENTS) as load, restarting(world, consumer) as victim:
        for _ in range(kills):
            time.sleep(chaos.uniform(0, LONGEST))
            victim.kill()
        ledger = load.finish()
        world.drain("history", victim.process)
    return world.check_history(ledger)


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=fault)])
def test_history_killed_at_random_loses_and_doubles_nothing(world: World, chaos: random.Random, kills: int) -> None:
    print(f"{kill_history(world, kills, chaos)} redeliveries absorbed")


@control
@pytest.mark.parametrize("broken", ["history_acknowledging_first", "history_without_dedupe"])
def test_control(world: World, chaos: random.Random, broken: str) -> None:
    kill_history(world, 10, chaos, f"{BROKEN}:{broken}")
