"""What a worker does at its start, beside what its configuration says: Celery calls these as signals."""

import logging
import os
import warnings
from contextlib import suppress
from typing import Any

from celery import signals
from celery.platforms import SecurityWarning
from sqlalchemy.exc import SQLAlchemyError

from shared.database import opened, writing
from shared.errors import BrokerRefused, BrokerUnavailable, StorageError
from shared.messaging.amqp.connection import connected
from shared.settings import Settings

log = logging.getLogger(__name__)


def connect_signals() -> None:
    signals.celeryd_init.connect(check_before_start)
    signals.beat_init.connect(check_beat)
    signals.worker_init.connect(leave_out_neighbours)
    signals.beat_embedded_init.connect(follow_worker)
    signals.task_postrun.connect(forget_old_results)
    signals.after_setup_logger.connect(quieten_amqpstorm)


def check_before_start(conf: Any, **_: Any) -> None:
    """End the worker, with the one line that says why, for what waiting will not mend.

    A broker that is away is no such thing: Celery waits for it.
    """
    # Celery warns of root because a pickle in a message can run anything; this worker reads JSON alone.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    try:
        check_results(conf.stockwire)
        check_broker(conf.stockwire)
    except (StorageError, BrokerRefused) as error:
        raise SystemExit(f"stockwire: {error}") from None


def check_beat(sender: Any, **_: Any) -> None:
    """The same for a beat of its own, which keeps no results."""
    try:
        check_broker(sender.app.conf.stockwire)
    except BrokerRefused as error:
        raise SystemExit(f"stockwire: {error}") from None


def check_results(settings: Settings) -> None:
    """Raises StorageError where results could not be kept."""
    with opened(settings.results_url.engine_url) as engine, writing(engine):
        pass


def check_broker(settings: Settings) -> None:
    """Raises BrokerRefused where RabbitMQ answers and says no."""
    with suppress(BrokerUnavailable), connected(settings.amqp_url, "producer check"):
        pass


def leave_out_neighbours(sender: Any, **_: Any) -> None:
    """Workers have nothing to tell each other: without gossip and mingle there is a queue less, and no wait.

    Nor do they tell anybody every other second that they live, unless they are asked for events (`-E`): while RabbitMQ
    blocks publishers, that would stop the whole worker.
    """
    alone = {"without_gossip": True, "without_mingle": True}
    sender.options.update(alone, without_heartbeat=not sender.task_events)


def follow_worker(sender: Any, **_: Any) -> None:
    """Let an embedded beat go when its worker is gone."""
    sender.scheduler.parent = os.getppid()


def forget_old_results(task: Any, **_: Any) -> None:
    """Remove results past `result_expires`; Celery's beat does so only where its schedule is kept in a file."""
    try:
        task.app.backend.cleanup()
    except SQLAlchemyError as error:
        log.warning("old results cannot be removed for now: %s", str(error).splitlines()[0])


def quieten_amqpstorm(**_: Any) -> None:
    """It logs with tracebacks what it also raises; we report what is raised."""
    logging.getLogger("amqpstorm").setLevel(logging.CRITICAL)
