"""A worker that stops has just handed a sync to a process of its pool: it ends soon, and no sync is lost."""

import os
import signal
import time

from producer.celery_app import QUEUE
from tests.faults.assertions import assert_eventually, assert_prints
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline
from tests.faults.sync_load import SyncLoad, Workers, children_of
from tests.faults.test_killed_worker import SABOTAGED_WORKER, finish
from tests.processes import until
from tests.queues import consumers_of

# Seconds, far below those that `up` and Docker wait.
LIMIT = 10.0
FORGETTING = 1.0


def stop_during_hand_over(pipeline: Pipeline, app: str = "producer") -> None:
    """Stop a worker between the moments when it hands over a sync, and when the process accepts it."""
    pipeline.declare("history")
    with (
        pipeline.consuming("history") as stores,
        Workers(pipeline, app) as workers,
        SyncLoad(pipeline.address) as syncs,
    ):
        workers.now.wait_for("ready.")
        [process] = [int(each) for each in children_of(workers.now)]
        os.kill(process, signal.SIGSTOP)
        syncs.send()
        workers.now.wait_for("received")
        workers.now.send(signal.SIGTERM)
        until(lambda: consumers_of(pipeline.address, QUEUE) == 0, "the worker to take no more syncs")
        # Now it forgets the sync, and waits for its pool.
        time.sleep(FORGETTING)
        os.kill(process, signal.SIGCONT)
        assert_eventually(lambda: not workers.now.running, f"the end of\n{workers.now.output}", LIMIT)
        assert_prints(workers.start(), "succeeded in")
        finish(pipeline, syncs, workers)
        pipeline.drain("history", stores)
    pipeline.check_history(syncs.ledger(set()))


@fault
def test_a_worker_that_is_stopped_while_it_hands_over_a_sync_ends_soon_and_the_sync_is_done(pipeline: Pipeline) -> None:
    stop_during_hand_over(pipeline)


@control
def test_control_of_a_worker_that_is_stopped(pipeline: Pipeline) -> None:
    stop_during_hand_over(pipeline, f"{SABOTAGED_WORKER}:waiting_for_the_forgotten")
