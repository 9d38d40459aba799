"""A stranger puts malformed messages into the task queue: each is dropped once, and the syncs go on."""

import time
from pathlib import Path

import pytest

from tests.faults.ledger import PromiseBroken, assert_none
from tests.faults.malformed_tasks import malformed_tasks, publish
from tests.faults.markers import control, fault
from tests.faults.pipeline import Pipeline
from tests.faults.sync_load import SyncLoad, Workers
from tests.faults.test_killed_worker import SABOTAGED_WORKER, finish
from tests.processes import DEADLINE

# Bytes of the worker's own process: far less than a decompressed body.
MAX_MEMORY = 150 * 2**20


def sync_among_malformed_tasks(pipeline: Pipeline, app: str = "producer", pool: str = "prefork") -> None:
    pipeline.declare("history")
    marker = pipeline.folder / "unpickled"
    with (
        pipeline.consuming("history") as stores,
        Workers(pipeline, app, pool) as workers,
        SyncLoad(pipeline.address) as syncs,
    ):
        workers.now.wait_for("ready.")
        syncs.send()
        taken = 0
        for number, task in enumerate(malformed_tasks(marker)):
            taken += publish(pipeline.address, task, syncs.first)
            if number % 20 == 0:
                syncs.send()
        syncs.send()
        wait_until_all_are_taken(workers)
        assert_none("files created by a task", [marker] if marker.exists() else [])
        memory = peak_memory(workers.now.pid)
        finish(pipeline, syncs, workers)
        pipeline.drain("history", stores)
    print(f"{taken} malformed tasks, at most {memory / 2**20:.0f} MiB")
    assert_none("syncs skipped", workers.skipped())
    pipeline.check_history(syncs.ledger(set()))
    assert_none("memory for the malformed tasks", [memory] if memory > MAX_MEMORY else [])
    assert_none("tracebacks", [workers.now.output] if "Traceback" in workers.now.output else [])


def wait_until_all_are_taken(workers: Workers) -> None:
    deadline = time.monotonic() + 6 * DEADLINE
    while not workers.has_nothing_to_take():
        if not workers.now.running:
            raise PromiseBroken(f"the worker ended:\n{workers.now.output[-3000:]}")
        if time.monotonic() > deadline:
            raise PromiseBroken(f"the worker takes no tasks any more:\n{workers.now.output[-3000:]}")
        time.sleep(0.1)
    time.sleep(1)  # a message that ended the worker would come again
    if not workers.now.running:
        raise PromiseBroken(f"the worker ended:\n{workers.now.output[-3000:]}")


def peak_memory(pid: int) -> int:
    with Path(f"/proc/{pid}/status").open() as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


@fault
@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_malformed_tasks_are_dropped_and_syncs_go_on(pipeline: Pipeline, pool: str) -> None:
    sync_among_malformed_tasks(pipeline, pool=pool)


@control
@pytest.mark.parametrize("sabotage", ["trusting_headers", "trusting_frames"])
def test_control(pipeline: Pipeline, sabotage: str) -> None:
    sync_among_malformed_tasks(pipeline, f"{SABOTAGED_WORKER}:{sabotage}")
