"""A database is locked or its disk is full: events wait in the queue, and are stored when it is usable again."""

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

# More than the prefetch of a consumer: some are unacknowledged and some are not delivered.
EVENTS = 1500
TRYING = "events unacknowledged"
FULL = "database or disk is full"
# In seconds: a statement waits 5 s for another transaction and cannot be interrupted.
PROMPT = 15
SMALL, LARGE = "3m", "64m"

both = pytest.mark.parametrize("name", ["history", "alerts"])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a write transaction of another program for one block."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=DEADLINE)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield


def check(pipeline: Pipeline, name: str, ledger: Ledger) -> None:
    if name == "history":
        pipeline.check_history(ledger)
    else:
        pipeline.check_alerts(ledger)


def lock_out(pipeline: Pipeline, name: str, consumer: str) -> None:
    """Lock the database for about 20 s, in which one consumer is killed, one is stopped and one runs to the end."""
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
    """Check that no event was acknowledged without being committed."""
    assert_eventually(lambda: pipeline.waiting(name) == EVENTS, f"{EVENTS} events in the queue", PROMPT)


def wait_for_tries(process: Process, tries: int) -> float:
    """Wait until the process has said so often that it tries again, and return the seconds that this took."""
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
    """Fill the disk by load: one consumer is stopped while it waits, the next one waits until there is room."""
    with small_disk(pipeline.folder / "disk", SMALL) as disk:
        move_to(disk, pipeline)
        pipeline.declare(name)
        pipeline.add_rules()
        # In small batches, because a batch needs disk space for each page that it changes.
        with Load(pipeline.address, prices(50_000), batch=20) as load, pipeline.consuming(consumer) as stopped:
            until(lambda: FULL in stopped.output, "the disk to be full", 120)
            ledger = load.stop()
            # Between four tries are three waits of at least 0.1, 0.2 and 0.4 s.
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


@fault
def test_doctor_notices_that_nothing_can_be_written(pipeline: Pipeline) -> None:
    with small_disk(pipeline.folder / "disk", SMALL) as disk:
        move_to(disk, pipeline)
        with running(*pipeline.command("history"), environment=pipeline.environment) as process:
            process.wait_for("consuming")
        fill(disk)
        environment = {**pipeline.environment, "STOCKWIRE_RESULTS_URL": f"sqlite:///{pipeline.folder}/celery.db"}
        with running("python", "-m", "infra", "doctor", environment=environment) as process:
            assert process.wait() == 1
        assert "history.db cannot be written for now" in process.output
