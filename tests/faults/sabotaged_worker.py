"""Celery workers that lose syncs on purpose: `celery -A tests.faults.sabotaged_worker:acknowledging_first worker`."""

from typing import Any

from celery import platforms
from celery.backends.database import DatabaseBackend

from producer import app as real_app
from producer import tasks, worker


class PatientResults(DatabaseBackend):
    def flush(self) -> None:
        pass


def __getattr__(name: str) -> Any:
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
        case "trusting_headers":
            real_app.conf.worker_consumer = "celery.worker.consumer:Consumer"
        case "trusting_frames":
            del real_app.conf.broker_transport_options["frame_handler"]
        case _:
            raise AttributeError(name)
    return real_app
