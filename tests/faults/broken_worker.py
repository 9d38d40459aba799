"""Celery workers without what keeps their syncs: `celery -A tests.faults.broken_worker:acknowledging_first worker`."""

from typing import Any

from celery import platforms

from producer import app as real_app
from producer import tasks


def __getattr__(name: str) -> Any:
    """The app of the producer, broken in this way."""
    match name:
        case "acknowledging_first":
            real_app.conf.task_acks_late = False
        case "giving_up_lost_processes":
            # Celery's own default: what a process of the pool was killed at counts as done.
            real_app.conf.task_reject_on_worker_lost = False
        case "leaving_processes_behind":
            # What ends them with their worker, by the kernel's hand.
            platforms.set_pdeathsig = lambda _signal: None
        case "without_patience":
            tasks.LOCK_WAIT_SECONDS = 0
        case "alone_by_its_name":
            # Celery's own default.
            real_app.conf.update(control_queue_durable=False, control_queue_exclusive=True)
        case _:
            raise AttributeError(name)
    return real_app
