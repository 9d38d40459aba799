"""A database that is locked for long, full, or away: what waits for it stays in the queue, and goes in by itself."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.faults.assertions import assert_eventually, assert_prints, assert_stops
from tests.faults.ledger import Ledger, PromiseBroken
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.mounts import enlarge, fill, small_disk
from tests.faults.pipeline import SABOTAGED, Pipeline
from tests.processes import DEADLINE, Process, running, until

# More than a consumer is given at once, so that some are unacknowledged and some have not been delivered.
EVENTS = 1500
TRYING = "wait unacknowledged, trying again"
FULL = "database or disk is full"
# In seconds: a statement waits 5 for another's transaction, and cannot be interrupted.
PROMPT = 15
SMALL, LARGE = "3m", "64m"

both = pytest.mark.parametrize("name", ["history", "alerts"])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program in the middle of a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=DEADLINE)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield


def check(pipeline: Pipeline, name: str, ledger: Ledger) -> None:
    if name == "history":
        pipeline.check_history(ledger)
    else:
        pipeline.check_alerts(ledger)


def lock_out(pipeline: Pipeline, name: str, consumer: str) -> None:
    """Locked for some 20 s in all: a consumer is killed meanwhile, one is stopped, and one lives to see the end."""
    pipeline.declare(name)
    pipeline.add_rules()
    lock = ExitStack()
    with lock, pipeline.consuming(consumer) as killed:
        lock.enter_context(locked(pipeline.history if name == "history" else pipeline.alerts))
        with Load(pipeline.address, prices(EVENTS)) as load:
            ledger = load.finish()
        waited = [wait_for_tries(killed, 2)]
        killed.stop(signal.SIGKILL)
        check_kept(pipeline, name)
        assert_prints(killed, TRYING, 2)
        with pipeline.consuming(consumer) as stopped:
            waited.append(wait_for_tries(stopped, 1))
            assert_stops(stopped, PROMPT)
        check_kept(pipeline, name)
        with pipeline.consuming(consumer) as process:
            waited.append(wait_for_tries(process, 1))
            lock.close()
            pipeline.drain(name, process)
    check(pipeline, name, ledger)
    assert sum(waited) > 15, f"the database was locked for no longer than {waited} s"


def check_kept(pipeline: Pipeline, name: str) -> None:
    """Nothing is acknowledged of what could not be committed."""
    assert_eventually(lambda: pipeline.waiting(name) == EVENTS, f"{EVENTS} events in the queue", PROMPT)


def wait_for_tries(process: Process, tries: int) -> float:
    """Until it has tried so often and said so; returns the seconds that took."""
    begun = time.monotonic()
    while time.monotonic() < begun + DEADLINE and process.output.count(TRYING) < tries:
        time.sleep(0.05)
    return time.monotonic() - begun


@fault
@both
def test_a_locked_database_keeps_everything_waiting(pipeline: Pipeline, name: str) -> None:
    lock_out(pipeline, name, name)


@control
@both
def test_control_of_a_locked_database(pipeline: Pipeline, name: str) -> None:
    lock_out(pipeline, name, f"{SABOTAGED}:{name}_acknowledging_first")


def fill_up(pipeline: Pipeline, name: str, consumer: str) -> None:
    """The load fills the disk; one consumer is stopped while it waits, the next waits on until there is room."""
    with small_disk(pipeline.folder / "disk", SMALL) as disk:
        move_to(disk, pipeline)
        pipeline.declare(name)
        pipeline.add_rules()
        # In small batches, since each takes the room of the pages it changes.
        with Load(pipeline.address, prices(50_000), batch=20) as load, pipeline.consuming(consumer) as stopped:
            until(lambda: FULL in stopped.output, "the disk to be full", 120)
            ledger = load.stop()
            # Three waits lie between four tries, of at least 0.1, 0.2 and 0.4 s.
            if wait_for_tries(stopped, stopped.output.count(TRYING) + 4) < 0.7:
                raise PromiseBroken("it tries again and again without a pause")
            assert_stops(stopped, PROMPT)
        with pipeline.consuming(consumer) as process:
            wait_for_tries(process, 2)
            enlarge(disk, LARGE)
            pipeline.drain(name, process)
        check(pipeline, name, ledger)
        assert_prints(process, FULL)


def move_to(folder: Path, pipeline: Pipeline) -> None:
    pipeline.history = folder / "history.db"
    pipeline.alerts = folder / "alerts.db"


@fault
@both
def test_a_full_disk_keeps_everything_waiting_until_there_is_room(pipeline: Pipeline, name: str) -> None:
    fill_up(pipeline, name, name)


@control
@both
def test_control_of_a_full_disk(pipeline: Pipeline, name: str) -> None:
    fill_up(pipeline, name, f"{SABOTAGED}:{name}_acknowledging_first")


@fault
@both
def test_a_consumer_that_finds_no_room_for_its_tables_says_so_and_ends(pipeline: Pipeline, name: str) -> None:
    with small_disk(pipeline.folder / "disk", SMALL) as disk:
        move_to(disk, pipeline)
        fill(disk)
        with running(*pipeline.command(name), environment=pipeline.environment) as process:
            assert process.wait() == 1
        assert process.output.startswith("stockwire: database ")
        assert process.output.endswith(f"{FULL}\n")
        assert process.output.count("\n") == 1
