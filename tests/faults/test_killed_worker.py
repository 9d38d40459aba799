"""kill -9 of Celery workers and their pool processes: each sync that RabbitMQ took is done or skipped."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from producer.market_service import sync_lock
from tests.faults.assertions import assert_eventually, assert_prints, assert_stops
from tests.faults.ledger import PromiseBroken, assert_none, read_history
from tests.faults.markers import control, fault
from tests.faults.pipeline import SABOTAGED, Pipeline
from tests.faults.sync_load import SyncLoad, Workers, children_of
from tests.processes import DEADLINE, until

SABOTAGED_WORKER = "tests.faults.sabotaged_worker"
Scenario = Callable[..., None]
# Syncs per second: about the capacity of a worker that is killed so often.
RATE = 1.0
# In seconds: the duration of a sync, and the start of a worker.
SYNC = 0.2
STARTUP = 2.0
# The share of workers that are killed in the middle of a sync.
AT_WORK = 0.7


def kill(
    pipeline: Pipeline,
    chaos: random.Random,
    workers: int,
    processes: int,
    app: str = "producer",
    consumer: str = "history",
) -> int:
    """Kill workers and processes of their pools, and return the number of redeliveries."""
    victims = [Workers.kill] * workers + [Workers.kill_process] * processes
    chaos.shuffle(victims)
    pipeline.declare("history")
    with pipeline.consuming(consumer) as stores, Workers(pipeline, app) as running, SyncLoad(pipeline.address) as syncs:
        with syncs.sending(RATE):
            for kill_one in victims:
                wait_for_a_moment(running, chaos, at_work=kill_one is Workers.kill_process)
                kill_one(running)
        finish(pipeline, syncs, running)
        pipeline.drain("history", stores)
    skipped = running.skipped()
    print(f"{len(syncs.accepted)} of {len(syncs.sent)} syncs accepted, {len(skipped)} skipped")
    assert_none("syncs skipped, more than there were kills", skipped if len(skipped) > len(victims) else ())
    return pipeline.check_history(syncs.ledger(skipped))


def wait_for_a_moment(workers: Workers, chaos: random.Random, *, at_work: bool) -> None:
    if at_work or chaos.random() < AT_WORK:
        until(workers.syncing, "a sync to begin")
        time.sleep(chaos.uniform(0, SYNC))
    else:
        time.sleep(chaos.uniform(0, STARTUP))


def finish(pipeline: Pipeline, syncs: SyncLoad, workers: Workers) -> None:
    """Let the worker finish all syncs and stop it. No other process may be left."""
    try:
        until(workers.has_nothing_to_take, "the worker to take all syncs", 120)
    except AssertionError as error:
        raise AssertionError(f"{error}; the worker said:\n{workers.now.output[-5000:]}") from error
    deadline = time.monotonic() + 30
    while is_missing(pipeline, syncs, workers) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert_stops(workers.now)
    assert_eventually(lambda: not workers.left_behind(), "the end of all processes of killed workers")
    if not workers.has_nothing_to_take():
        raise PromiseBroken("a sync was done but not acknowledged")


def is_missing(pipeline: Pipeline, syncs: SyncLoad, workers: Workers) -> bool:
    stored = {row.id for row in read_history(pipeline.history)}
    return not syncs.ledger(workers.skipped()).confirmed <= stored


@contextmanager
def hanging(pipeline: Pipeline, app: str) -> Iterator[Workers]:
    """Yield a worker whose sync hangs until the pipe is written to. At the end, all events must be stored.

    The process that syncs was forked when the worker had its connection to RabbitMQ, which it keeps open.
    """
    pipeline.declare("history")
    pipe = pipeline.folder / "prices.csv"
    os.mkfifo(pipe)
    settings = {"PROVIDER": "replay,simulated", "REPLAY_FILE": str(pipe)}
    with (
        pipeline.consuming("history") as stores,
        Workers(pipeline, app, **settings) as workers,
        SyncLoad(pipeline.address) as syncs,
    ):
        workers.now.wait_for("ready.")
        workers.replace_process()
        syncs.send()
        until(workers.syncing, "the sync to begin")
        yield workers
        pipe.write_text("date,symbol,close\n2020-01-02,AAPL,1\n")
        finish(pipeline, syncs, workers)
        pipeline.drain("history", stores)
    pipeline.check_history(syncs.ledger(set()))


def hand_over(pipeline: Pipeline, app: str = "producer") -> None:
    """Kill the worker while another worker of the same name runs, which must do the sync."""
    with hanging(pipeline, app) as workers:
        first, processes = workers.now, set(children_of(workers.now))
        assert_prints(workers.start(), "ready.")
        first.send(signal.SIGKILL)
        assert_eventually(
            lambda: not processes & set(workers.left_behind()), "the end of the killed worker's own process"
        )
        assert_eventually(workers.syncing, "the other worker to do the sync")


def wait_for_the_lock(pipeline: Pipeline, app: str = "producer") -> None:
    """Kill the worker while the lock of its sync is held a little longer."""
    with hanging(pipeline, app) as workers:
        workers.now.stop(signal.SIGKILL)
        with sync_lock(workers.folder / "var", wait=DEADLINE) as held:
            assert held
            workers.start()
            assert_eventually(lambda: workers.syncing() or workers.skipped(), "the sync to come again")
            assert_none("syncs skipped for themselves", workers.skipped())
        assert_eventually(workers.syncing, "the sync to be done")


def lose_first_process(pipeline: Pipeline, app: str) -> None:
    """Run a worker whose pool process is killed after the worker has subscribed, and before it is ready."""
    pipeline.declare("history")
    with (
        pipeline.consuming("history") as stores,
        Workers(pipeline, f"{SABOTAGED_WORKER}:{app}") as workers,
        SyncLoad(pipeline.address) as syncs,
    ):
        workers.now.wait_for("exited with 'signal 9 (SIGKILL)'")
        syncs.send()
        assert_eventually(lambda: not is_missing(pipeline, syncs, workers), "another process to do the sync")
        finish(pipeline, syncs, workers)
        pipeline.drain("history", stores)
    pipeline.check_history(syncs.ledger(set()))


@fault
def test_a_worker_killed_at_random_loses_and_doubles_no_sync(pipeline: Pipeline, chaos: random.Random) -> None:
    print(f"{kill(pipeline, chaos, 45, 5)} redeliveries absorbed")


@fault
@pytest.mark.parametrize("scenario", [hand_over, wait_for_the_lock])
def test_a_sync_that_hangs_in_a_killed_worker_is_done_by_the_next(pipeline: Pipeline, scenario: Scenario) -> None:
    scenario(pipeline)


@fault
def test_a_worker_whose_process_is_killed_before_it_is_ready_goes_on_with_another(pipeline: Pipeline) -> None:
    lose_first_process(pipeline, "losing_its_first_process")


@control
def test_control_of_a_process_that_is_killed_early(pipeline: Pipeline) -> None:
    lose_first_process(pipeline, "ending_with_its_first_process")


@control
@pytest.mark.parametrize("sabotage", ["acknowledging_first", "giving_up_lost_processes"])
def test_control_of_killed_processes(pipeline: Pipeline, chaos: random.Random, sabotage: str) -> None:
    kill(pipeline, chaos, 0, 8, f"{SABOTAGED_WORKER}:{sabotage}")


@control
def test_control_of_killed_workers(pipeline: Pipeline, chaos: random.Random) -> None:
    kill(pipeline, chaos, 10, 0, consumer=f"{SABOTAGED}:history_without_dedupe")


@control
@pytest.mark.parametrize(
    ("scenario", "sabotage"),
    [
        (hand_over, "leaving_processes_behind"),
        (wait_for_the_lock, "without_patience"),
    ],
)
def test_control_of_syncs_that_hang(pipeline: Pipeline, scenario: Scenario, sabotage: str) -> None:
    scenario(pipeline, f"{SABOTAGED_WORKER}:{sabotage}")
