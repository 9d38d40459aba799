"""Celery workers that lose syncs on purpose: `celery -A tests.faults.sabotaged_worker:acknowledging_first worker`."""

import os
import signal
from typing import Any

from celery import platforms
from celery.backends.database import DatabaseBackend
from celery.concurrency.prefork import TaskPool
from celery.signals import worker_ready
from celery.worker.consumer import Consumer

from producer import app as real_app
from producer import tasks, worker
from producer.task_queue.consumer import CheckedConsumer


class PatientResults(DatabaseBackend):
    def flush(self) -> None:
        pass


class EndingConsumer(CheckedConsumer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.pool.did_start_ok


def kill_first_process(sender: Consumer, **_: object) -> None:
    """Kill the process of the pool after the worker has subscribed to its queue, and before it takes a sync."""
    pool: TaskPool = sender.pool
    [process] = pool._pool._pool
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def __getattr__(name: str) -> Any:  # noqa: C901 - one case per sabotage
    """Return the producer's app, sabotaged in the way that `name` says."""
    match name:
        case "acknowledging_first":
            real_app.conf.task_acks_late = False
        case "giving_up_lost_processes":
            # Celery's default: a task counts as done if the pool process that ran it was killed.
            real_app.conf.task_reject_on_worker_lost = False
        case "leaving_processes_behind":
            # With this the kernel ends the pool processes when their worker dies.
            platforms.set_pdeathsig = lambda _signal: None
        case "without_patience":
            tasks.LOCK_WAIT_SECONDS = 0
        case "waiting_for_results":
            # Celery's own backend, which stores a result while the task waits.
            real_app.loader.override_backends = {"db": "tests.faults.sabotaged_worker:PatientResults"}
        case "waiting_for_the_forgotten":
            # The time for which billiard waits.
            worker.POOL_EXIT_TIMEOUT = 30
        case "losing_its_first_process":
            worker_ready.connect(kill_first_process, weak=False)
        case "ending_with_its_first_process":
            worker_ready.connect(kill_first_process, weak=False)
            real_app.conf.worker_consumer = "tests.faults.sabotaged_worker:EndingConsumer"
        case "trusting_headers":
            real_app.conf.worker_consumer = "celery.worker.consumer:Consumer"
        case "trusting_frames":
            del real_app.conf.broker_transport_options["frame_handler"]
        case _:
            raise AttributeError(name)
    return real_app
