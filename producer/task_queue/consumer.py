"""Celery's consumer of the task queue, behind a check of each message."""

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from producer.task_queue.messages import InvalidTask, rebuild
from shared.times import utc_now

log = logging.getLogger(__name__)


class CheckedConsumer(Consumer):  # type: ignore[misc]
    """Rejects a message that is not a sync, and goes on with the next one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # If a process of the pool is killed before the worker is ready, Celery would end the worker, and wait for ever
        # for the sync that it has just received. The pool starts another process, as it does at any other time.
        self.pool.did_start_ok = lambda: True

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **kwargs)

        def check_and_handle(message: Any) -> None:
            try:
                rebuild(message, utc_now())
            except InvalidTask as error:
                log.error("a message in the task queue was dropped, because %s", error)
                message.reject_log_error(log, self.connection_errors)
            else:
                handle(message)

        return check_and_handle
