"""Celery signal handlers: checks at the start of a worker or beat, and changes to Celery's defaults."""

import logging
import os
import warnings
from contextlib import suppress
from typing import Any

from billiard import pool  # type: ignore[import-untyped]
from celery import current_app, signals
from celery.platforms import SecurityWarning

from producer.broker_errors import BrokerErrorFilter
from producer.task_queue.topology import BEAT, QUEUE, WORKER
from shared.cli.logs import EscapingFormatter
from shared.cli.output import error_line
from shared.database.engine import opened, writing
from shared.errors import BrokerRefused, BrokerUnavailable, StorageError, StorageUnavailable
from shared.messaging.amqp.connection import connected
from shared.messaging.amqp.queues import count_messages
from shared.settings import Settings

log = logging.getLogger(__name__)

POOL_EXIT_TIMEOUT = 3.0  # seconds


def connect_signals() -> None:
    """Connect the handlers."""
    signals.celeryd_init.connect(check_before_start)
    signals.beat_init.connect(check_beat)
    signals.worker_init.connect(disable_gossip)
    signals.worker_init.connect(shorten_pool_exit)
    signals.beat_embedded_init.connect(follow_worker)
    signals.task_postrun.connect(remove_old_results)
    signals.worker_process_shutdown.connect(flush_results)
    signals.worker_shutdown.connect(flush_results)
    signals.after_setup_logger.connect(quieten_amqpstorm)
    signals.after_setup_logger.connect(escape_logs)
    signals.after_setup_task_logger.connect(escape_logs)
    signals.after_setup_logger.connect(shorten_broker_errors)


def check_before_start(conf: Any, **_: Any) -> None:
    """End the worker with a one-line reason if waiting cannot help; Celery itself waits for an unreachable broker."""
    # Celery warns about root because a pickle in a message can run any code, but this worker accepts only JSON.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    try:
        check_results(conf.stockwire)
        check_broker(conf.stockwire)
    except (StorageError, BrokerRefused) as error:
        raise SystemExit(error_line(error)) from None


def check_beat(sender: Any, **_: Any) -> None:
    """End a standalone beat in the same way; it stores no results."""
    try:
        with suppress(BrokerUnavailable):
            keep_declarations(sender.app)
    except BrokerRefused as error:
        raise SystemExit(error_line(error)) from None


def keep_declarations(app: Any) -> None:
    """Let a standalone beat rely on the queue of tasks if it exists, so that beat need not be able to delete it.

    Raises BrokerError.
    """
    with connected(app.conf.stockwire.amqp_url, "beat check", BEAT) as connection:
        exists = count_messages(connection, QUEUE) is not None
    app.amqp.queues[QUEUE].no_declare = exists


def check_results(settings: Settings) -> None:
    """Raise StorageError if results can never be stored. A database that is locked may be free later."""
    try:
        with opened(settings.results_url.engine_url) as engine, writing(engine):
            pass
    except StorageUnavailable as error:
        log.warning("results cannot be stored yet: %s", error)


def check_broker(settings: Settings) -> None:
    """Raise BrokerRefused if RabbitMQ rejects the connection; an unreachable broker is not an error."""
    with suppress(BrokerUnavailable), connected(settings.amqp_url, "producer check", WORKER):
        pass


def disable_gossip(sender: Any, **_: Any) -> None:
    """Disable gossip, mingle and heartbeats between workers.

    Gossip and mingle cost a queue and a delay. Heartbeats are sent only if events are asked for (`-E`), because a
    heartbeat stops the whole worker while RabbitMQ blocks publishers.
    """
    sender.options.update(without_gossip=True, without_mingle=True, without_heartbeat=not sender.task_events)


def shorten_pool_exit(**_: Any) -> None:
    """Let a pool process end after POOL_EXIT_TIMEOUT although the worker has not read its last result.

    A worker that stops forgets a task that it has handed to a process a moment ago, and never reads its result:
    RabbitMQ delivers the sync again. The process would wait for 30 s, and the worker for the process.
    """
    interval = pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = round(POOL_EXIT_TIMEOUT / interval)


def follow_worker(sender: Any, **_: Any) -> None:
    """Tell an embedded beat its worker, so that it ends with the worker."""
    sender.scheduler.parent = os.getppid()


def remove_old_results(task: Any, **_: Any) -> None:
    """Remove expired results; Celery's beat does so only if its schedule is kept in a file."""
    task.app.backend.cleanup()


def flush_results(**_: Any) -> None:
    """Store the results that are left before a process ends."""
    current_app.backend.flush()


def quieten_amqpstorm(**_: Any) -> None:
    """Silence amqpstorm's log: it repeats, with tracebacks, the errors that it raises and we report."""
    logging.getLogger("amqpstorm").setLevel(logging.CRITICAL)


def shorten_broker_errors(logger: logging.Logger, **_: Any) -> None:
    """Log a permission that RabbitMQ refuses to the worker, and a lost connection, as one line."""
    for handler in logger.handlers:
        handler.addFilter(BrokerErrorFilter(current_app.conf.stockwire.amqp_url, WORKER))


def escape_logs(logger: logging.Logger, **_: Any) -> None:
    """Escape text from outside, such as the names of unknown tasks, in Celery's log."""
    for handler in logger.handlers:
        handler.setFormatter(EscapingFormatter(handler.formatter or logging.Formatter()))
