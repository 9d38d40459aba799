"""The clock is set while everything runs: no sync missed, none in a burst, and nobody waits for the old time."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from shared.messaging.dead_letters import reason_of
from shared.messaging.messages import price_message
from shared.messaging.topology import dead_queue_name, queue_name
from tests.factories import stock_data
from tests.faults.time_shift import CLOCK, JUMP
from tests.faults.ledger import Ledger, PromiseBroken
from tests.faults.load import Load, prices
from tests.faults.marks import control, fault
from tests.faults.promises import ends_well, promised, says
from tests.faults.test_storage import TRYING, locked
from tests.faults.world import COUNTED, World
from tests.harness import dead_letters, publish, waiting
from tests.processes import DEADLINE, Process, copy_checkout, running, stockwire

HOUR = 3600.0
SYNC = "producer.sync"
WALL_CLOCK = "tests.faults.wall_clock"


class Jumping:
    """A process, and the file that says how many seconds its clock is ahead."""

    def __init__(self, process: Process, clock: Path) -> None:
        self.process = process
        self._clock = clock

    def set_clock(self, ahead: float) -> None:
        self._clock.write_text(str(ahead))
        self.process.send(JUMP)

    def wait_for_syncs(self, count: int, timeout: float = DEADLINE) -> float:
        """Until it has sent so many more; returns the seconds that took."""
        begun = time.monotonic()
        says(self.process, SYNC, self.process.output.count(SYNC) + count, timeout)
        return time.monotonic() - begun


@contextmanager
def jumping(world: World, *words: str, ahead: float = 0, **settings: str) -> Iterator[Jumping]:
    clock = world.folder / "clock"
    clock.write_text(str(ahead))
    folder = world.folder / "stockwire"
    if not folder.exists():
        copy_checkout(world.folder)
    environment = {f"STOCKWIRE_{name}": value for name, value in settings.items()}
    environment |= {**world.environment, CLOCK: str(clock), "PYTHONPATH": str(folder)}
    with running("python", "-m", "tests.faults.time_shift", *words, environment=environment, folder=folder) as process:
        yield Jumping(process, clock)


def beat_every_second(world: World, app: str) -> None:
    command = ("celery", "-A", app, "beat", "--loglevel=info")
    with jumping(world, *command, SCHEDULE="1s") as beat:
        beat.wait_for_syncs(2)
        for ahead in (-HOUR, HOUR, 0.0):
            beat.set_clock(ahead)
            # Four syncs have three intervals between them; in a burst they would have none.
            if beat.wait_for_syncs(4) < 2:
                raise PromiseBroken(f"a burst of syncs:\n{beat.process.output}")


@fault
def test_syncs_every_so_often_go_on_evenly_however_the_clock_is_set(world: World) -> None:
    beat_every_second(world, "producer")


@control
def test_control_of_syncs_every_so_often(world: World) -> None:
    beat_every_second(world, "tests.faults.plain_beat")


def seconds_before_the_minute(seconds: float) -> float:
    """How far ahead a clock has to be to show a time so long before a full minute."""
    now = datetime.now(UTC)
    return (60 - seconds) - (now.second + now.microsecond / 1e6)


def beat_by_crontab(world: World, *options: str) -> None:
    """It goes by the clock as it is: a minute that comes again is synced again, one that was skipped but once."""
    command = ("celery", "-A", "producer", "beat", "--loglevel=info", *options)
    with jumping(world, *command, ahead=seconds_before_the_minute(8), SCHEDULE="* * * * *") as beat:
        beat.wait_for_syncs(1)
        beat.set_clock(seconds_before_the_minute(3) - HOUR)
        beat.wait_for_syncs(1)
        before = beat.process.output.count(SYNC)
        beat.set_clock(seconds_before_the_minute(40) + HOUR)
        beat.wait_for_syncs(1)
        time.sleep(3)
        if beat.process.output.count(SYNC) > before + 1:
            raise PromiseBroken(f"a burst of syncs:\n{beat.process.output}")


@fault
def test_syncs_by_crontab_follow_the_clock_where_it_is_set(world: World) -> None:
    beat_by_crontab(world)


@control
def test_control_of_syncs_by_crontab(world: World) -> None:
    beat_by_crontab(world, "--scheduler=celery.beat:Scheduler")


def wait_through_jumps(world: World, chaos: random.Random, consumer: str) -> None:
    """The clock jumps at random under load, and is set back while the consumer waits for its database."""
    world.declare("history")
    with jumping(world, "consumers", consumer) as consuming, Load(world.address, prices(4000), rate=1000) as load:
        says(consuming.process, "consuming")
        while load.running:
            consuming.set_clock(chaos.uniform(-HOUR, HOUR))
            time.sleep(chaos.uniform(0, 0.5))
        ledger = load.finish()
        with ExitStack() as lock:
            lock.enter_context(locked(world.history))
            late = list(prices(4100))[4000:]
            publish(world.address, *map(price_message, late))
            says(consuming.process, TRYING)
            consuming.set_clock(-2 * HOUR)
        promised(lambda: world.stored() == 4100, "everything to be stored")
        ends_well(consuming.process)
    ledger.attempted |= {event.id: event for event in late}
    ledger.confirmed |= {event.id for event in late}
    world.check_history(ledger)


@fault
def test_nobody_waits_for_the_time_that_was(world: World, chaos: random.Random) -> None:
    wait_through_jumps(world, chaos, f"{COUNTED}:history")


@control
def test_control_of_waiting(world: World, chaos: random.Random) -> None:
    wait_through_jumps(world, chaos, f"{WALL_CLOCK}:history")


def refuse_the_future(world: World, consumer: str) -> None:
    """On a clock an hour slow every price is one of the future; once it is right they are sent back and stored."""
    events = [stock_data(as_of=datetime.now(UTC).replace(microsecond=number)) for number in range(20)]
    queue = queue_name("history")
    with jumping(world, "consumers", consumer, ahead=-HOUR) as consuming:
        says(consuming.process, "consuming")
        publish(world.address, *map(price_message, events))
        dead = dead_queue_name(queue)
        promised(lambda: waiting(world.address, dead) == len(events), "all of it to be set aside", DEADLINE / 2)
        assert {"in the future" in reason_of(each) for each in dead_letters(world.address, queue)} == {True}
        consuming.set_clock(0)
        assert "sent 20 back" in stockwire("dead", "requeue", "history", environment=world.environment).stdout
        promised(lambda: world.stored() == len(events), "all of it to be stored")
        ends_well(consuming.process)
    ledger = Ledger({event.id: event for event in events}, {event.id for event in events})
    world.check_history(ledger)


@fault
def test_what_a_slow_clock_takes_for_the_future_is_kept_and_can_be_sent_back(world: World) -> None:
    refuse_the_future(world, f"{COUNTED}:history")


@control
def test_control_of_a_slow_clock(world: World) -> None:
    refuse_the_future(world, "tests.faults.poisoned:dropping")
