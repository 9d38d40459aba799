"""The clock is set while everything runs: no sync is missed, none come in a burst, and no wait gets longer."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from shared.messaging.dead_letters import describe_death
from shared.messaging.messages import price_message
from shared.messaging.topology import dead_queue_name, queue_name
from tests.event_factories import stock_data
from tests.faults.assertions import assert_eventually, assert_prints, assert_stops
from tests.faults.ledger import Ledger, PromiseBroken
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import DELIVERY_LOG, Pipeline
from tests.faults.test_storage import TRYING, locked
from tests.faults.time_shift import CLOCK, JUMP, write_clock
from tests.processes import DEADLINE, Process, copy_checkout, running, stockwire
from tests.queues import dead_letters, publish, waiting

HOUR = 3600.0
SYNC = "producer.sync"
WALL_CLOCK = "tests.faults.wall_clock_consumer"


class Jumping:
    """A process and the file that says by how many seconds its clock is ahead."""

    def __init__(self, process: Process, clock: Path) -> None:
        self.process = process
        self._clock = clock

    def set_clock(self, ahead: float) -> None:
        write_clock(self._clock, ahead)
        self.process.send(JUMP)

    def wait_for_syncs(self, count: int, timeout: float = DEADLINE) -> float:
        """Wait until the process has sent `count` more syncs, and return the seconds that this took."""
        begun = time.monotonic()
        assert_prints(self.process, SYNC, self.process.output.count(SYNC) + count, timeout)
        return time.monotonic() - begun


@contextmanager
def jumping(pipeline: Pipeline, *words: str, ahead: float = 0, **settings: str) -> Iterator[Jumping]:
    clock = pipeline.folder / "clock"
    write_clock(clock, ahead)
    folder = pipeline.folder / "stockwire"
    if not folder.exists():
        copy_checkout(pipeline.folder)
    environment = {f"STOCKWIRE_{name}": value for name, value in settings.items()}
    environment |= {**pipeline.environment, CLOCK: str(clock), "PYTHONPATH": str(folder)}
    with running("python", "-m", "tests.faults.time_shift", *words, environment=environment, folder=folder) as process:
        yield Jumping(process, clock)


def beat_every_second(pipeline: Pipeline, app: str) -> None:
    command = ("celery", "-A", app, "beat", "--loglevel=info")
    with jumping(pipeline, *command, SCHEDULE="1s") as beat:
        beat.wait_for_syncs(2)
        for ahead in (-HOUR, HOUR, 0.0):
            beat.set_clock(ahead)
            # Four syncs have three intervals of a second between them, a burst has none.
            if beat.wait_for_syncs(4) < 2:
                raise PromiseBroken(f"a burst of syncs:\n{beat.process.output}")


@fault
def test_syncs_every_so_often_go_on_evenly_however_the_clock_is_set(pipeline: Pipeline) -> None:
    beat_every_second(pipeline, "producer")


@control
def test_control_of_syncs_every_so_often(pipeline: Pipeline) -> None:
    beat_every_second(pipeline, "tests.faults.naive_beat")


def seconds_before_the_minute(seconds: float) -> float:
    """Return how many seconds ahead a clock must be to show a time this long before a full minute."""
    now = datetime.now(UTC)
    return (60 - seconds) - (now.second + now.microsecond / 1e6)


def beat_by_crontab(pipeline: Pipeline, *options: str) -> None:
    """Set the clock back and forward: a repeated minute is synced again, skipped minutes are synced once."""
    command = ("celery", "-A", "producer", "beat", "--loglevel=info", *options)
    with jumping(pipeline, *command, ahead=seconds_before_the_minute(8), SCHEDULE="* * * * *") as beat:
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
def test_syncs_by_crontab_follow_a_clock_that_is_set(pipeline: Pipeline) -> None:
    beat_by_crontab(pipeline)


@control
def test_control_of_syncs_by_crontab(pipeline: Pipeline) -> None:
    beat_by_crontab(pipeline, "--scheduler=celery.beat:Scheduler")


def wait_through_jumps(pipeline: Pipeline, chaos: random.Random, consumer: str) -> None:
    """Set the clock at random under load, and set it back while the consumer waits for its database."""
    pipeline.declare("history")
    with jumping(pipeline, "consumers", consumer) as consuming, Load(pipeline.address, prices(4000), rate=1000) as load:
        assert_prints(consuming.process, "consuming")
        while load.running:
            consuming.set_clock(chaos.uniform(-HOUR, HOUR))
            time.sleep(chaos.uniform(0, 0.5))
        ledger = load.finish()
        with ExitStack() as lock:
            lock.enter_context(locked(pipeline.history))
            late = list(prices(4100))[4000:]
            publish(pipeline.address, *map(price_message, late))
            assert_prints(consuming.process, TRYING)
            consuming.set_clock(-2 * HOUR)
        assert_eventually(lambda: pipeline.stored() == 4100, "everything to be stored")
        assert_stops(consuming.process)
    ledger.attempted |= {event.id: event for event in late}
    ledger.confirmed |= {event.id for event in late}
    pipeline.check_history(ledger)


@fault
def test_no_process_waits_for_the_time_before_the_clock_was_set(pipeline: Pipeline, chaos: random.Random) -> None:
    wait_through_jumps(pipeline, chaos, f"{DELIVERY_LOG}:history")


@control
def test_control_of_waiting(pipeline: Pipeline, chaos: random.Random) -> None:
    wait_through_jumps(pipeline, chaos, f"{WALL_CLOCK}:history")


def refuse_the_future(pipeline: Pipeline, consumer: str) -> None:
    """Run a consumer whose clock is an hour slow: it rejects prices as future ones, which are requeued later."""
    events = [stock_data(as_of=datetime.now(UTC).replace(microsecond=number)) for number in range(20)]
    queue = queue_name("history")
    with jumping(pipeline, "consumers", consumer, ahead=-HOUR) as consuming:
        assert_prints(consuming.process, "consuming")
        publish(pipeline.address, *map(price_message, events))
        dead = dead_queue_name(queue)
        assert_eventually(lambda: waiting(pipeline.address, dead) == len(events), "all dead letters", DEADLINE / 2)
        assert {"in the future" in describe_death(each).reason for each in dead_letters(pipeline.address, queue)} == {
            True
        }
        consuming.set_clock(0)
        assert "sent 20 back" in stockwire("dead", "requeue", "history", environment=pipeline.environment).stdout
        assert_eventually(lambda: pipeline.stored() == len(events), "all of it to be stored")
        assert_stops(consuming.process)
    ledger = Ledger({event.id: event for event in events}, {event.id for event in events})
    pipeline.check_history(ledger)


# A program that prints by how many whole seconds its clock is ahead, whenever that has changed.
PRINTS_ITS_CLOCK = """
import os, pathlib, time, time_machine
from tests.faults.time_shift import CLOCK, ShiftedClock
ShiftedClock(pathlib.Path(os.environ[CLOCK])).follow()
last = None
while True:
    ahead = round(time.time() - time_machine.escape_hatch.time.time())
    if ahead != last:
        print(f"{ahead} s ahead", flush=True)
    last = ahead
"""


def test_a_clock_that_is_set_again_and_again_shows_the_last_time(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    write_clock(clock, 0)
    with running("python", "-c", PRINTS_ITS_CLOCK, environment={CLOCK: str(clock)}) as process:
        process.wait_for("0 s ahead")
        jumping = Jumping(process, clock)
        for ahead in range(10, 5_000, 10):
            jumping.set_clock(ahead)
        process.wait_for("4990 s ahead")
        seen = {int(line.split()[0]) for line in process.output.splitlines()}
    assert seen <= set(range(0, 5_000, 10))


@fault
def test_prices_that_a_slow_clock_takes_for_future_ones_are_kept_and_can_be_requeued(pipeline: Pipeline) -> None:
    refuse_the_future(pipeline, f"{DELIVERY_LOG}:history")


@control
def test_control_of_a_slow_clock(pipeline: Pipeline) -> None:
    refuse_the_future(pipeline, "tests.faults.poison_consumers:dropping")
