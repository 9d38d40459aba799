"""The Celery app; no settings are read and nothing connects before the app is used.

Source of the settings: https://docs.celeryq.dev/en/stable/userguide/configuration.html
"""

import ssl
from datetime import timedelta
from typing import Any

from celery import Celery
from kombu.entity import Exchange, Queue

from producer.beat import beat_entry
from producer.providers.registry import make_providers
from producer.task_queue.control import ControlStep
from producer.task_queue.frames import safe_frame_handler
from producer.task_queue.topology import CONTROL, QUEUE, QUEUE_ARGUMENTS
from producer.worker import connect_signals
from shared.cli.output import error_line
from shared.errors import SettingsError
from shared.market_calendar import load_market_calendar
from shared.messaging.tls_options import TlsOptions
from shared.settings import VAR, Settings, load_settings

KEEP_RESULTS = timedelta(days=7)

# A sync may take one interval of the schedule, within these bounds; GRACE later its process is killed. The minimum is
# per provider: one that sends its answers too slowly takes up to two calls, and then the next one must have its time.
MIN_TIME_LIMIT = timedelta(minutes=1)
MAX_TIME_LIMIT = timedelta(minutes=15)
GRACE = timedelta(seconds=15)


def configure() -> dict[str, Any]:
    """Return Celery's configuration for this process; an invalid setting ends the process with one line."""
    try:
        settings = load_settings()
        make_providers(settings, VAR)
        if settings.market:
            load_market_calendar(settings.market)
        return configuration(settings)
    except SettingsError as error:
        raise SystemExit(error_line(error)) from None


def configuration(settings: Settings) -> dict[str, Any]:
    """Return Celery's configuration, which has our settings as `stockwire`. Raises SettingsError."""
    address = settings.amqp_url
    limit = min(max(settings.schedule.shortest_interval(), MIN_TIME_LIMIT * len(settings.provider)), MAX_TIME_LIMIT)
    return {
        "stockwire": settings,
        "broker_url": address.url(),
        "broker_use_ssl": address.tls is not None and tls_arguments(address.tls, address.host),
        "broker_heartbeat": address.heartbeat,
        "broker_transport_options": {
            "confirm_publish": True,
            "client_properties": {"connection_name": "stockwire celery"},
            "frame_handler": safe_frame_handler,
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A sync that loses its connection is delivered again with the same ids, so its first run must end.
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "result_backend": results_url(settings),
        "result_extended": True,
        "result_expires": KEEP_RESULTS,
        "task_queues": [queue()],
        "task_default_queue": QUEUE,
        # Celery's default, RabbitMQ's default exchange, would need the permission to write to every queue.
        "task_routes": {"producer.*": {"queue": QUEUE, "exchange": QUEUE, "routing_key": QUEUE}},
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_soft_time_limit": limit.total_seconds(),
        "task_time_limit": (limit + GRACE).total_seconds(),
        "worker_prefetch_multiplier": 1,
        # One process syncs; the other reports at once that a sync which comes due meanwhile is skipped.
        "worker_concurrency": 2,
        # A malformed message must not end the worker, nor a well-formed one: remote control includes `shutdown`.
        # ControlStep answers `celery inspect ping` in its place.
        "worker_consumer": "producer.task_queue.consumer:CheckedConsumer",
        "worker_enable_remote_control": False,
        "control_exchange": CONTROL,
        # RabbitMQ 4.3 refuses a queue for answers that is neither durable nor exclusive.
        "control_queue_exclusive": True,
        "include": ["producer.tasks"],
        "enable_utc": True,
        "timezone": "UTC",
        "beat_scheduler": "producer.beat:SingleScheduler",
        "beat_schedule": {"sync": beat_entry(settings.schedule)},
        "beat_max_loop_interval": 1,
    }


def queue() -> Queue:
    """Return the task queue and its exchange, both durable."""
    exchange = Exchange(QUEUE, type="direct", durable=True)  # type: ignore[no-untyped-call]
    return Queue(QUEUE, exchange, QUEUE, durable=True, queue_arguments=QUEUE_ARGUMENTS)  # type: ignore[no-untyped-call]


def tls_arguments(tls: TlsOptions, host: str) -> dict[str, Any]:
    """Return py-amqp's arguments for the TLS of `TlsOptions.context`.

    The host's name is included because kombu replaces localhost by 127.0.0.1, which no certificate names.
    """
    return {
        "ca_certs": tls.cacertfile,
        "certfile": tls.certfile,
        "keyfile": tls.keyfile,
        "cert_reqs": ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE,
        **({"server_hostname": tls.server_name or host} if tls.verify else {}),
    }


def results_url(settings: Settings) -> str:
    """Return Celery's URL of the results database, and create its folder. Raises SettingsError."""
    url = settings.results_url
    if url.sqlite_file:
        try:
            url.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"STOCKWIRE_RESULTS_URL: {url.sqlite_file} cannot be created: {error.strerror}"
            ) from error
    return f"db+{url.text}"


app = Celery("stockwire")
app.add_defaults(configure)
app.steps["consumer"].add(ControlStep)
app.loader.override_backends = {"db": "producer.results:BackgroundResults"}
connect_signals()
