"""Another process locks the database of results for half a minute: no sync is late or lost, and no result is."""

import contextlib
import re
import sqlite3
import time
from pathlib import Path

from tests.celery_worker import CELERY, results
from tests.faults.ledger import PromiseBroken, assert_none
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline
from tests.faults.test_killed_worker import SABOTAGED_WORKER
from tests.processes import copy_checkout, running, until
from tests.queues import declare, waiting

# Seconds. Each sync publishes one price.
INTERVAL = 2
LOCKED = 30


def sync_while_results_are_locked(pipeline: Pipeline, app: str = "producer") -> None:
    queue = declare(pipeline.address)
    checkout = copy_checkout(pipeline.folder)
    own = {"STOCKWIRE_SYMBOLS": "AAPL", "STOCKWIRE_SCHEDULE": f"{INTERVAL}s", "PYTHONPATH": str(checkout)}
    command = (*CELERY[:-1], app, "worker", "--beat", "--loglevel=info")
    with running(*command, environment={**pipeline.environment, **own}, folder=checkout) as worker:
        until(lambda: results(checkout), "the first result")
        before, stored = waiting(pipeline.address, queue) or 0, len(results(checkout))
        lock_results(checkout, LOCKED)
        during = (waiting(pipeline.address, queue) or 0) - before
        until(lambda: len(results(checkout)) >= stored + during, "the results of all syncs", 60)
        assert worker.stop() == 0, worker.output
        output = worker.output
    print(f"{during} syncs in {LOCKED} s")
    sent = len(re.findall(r"sending producer\.sync", output))
    assert_none("syncs of beat without a result", range(sent - len(results(checkout)) - 1))
    assert_none("syncs skipped", [each for each in results(checkout) if "skipped" in each])
    if during < LOCKED / INTERVAL - 1:
        raise PromiseBroken(f"{during} syncs in {LOCKED} s, in place of {LOCKED // INTERVAL}")
    assert_none("tracebacks", re.findall("Traceback.*", output))


def lock_results(checkout: Path, seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(checkout / "var" / "celery.db", timeout=20)) as database:
        database.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        database.rollback()


@fault
def test_a_locked_database_of_results_costs_no_sync(pipeline: Pipeline) -> None:
    sync_while_results_are_locked(pipeline)


@control
def test_control(pipeline: Pipeline) -> None:
    sync_while_results_are_locked(pipeline, f"{SABOTAGED_WORKER}:waiting_for_results")
